"""Joins records that differ only in what the reader of a trace is not shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TypeVar

import msgspec

from interprobe.facts import Fact
from interprobe.layout import Layout
from interprobe.trace import Borrow, Call, Copy, Variant
from interprobe.turns import joined_turns

_Record = TypeVar("_Record")


def join(
    records: list[_Record],
    identity: Callable[[_Record], object],
    joined: Callable[[_Record, _Record], _Record],
) -> list[_Record]:
    """Join records of one identity: they differ in a return address, for instance."""
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


def _joined_facts(one: list[Fact], other: list[Fact]) -> list[Fact]:
    """Facts of twins as facts of one record."""
    joined = {(fact.kind, fact.position, fact.other): fact for fact in one}
    for fact in other:
        key = (fact.kind, fact.position, fact.other)
        twin = joined.get(key)
        if twin is None:
            joined[key] = fact
        else:
            larger = fact if fact.value > twin.value else twin
            joined[key] = msgspec.structs.replace(
                twin, count=twin.count + fact.count, value=larger.value, limit=larger.limit
            )
    return list(joined.values())


def copy_identity(copy: Copy) -> object:
    """What tells one copy record from another."""
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


def joined_copy(one: Copy, other: Copy) -> Copy:
    """Two copy records as one."""
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
        facts=_joined_facts(one.facts, other.facts),
        replays=[*one.replays, *other.replays],
    )


def borrow_identity(borrow: Borrow) -> object:
    """What tells one borrow record from another."""
    return (
        borrow.site,
        borrow.user_site,
        borrow.consumer,
        borrow.requested,
        _layout_identity(borrow.layout),
    )


def joined_borrow(one: Borrow, other: Borrow) -> Borrow:
    """Two borrow records as one."""
    largest = one if one.layout.nbytes >= other.layout.nbytes else other
    return msgspec.structs.replace(
        largest,
        count=one.count + other.count,
        bytes=one.bytes + other.bytes,
        facts=_joined_facts(one.facts, other.facts),
    )


def call_identity(call: Call) -> object:
    """What tells one call record from another."""
    arguments = tuple(
        (a.position, a.name, a.declared, _layout_identity(a.given), _layout_identity(a.freed))
        for a in call.arguments
    )
    return (call.site, call.user_site, call.binding, call.library, call.function, arguments)


def joined_call(one: Call, other: Call) -> Call:
    """Two call records as one."""
    return msgspec.structs.replace(
        one,
        count=one.count + other.count,
        seconds=one.seconds + other.seconds,
        seconds_self=one.seconds_self + other.seconds_self,
        seconds_min=min(one.seconds_min, other.seconds_min),
        seconds_max=max(one.seconds_max, other.seconds_max),
        bytes_borrowed=one.bytes_borrowed + other.bytes_borrowed,
        bytes_copied=one.bytes_copied + other.bytes_copied,
        resident_growth=one.resident_growth + other.resident_growth,
        page_faults=one.page_faults + other.page_faults,
        faulting=one.faulting + other.faulting,
        facts=_joined_facts(one.facts, other.facts),
        replays=[*one.replays, *other.replays],
        turn=joined_turns(one.turn, other.turn),
    )
