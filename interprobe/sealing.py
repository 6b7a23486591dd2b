"""Turns the ledger's records into the trace's: names places, symbols and times, joins twins."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from interprobe import symbols
from interprobe._version import __version__
from interprobe.findings import Site
from interprobe.ledger import CallRecord, CopyRecord, LedgerContents, Place
from interprobe.sites import NO_SITE, site_at
from interprobe.trace import (
    Argument,
    Call,
    Copy,
    Layout,
    Memory,
    Meta,
    Native,
    Process,
    TimelineBin,
    Trace,
    Variant,
)


def seal(
    contents: LedgerContents,
    *,
    argv: Sequence[str],
    started: float,
    versions: tuple[str, str, str],
    rss_peak_bytes: int,
    complete: bool,
    blind_spots: list[str],
) -> Trace:
    """Make the trace of one process.

    Args:
        contents: The ledger.
        argv: What was run.
        started: Seconds since the Unix epoch.
        versions: Of Python and NumPy, and the platform.
        rss_peak_bytes: Highest resident memory of the process.
        complete: Whether the recording ended in good order.
        blind_spots: What the recording could not see.
    """
    place = _PlaceNames()
    copies = [_copy(record, contents, place) for record in contents.copies if record.count]
    calls = [_call(record, contents, place) for record in contents.calls if record.count]
    seconds = contents.seconds(contents.active_ticks)
    memory = _memory(contents, rss_peak_bytes, place)
    python, numpy, system = versions
    return Trace(
        meta=Meta(
            interprobe=__version__,
            python=python,
            numpy=numpy,
            platform=system,
            argv=list(argv),
            started=started,
            seconds=seconds,
            exit_status=None,
            complete=complete,
            blind_spots=blind_spots,
        ),
        processes=[
            Process(
                id=0,
                pid=contents.pid,
                parent=None,
                argv=list(argv),
                started=started,
                seconds=seconds,
                exit_status=None,
                complete=complete,
                in_flight=None,
                memory=memory,
            )
        ],
        copies=_join(copies, _copy_identity, _joined_copy),
        calls=_join(calls, _call_identity, _joined_call),
        borrows=[],
        memory=memory,
    )


class _PlaceNames:
    """Sites of places, each read from the source once."""

    def __init__(self) -> None:
        self._known: dict[Place, Site] = {}

    def __call__(self, place: Place | None) -> Site:
        if place is None:
            return NO_SITE
        if place not in self._known:
            self._known[place] = site_at(
                place.file,
                place.function,
                place.line,
                place.column,
                place.end_line,
                place.end_column,
            )
        return self._known[place]


def _copy(record: CopyRecord, contents: LedgerContents, place: _PlaceNames) -> Copy:
    site = place(record.place)
    return Copy(
        process=0,
        site=site,
        user_site=place(record.user_place) if record.user_place else site,
        mechanism=record.mechanism,
        kind="+".join(record.kind) or "unknown",
        explicit=record.explicit,
        native=_native(record),
        source=record.source,
        result=record.result,
        unmet=record.unmet,
        count=record.count,
        bytes=record.bytes,
        seconds=contents.seconds(record.ticks),
        nbytes_min=record.nbytes_min,
        nbytes_max=record.nbytes_max,
        variants=record.variants,
        repeated=record.repeated,
    )


def _native(record: CopyRecord) -> Native | None:
    if record.library is None:
        return None
    found = symbols.locate(record.library, record.address)
    return Native(
        library=os.path.abspath(record.library),
        symbol=found.symbol,
        file=found.file,
        line=found.line,
    )


def _call(record: CallRecord, contents: LedgerContents, place: _PlaceNames) -> Call:
    site = place(record.place)
    return Call(
        process=0,
        site=site,
        user_site=place(record.user_place) if record.user_place else site,
        binding=record.binding,
        library=os.path.abspath(record.library) if record.library else "",
        function=record.function or f"0x{record.address:x}",
        arguments=[
            Argument(
                position=position,
                name=None,
                declared=_type_name(argument.declared),
                true=None,
                given=argument.given,
            )
            for position, argument in enumerate(record.arguments)
        ],
        count=record.count,
        seconds=contents.seconds(record.ticks),
        seconds_self=contents.seconds(record.ticks_self),
        seconds_min=contents.seconds(record.ticks_min),
        seconds_max=contents.seconds(record.ticks_max),
        bytes_borrowed=record.bytes_borrowed,
        bytes_copied=record.bytes_copied,
    )


def _type_name(name: str | None) -> str | None:
    """The type as a program writes it: ctypes calls ``POINTER(c_double)`` ``LP_c_double``."""
    if name is None:
        return None
    depth = 0
    while name.startswith("LP_"):
        name = name[3:]
        depth += 1
    return "POINTER(" * depth + name + ")" * depth


def _memory(contents: LedgerContents, rss_peak_bytes: int, place: _PlaceNames) -> Memory:
    record = contents.memory
    return Memory(
        numpy_peak_bytes=record.peak_bytes,
        rss_peak_bytes=rss_peak_bytes,
        allocations=record.allocations,
        allocated_bytes=record.allocated_bytes,
        timeline=[
            TimelineBin(seconds=contents.seconds(ticks), numpy_bytes=highest)
            for ticks, highest in record.timeline
        ],
        numpy_peak_site=place(record.peak_place) if record.peak_place else None,
    )


_Record = TypeVar("_Record")


def _join(
    records: list[_Record],
    identity: Callable[[_Record], object],
    joined: Callable[[_Record, _Record], _Record],
) -> list[_Record]:
    """Join records that differ only in what the reader is not shown, such as a return address."""
    found: dict[object, _Record] = {}
    for record in records:
        key = identity(record)
        found[key] = joined(found[key], record) if key in found else record
    return list(found.values())


def _layout_identity(layout: Layout | None) -> tuple[object, ...] | None:
    if layout is None:
        return None
    return (
        layout.dtype,
        layout.byteorder,
        layout.order,
        layout.aligned,
        layout.writeable,
        len(layout.shape),
    )


def _copy_identity(copy: Copy) -> object:
    return (
        copy.site,
        copy.user_site,
        copy.mechanism,
        copy.kind,
        copy.explicit,
        copy.native,
        tuple(copy.unmet),
        _layout_identity(copy.source),
        _layout_identity(copy.result),
    )


def _joined_copy(one: Copy, other: Copy) -> Copy:
    largest = one if one.nbytes_max >= other.nbytes_max else other
    shapes = Counter[tuple[int, ...] | None]()
    for copy in (one, other):
        # A record of one shape lists none: it is the shape of its result.
        for variant in copy.variants or [Variant(copy.result.shape, copy.count)]:
            shapes[None if variant.shape is None else tuple(variant.shape)] += variant.count
    variants = [Variant(None if key is None else list(key), n) for key, n in shapes.items()]
    return msgspec.structs.replace(
        largest,
        count=one.count + other.count,
        bytes=one.bytes + other.bytes,
        seconds=one.seconds + other.seconds,
        nbytes_min=min(one.nbytes_min, other.nbytes_min),
        nbytes_max=largest.nbytes_max,
        repeated=one.repeated + other.repeated,
        variants=variants if len(variants) > 1 else [],
    )


def _call_identity(call: Call) -> object:
    arguments = tuple((a.declared, _layout_identity(a.given)) for a in call.arguments)
    return (call.site, call.user_site, call.binding, call.library, call.function, arguments)


def _joined_call(one: Call, other: Call) -> Call:
    return msgspec.structs.replace(
        one,
        count=one.count + other.count,
        seconds=one.seconds + other.seconds,
        seconds_self=one.seconds_self + other.seconds_self,
        seconds_min=min(one.seconds_min, other.seconds_min),
        seconds_max=max(one.seconds_max, other.seconds_max),
        bytes_borrowed=one.bytes_borrowed + other.bytes_borrowed,
        bytes_copied=one.bytes_copied + other.bytes_copied,
    )
