"""Turns the ledger's records into the trace's: names places, symbols and times."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial

import msgspec

from interprobe import (
    borrowers,
    description,
    large_blocks,
    native_callers,
    replay_choice,
    replay_facts,
    twin_records,
    unseen,
)
from interprobe._version import __version__
from interprobe.call_turns import TURN_FACTS, add_turns, turn_of
from interprobe.called_prototypes import USED_UP, add_prototypes, type_name
from interprobe.description import RunDescription
from interprobe.facts import Fact
from interprobe.findings import Site
from interprobe.ledger_records import (
    ArgumentRecord,
    BorrowRecord,
    CallRecord,
    CopyRecord,
    FactRecord,
    LedgerContents,
    OperationRecord,
    Place,
)
from interprobe.operations import UNNAMED, operation_at
from interprobe.replays import NO_CROSSING
from interprobe.sites import NO_SITE, register_source, site_at
from interprobe.temporaries import temporaries_of
from interprobe.trace import (
    Argument,
    Borrow,
    Call,
    Copy,
    Guard,
    Memory,
    Meta,
    Native,
    Operation,
    Process,
    TimelineBin,
    Trace,
)
from interprobe.violations import violations_of


def seal(ledgers: Sequence[LedgerContents]) -> Trace:
    """Make the trace of a run.

    Args:
        ledgers: One per process; the first is that of the process that was run.
    """
    place = _PlaceNames()
    descriptions = [description.decode(contents.description) for contents in ledgers]
    for each in descriptions:
        for filename, text in each.sources.items():
            register_source(filename, text)
    processes = [
        _process(number, contents, each, place, ledgers=ledgers, origin=descriptions[0].started)
        for number, (contents, each) in enumerate(zip(ledgers, descriptions, strict=True))
    ]
    recorded = [
        call
        for number, contents in enumerate(ledgers)
        for call in twin_records.join(
            [
                _call(number, each, contents, place)
                for each in contents.calls
                if each.count or any(fact.kind not in USED_UP for fact in each.facts)
            ],
            twin_records.call_identity,
            twin_records.joined_call,
        )
    ]
    calls, problems = add_prototypes(recorded, descriptions[0].headers)
    calls = add_turns(calls, {process.id: process.seconds for process in processes})
    first, about = processes[0], descriptions[0]
    return Trace(
        meta=Meta(
            interprobe=__version__,
            python=about.python,
            numpy=about.numpy,
            platform=about.platform,
            argv=about.argv,
            started=about.started,
            seconds=first.seconds,
            exit_status=None,
            complete=first.complete,
            blind_spots=[
                *unseen.sentences(ledgers, descriptions),
                *(f"{each}." for each in problems),
            ],
        ),
        processes=processes,
        copies=[
            copy
            for number, contents in enumerate(ledgers)
            for copy in twin_records.join(
                [_copy(number, each, contents, place) for each in contents.copies if each.count],
                twin_records.copy_identity,
                twin_records.joined_copy,
            )
        ],
        calls=calls,
        borrows=[
            borrow
            for number, contents in enumerate(ledgers)
            for borrow in twin_records.join(
                [_borrow(number, each, place) for each in contents.borrows],
                twin_records.borrow_identity,
                twin_records.joined_borrow,
            )
        ],
        memory=_memory_of_all(processes),
        temporaries=temporaries_of(ledgers, place),
        operations=[
            _operation(number, each, contents, place)
            for number, contents in enumerate(ledgers)
            for each in contents.operations
            if each.count
        ],
        allocations=large_blocks.allocations_of(ledgers, place),
        violations=[
            violation
            for number, contents in enumerate(ledgers)
            if contents.guard is not None
            for violation in violations_of(
                number,
                contents.guard,
                partial(_call, number, contents=contents, place=place),
                place,
            )
        ],
    )


def _process(
    number: int,
    contents: LedgerContents,
    about: RunDescription,
    place: _PlaceNames,
    *,
    ledgers: Sequence[LedgerContents],
    origin: float,
) -> Process:
    # A forked child's ledger names its parent; an interpreter that was started does so itself.
    parent = contents.parent or about.parent
    parents = [index for index, each in enumerate(ledgers) if each.pid == parent]
    later = (contents.started_nanoseconds - ledgers[0].started_nanoseconds) / 1e9
    under_way = [_call(number, each, contents, place) for each in contents.in_flight]
    return Process(
        id=number,
        pid=contents.pid,
        parent=parents[0] if parents and number > 0 else None,
        argv=about.argv,
        started=origin + later,
        seconds=contents.seconds(contents.active_ticks),
        exit_status=None,
        complete=contents.sealed,
        in_flight="; ".join(_in_words(call) for call in under_way) or None,
        memory=_memory(contents, about.rss_peak_bytes, place),
        guard=_guard(contents),
    )


def _guard(contents: LedgerContents) -> Guard | None:
    record = contents.guard
    return None if record is None else Guard(record.guarded, record.unguarded, record.most)


def _in_words(call: Call) -> str:
    """A crossing that did not return, with what it was given."""
    given = []
    for argument in call.arguments:
        array = argument.given or argument.freed
        if array is not None:
            order = "strided" if array.order == "strided" else f"{array.order} order"
            shape = "x".join(map(str, array.shape)) or "a single element"
            lost = "" if argument.given is not None else ", freed before the call"
            given.append(f"argument {argument.position + 1} {array.dtype} {shape} in {order}{lost}")
    where = f"{call.user_site.file}:{call.user_site.line}"
    arrays = f" ({', '.join(given)})" if given else ""
    library = os.path.basename(call.library)
    return f"{call.function} of {library}{arrays}, called at {where}"


def _memory_of_all(processes: Sequence[Process]) -> Memory:
    """Sums of what was allocated, the highest of the peaks; the timeline of the first process."""
    peak = max((process.memory for process in processes), key=lambda each: each.numpy_peak_bytes)
    return msgspec.structs.replace(
        processes[0].memory,
        numpy_peak_bytes=peak.numpy_peak_bytes,
        numpy_peak_site=peak.numpy_peak_site,
        rss_peak_bytes=max(process.memory.rss_peak_bytes for process in processes),
        allocations=sum(process.memory.allocations for process in processes),
        allocated_bytes=sum(process.memory.allocated_bytes for process in processes),
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


def _copy(process: int, record: CopyRecord, contents: LedgerContents, place: _PlaceNames) -> Copy:
    site = place(record.place)
    facts, replays = replay_facts.split(_facts(record.facts, place))
    typical = contents.seconds(record.ticks) / max(1, record.count)
    return Copy(
        process=process,
        site=site,
        user_site=place(record.user_place) if record.user_place else site,
        mechanism=operation_at(site) if record.mechanism == UNNAMED else record.mechanism,
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
        facts=facts,
        replays=replay_choice.choose(
            replays, contents.seconds(record.ticks_min), typical, of_difference=True
        ),
    )


def _facts(records: Sequence[FactRecord], place: _PlaceNames) -> list[Fact]:
    return [
        Fact(
            kind=record.kind,
            position=record.position,
            other=record.other,
            count=record.count,
            value=record.value,
            limit=record.limit,
            text=record.text,
            site=place(record.place) if record.place else None,
        )
        for record in records
    ]


def _native(record: CopyRecord) -> Native | None:
    if record.library is None:
        return None
    found = native_callers.author(record.library, record.callers)
    return Native(
        library=os.path.abspath(record.library),
        symbol=found.symbol,
        file=found.file,
        line=found.line,
    )


def _call(process: int, record: CallRecord, contents: LedgerContents, place: _PlaceNames) -> Call:
    site = place(record.place)
    lasting = [fact for fact in record.facts if fact.kind not in TURN_FACTS]
    facts, replays = replay_facts.split(_facts(lasting, place))
    seconds, longest = contents.seconds(record.ticks), contents.seconds(record.ticks_max)
    shortest = contents.seconds(record.ticks_min)
    typical = replay_choice.typical_seconds(record.count, seconds, longest)
    return Call(
        process=process,
        site=site,
        user_site=place(record.user_place) if record.user_place else site,
        binding=record.binding,
        library=os.path.abspath(record.library) if record.library else "",
        function=record.function or f"0x{record.address:x}",
        arguments=[
            Argument(
                position=argument.position,
                name=argument.member,
                declared=type_name(argument.declared),
                true=None,
                given=argument.given,
                role="output" if _is_written(record, argument) else None,
                freed=argument.freed,
            )
            for argument in sorted(record.arguments, key=lambda each: each.position)
        ],
        count=record.count,
        seconds=seconds,
        seconds_self=contents.seconds(record.ticks_self),
        seconds_min=shortest,
        seconds_max=longest,
        bytes_borrowed=record.bytes_borrowed,
        bytes_copied=record.bytes_copied,
        resident_growth=record.resident_growth,
        page_faults=record.page_faults,
        faulting=record.faulting,
        facts=facts,
        replays=replay_choice.choose(
            [each for each in replays if each.change != NO_CROSSING], shortest, typical
        ),
        turn=turn_of(record, contents, [each for each in replays if each.change == NO_CROSSING]),
    )


def _is_written(record: CallRecord, argument: ArgumentRecord) -> bool:
    """Whether the callee was seen to write the array behind an argument."""
    return argument.member is None and any(
        fact.kind == "changed" and fact.position == argument.position for fact in record.facts
    )


def _borrow(process: int, record: BorrowRecord, place: _PlaceNames) -> Borrow:
    site = place(record.place)
    return Borrow(
        process=process,
        site=site,
        user_site=place(record.user_place) if record.user_place else site,
        consumer=borrowers.consumer(record, site),
        requested=borrowers.requested(record),
        layout=record.layout,
        count=record.count,
        bytes=record.bytes,
        facts=_facts(record.facts, place),
    )


def _operation(
    process: int, record: OperationRecord, contents: LedgerContents, place: _PlaceNames
) -> Operation:
    site = place(record.place)
    facts, replays = replay_facts.split(_facts(record.facts, place))
    seconds, longest = contents.seconds(record.ticks), contents.seconds(record.ticks_max)
    in_place = replay_choice.typical_seconds(record.count, seconds, longest)
    return Operation(
        process=process,
        site=site,
        user_site=place(record.user_place) if record.user_place else site,
        operation=record.operation,
        operands=record.operands,
        positions=record.positions,
        count=record.count,
        bytes=record.bytes,
        seconds=seconds,
        facts=facts,
        replays=replay_choice.choose(replays, in_place, in_place),
    )


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
        page_fault_seconds=large_blocks.page_fault_seconds(contents),
        held_before_bytes=contents.pages.held_before if contents.pages else 0,
        machine_bytes=(contents.pages.machine_bytes or None) if contents.pages else None,
    )
