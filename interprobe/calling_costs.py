"""Parts of what short calls cost: the crossing, its addresses, the loop, and the work itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from interprobe.call_arguments import FOREIGN_BINDINGS
from interprobe.call_words import argument_text
from interprobe.findings import Cost, RecordIndex, Saving, Severity
from interprobe.loop_text import Loop, addresses_in_call, item_of_array, loop_of
from interprobe.shares import measured_cost, severity_of_cost
from interprobe.trace import Call, Trace
from interprobe.turns import Turn
from interprobe.wording import seconds_text

LEAST_SHARE = 0.05
"""Of a process's time: what costs less is no finding."""

LEAST_SPEEDUP = 1.2
"""Of a turn: what gains less is no finding."""

_LEAST_SAMPLES = 16
_DOUBT = 0.15
"""Of an empty call: by so much two measurements of it may differ."""
_UNLIKE = 0.4
"""Of an empty call: by so much it may differ from what crossings take in the program, between
other work."""
_LOOP_DOUBT = 0.25
"""Of the work: by so much one call for all may differ, whose loop is the compiler's to unroll."""
_CLOCK_DOUBT = 0.005
"""Of a turn: what is shorter is lost among the errors of its times."""


@dataclass(frozen=True)
class CallingCost:
    """The calls of one function on one of the user's own lines, with the parts of one turn.

    Attributes:
        call: The record with the most calls.
        turn: Its turn.
        loop: The loop around the calls; None where there is none on the page.
        indices: All records.
        count: All calls.
        item: The array whose items are handed over one by one; None where there is none.
    """

    call: Call
    turn: Turn
    loop: Loop | None
    indices: list[int]
    processes: list[int]
    count: int
    item: str | None

    @property
    def empty(self) -> float | None:
        """Of a call, what is the crossing's own; None where that is not known."""
        return None if self.turn.empty is None else min(self.turn.empty, self.turn.call)

    @property
    def remainder(self) -> float | None:
        """What is left of a call without the crossing, by the difference of two times."""
        return None if self.empty is None else self.turn.call - self.empty

    @property
    def is_work_known(self) -> bool:
        """Whether the work was timed by itself."""
        return self.turn.work is not None

    @property
    def work(self) -> float | None:
        """What the function does, without the crossing.

        Where the program's calls took longer than it does in warm caches, that is the crossing's,
        as far as one may differ there; beyond that, their arrays were not in the caches.
        """
        warm, remainder = self.turn.work, self.remainder
        if warm is None or remainder is None:
            return remainder if warm is None else min(warm, self.turn.call)
        if remainder <= warm + _UNLIKE * (self.empty or 0.0):
            return min(warm, self.turn.call)
        return min(remainder, max(self.turn.work_cold or warm, warm))

    @property
    def marshalling(self) -> float:
        """What a call pays to turn arrays into addresses, before and inside it."""
        return self.addresses + self.conversion

    @property
    def addresses(self) -> float:
        """What a call pays to turn arrays into addresses before it is made."""
        at_once = addresses_in_call(self.call.user_site.expression) or (
            self.loop is not None and self.loop.addresses_at_once
        )
        return (self.turn.addresses or 0.0) if at_once else 0.0

    @property
    def conversion(self) -> float:
        """What a call pays inside to turn arrays into addresses."""
        if self.turn.empty is None or self.turn.bare is None:
            return 0.0
        conversion = self.turn.empty - self.turn.bare
        if self.is_work_known:
            conversion = max(conversion, self.turn.call - (self.work or 0.0) - self.turn.bare)
        return min(max(conversion, 0.0), self.turn.call)

    @property
    def around(self) -> float:
        """What a turn takes besides the call, as far as it would go with it."""
        if self.loop is not None and self.loop.is_only_call and self.turn.between is not None:
            return max(self.turn.between, self.addresses)
        return self.addresses

    @property
    def whole(self) -> float:
        """A turn: the call and what is around it."""
        return self.turn.call + self.around


def calling_costs(trace: Trace, least_calls: int) -> Iterator[CallingCost]:
    """The short calls of a run that were sampled often enough to be judged.

    Args:
        trace: The run.
        least_calls: Places with fewer calls are passed over.
    """
    groups: dict[tuple[object, ...], list[int]] = {}
    for index, call in enumerate(trace.calls):
        # What a library does in a loop of its own is not for the user to change.
        # A pointer to freed memory has to go, whatever it costs.
        dangles = any(argument.freed is not None for argument in call.arguments)
        if call.turn is not None and call.site == call.user_site and not dangles:
            place = (call.user_site, call.binding, call.library, call.function)
            groups.setdefault(place, []).append(index)
    for indices in groups.values():
        calls = [trace.calls[index] for index in indices]
        lead = max(calls, key=lambda call: call.count)
        count = sum(call.count for call in calls)
        turn = lead.turn
        if turn is None or turn.samples < _LEAST_SAMPLES or count < least_calls:
            continue
        loop = loop_of(turn.loop, lead.user_site.expression) if turn.loop else None
        yield CallingCost(
            call=lead,
            turn=turn,
            loop=loop,
            indices=indices,
            processes=[call.process for call in calls],
            count=count,
            item=_boxed_item(lead, turn, loop),
        )


