"""Makes the turns of a trace from what was sampled around calls, and measures what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from interprobe.empty_calls import SAMPLED_CALL, empty_call, mean_seconds
from interprobe.ledger_records import CallRecord, LedgerContents
from interprobe.loops import loop_around
from interprobe.replays import Replay
from interprobe.trace import Call
from interprobe.turns import Turn

_BETWEEN, _ADDRESSES = "turn-between", "turn-addresses"
TURN_FACTS = frozenset({SAMPLED_CALL, _BETWEEN, _ADDRESSES})
"""The kinds of facts that native/call_turns.c books, for use here alone."""

_LEAST_CALLS = 1000
_LEAST_SHARE = 0.01
"""Of a process's time: what takes less is left without a closer look."""


def turn_of(record: CallRecord, contents: LedgerContents, replays: Sequence[Replay]) -> Turn | None:
    """What was sampled of a record's turns; None where nothing was.

    Args:
        record: The calls.
        contents: What it is of.
        replays: Of the record, those without the crossing.
    """
    facts = {fact.kind: fact for fact in record.facts}
    own = facts.get(SAMPLED_CALL)
    if own is None or record.count < _LEAST_CALLS:
        return None
    call = mean_seconds(own, contents)
    alone = {each.cache: each.changed for each in replays if each.passes}
    return Turn(
        samples=own.count,
        call=call or 0.0,
        between=mean_seconds(facts.get(_BETWEEN), contents),
        addresses=mean_seconds(facts.get(_ADDRESSES), contents),
        work=alone.get("warm"),
        work_cold=alone.get("evicted"),
        given=own.text.split(",") if own.text else [],
    )


def add_turns(calls: Sequence[Call], seconds: Mapping[int, float]) -> list[Call]:
    """Measure empty calls, and find the loops, for the calls that are worth it.

    Args:
        calls: As they were recorded, with their prototypes.
        seconds: Wall time of each process.
    """
    return [_with_turn(call, seconds.get(call.process, 0.0)) for call in calls]


def _with_turn(call: Call, wall: float) -> Call:
    turn = call.turn
    if turn is None:
        return call
    parts = call.seconds + call.count * (turn.between or turn.addresses or 0.0)
    if parts < _LEAST_SHARE * wall:
        return msgspec.structs.replace(call, turn=None)
    empty = empty_call(call, turn)
    turn = msgspec.structs.replace(
        turn,
        empty=empty.whole,
        bare=empty.bare,
        probes=empty.probes,
        loop=loop_around(call.user_site),
    )
    return msgspec.structs.replace(call, turn=turn)