def cost_of(trace: Trace, calls: CallingCost, seconds: float) -> tuple[Cost, Severity] | None:
    """What one part of every turn cost in all, and how severe that is.

    Args:
        trace: The run.
        calls: Where.
        seconds: Of one turn.

    Returns:
        None where it is too little to speak of.
    """
    cost = measured_cost(trace, calls.processes, seconds * calls.count, 0)
    return (cost, severity_of_cost(cost)) if cost.share >= LEAST_SHARE else None


def records_of(calls: CallingCost) -> list[RecordIndex]:
    """The records, so that the finding can be checked."""
    return [RecordIndex(list="calls", index=index) for index in calls.indices]


def estimated_saving(calls: CallingCost, left: float, known: str) -> Saving:
    """What is gained where only a part of each turn is left.

    Args:
        calls: Where.
        left: Seconds of one turn that stay.
        known: How that is known: a clause.
    """
    whole, empty = calls.whole, calls.turn.empty or 0.0
    doubt = _DOUBT * empty + 0.02 * whole
    unlike = max(doubt, _UNLIKE * empty)
    floor = max(doubt, 1e-12)
    is_least = left < floor
    left = max(left, floor)
    return Saving(
        speedup=whole / left,
        low=whole / (left + doubt),
        high=None if is_least or left <= 2 * unlike else whole / (left - unlike),
        seconds=max(whole - left, 0.0) * calls.count,
        method="estimated",
        reason=f"at least: what is left is too little to be told, {known}" if is_least else known,
    )


def batched_saving(calls: CallingCost) -> Saving:
    """What is gained where one call does the work of all of them.

    Args:
        calls: Where; their work is known.
    """
    left = calls.work or 0.0
    if not calls.is_work_known:
        return estimated_saving(calls, left, "by an empty function called the same way")
    whole = calls.whole
    nearest = _LOOP_DOUBT * left + _CLOCK_DOUBT * whole
    # As far as the program's calls may have met colder caches.
    colder = min((calls.turn.work_cold or left) - left, _DOUBT * (calls.empty or 0.0))
    most = left + max(nearest, colder)
    return Saving(
        speedup=whole / max(left, _CLOCK_DOUBT * whole),
        low=whole / most,
        high=whole / (left - nearest) if left > 2 * nearest else None,
        seconds=max(whole - left, 0.0) * calls.count,
        method="estimated",
        reason="the function was timed by itself, as compiled code calls it",
    )


def _boxed_item(call: Call, turn: Turn, loop: Loop | None) -> str | None:
    """The array whose items a call is given one by one, if it is given no array."""
    if any(argument.given is not None for argument in call.arguments):
        return None
    found = None
    for position, given in enumerate(turn.given):
        text = argument_text(call.user_site.expression, position)
        array = item_of_array(text, loop) if text is not None else None
        if given.startswith("numpy.") or (array is not None and given in {"float", "int"}):
            found = found or array or text
    return found


def work_text(calls: CallingCost) -> str:
    """The time of the work, in words: ``about 80 ns``, ``under 66 ns``; at least one is known."""
    least = _DOUBT * (calls.empty or 0.0)
    work = calls.work or 0.0
    if calls.is_work_known or work >= least:
        return f"about {seconds_text(work)}"
    return f"under {seconds_text(least)}"


def verdict(calls: CallingCost) -> Literal["IP501", "IP502", "IP505"] | None:
    """Which of three rules is to speak of a place: the one whose cure removes most, or none."""
    work = calls.work
    overhead = calls.around + (calls.empty or 0.0)
    is_short = work is not None and overhead >= work
    if calls.item is not None:
        return "IP505" if is_short and calls.around + calls.turn.call > 0 else None
    kernel = calls.turn.call if work is None else work
    rest = calls.whole - calls.marshalling
    dominates = calls.marshalling >= kernel or (is_short and 2 * calls.marshalling >= overhead)
    if dominates and calls.whole >= LEAST_SPEEDUP * rest:
        return "IP502"
    if not is_short or not _is_numeric(calls.call):
        return None
    return "IP501"


def _is_numeric(call: Call) -> bool:
    """Whether a call hands numbers to native code, and no other objects that it may be about."""
    foreign = call.binding in FOREIGN_BINDINGS
    return foreign or any(argument.given is not None for argument in call.arguments)
