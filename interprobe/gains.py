"""What crossings gain by a change: by their replays, or by the times that the recording booked."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import msgspec

from interprobe.consumers import positions_of
from interprobe.findings import Saving
from interprobe.replays import DISAGREES, Replay
from interprobe.trace import Call, Copy
from interprobe.wording import listed

_MOSTLY = 0.5
"""What part of the crossings' time must have been repeated for a gain to be called measured."""

_PROBES = 50e-6
"""Seconds that the probes take at most of a call in the program, and of what it converts."""

_DEARER = 2.0
"""From this ratio on, copies that are repeated do something that they did not do in the program: to
touch memory for the first time, mostly. Less may be what they put out of the caches."""

_PAGE = 4096

_NOT_REPEATED = "the call was not repeated"
_BEFORE_THE_CALL = "the copy is made before the call"
_NO_CALL = "no call takes the copy directly"


@dataclass(frozen=True)
class Part:
    """What some crossings, or copies apart from any, save.

    Attributes:
        seconds: Of the crossings; None where there are none.
        saved: Seconds of them.
        low: At least so many, by the interval of the measurement; None where it has none.
        high: At most so many.
        cache: The state of the caches in the measurement; None where nothing was measured.
        why: Why it was not measured, or what one must know of the measurement.
    """

    seconds: float | None
    saved: float
    low: float | None
    high: float | None
    measured: bool
    cache: str | None = None
    why: str | None = None


class Repeatable(Protocol):
    """A record of something that a replay may have repeated."""

    @property
    def seconds(self) -> float:
        """Of all instances."""

    @property
    def replays(self) -> list[Replay]:
        """What was tried."""


def inside_calls(
    calls: Sequence[Call], made: Sequence[Copy], all_made: Sequence[Copy], changes: frozenset[str]
) -> Iterator[Part]:
    """Copies that the callee made of its arguments: its time holds theirs."""
    seconds = sum(call.seconds for call in calls)
    took = sum(copy.seconds for copy in made)
    of_copies = [replay for copy in made for replay in copy.replays]
    for call in calls:
        wanted = frozenset[int]().union(*(positions_of(call, copy.source) for copy in made))
        tried = [*call.replays, *(each for each in of_copies if each not in call.replays)]
        replay = _best(tried, changes, wanted)
        # Which of the calls made how many of the copies is not known: by their time.
        own_took = took * (call.seconds / seconds if seconds > 0 else 1 / len(calls))
        if replay is None:
            yield _estimate(call.seconds, own_took, _failure(tried, changes))
        elif wanted and set(replay.positions) - wanted:
            dearer = _are_dearer_repeated([call], all_made, replay)
            yield _shared(call.seconds, replay, made, all_made, dearer=dearer)
        else:
            # A copy's own replays may be of another call, inside this one.
            is_of_call = replay in call.replays
            unlike = is_of_call and _is_much_longer(call.seconds_min, replay.as_is)
            dearer = _are_dearer_repeated([call], made, replay)
            yield _without_copies(call.seconds, own_took, replay, unlike=unlike, dearer=dearer)


def before_calls(
    calls: Sequence[Call], made: Sequence[Copy], all_made: Sequence[Copy], changes: frozenset[str]
) -> Iterator[Part]:
    """Copies that were made in the expressions of a call's arguments."""
    took = sum(copy.seconds for copy in made)
    before = sum(copy.seconds for copy in all_made)
    # The place may also have calls that needed no copy.
    times = sum(call.count for call in calls)
    copied = max(copy.count for copy in all_made)
    seconds = sum(call.seconds for call in calls) * (copied / times if times > copied else 1.0)
    own = [replay for copy in made for replay in copy.replays]
    alone = _best([each for each in own if len(set(each.positions)) == 1], changes, frozenset())
    tried = [replay for copy in all_made for replay in copy.replays]
    together = _best([each for each in tried if len(set(each.positions)) > 1], changes, frozenset())
    if alone is not None and len(made) > 1:
        for copy in made:
            yield apart_from_calls(copy, [], changes)
    elif alone is not None:
        unlike = _are_unlike(calls, made, alone)
        dearer = _are_dearer_repeated(calls, made, alone)
        yield _without_copies(seconds + took, took, alone, unlike=unlike, dearer=dearer)
    elif together is not None:
        dearer = _are_dearer_repeated(calls, all_made, together)
        yield _shared(seconds + before, together, made, all_made, dearer=dearer)
    else:
        why = _failure(own, changes, otherwise=_BEFORE_THE_CALL)
        yield _estimate(seconds + before, took, why)


def apart_from_calls(copy: Copy, later: Sequence[Call], changes: frozenset[str]) -> Part:
    """A copy that is an argument of no call as it is made.

    Args:
        copy: The copy.
        later: Calls that were given an array like the one that it made.
        changes: The changes that leave it out.
    """
    replay = _best(copy.replays, changes, frozenset())
    if replay is None:
        return _estimate(None, copy.seconds, _failure(copy.replays, changes, otherwise=_NO_CALL))
    of_calls = sum(call.seconds for call in later)
    if later and sum(call.count for call in later) <= copy.count:
        unlike = _are_unlike(later, [copy], replay)
        dearer = _are_dearer_repeated(later, [copy], replay)
        seconds = copy.seconds + of_calls
        return _without_copies(seconds, copy.seconds, replay, unlike=unlike, dearer=dearer)
    with_first = copy.seconds + replay.changed * copy.count
    of_first = _measurement(with_first, replay)
    # Made once and passed often: it is saved once, and what it is saved of is all those calls.
    return replace(of_first, seconds=max(copy.seconds + of_calls, with_first))


def with_changes(records: Sequence[Repeatable], changes: Iterable[str]) -> Iterator[Part]:
    """Calls with other arguments; of those that were not repeated nothing is known."""
    wanted = frozenset(changes)
    for record in records:
        replay = _best(record.replays, wanted, frozenset())
        if replay is not None:
            yield _measurement(record.seconds, replay)
        else:
            yield _estimate(record.seconds, 0.0, _failure(record.replays, wanted))


def _best(
    replays: Sequence[Replay], changes: frozenset[str], wanted: frozenset[int]
) -> Replay | None:
    """The measurement that tells most of a change of some arguments; None: there is none.

    Args:
        replays: What was tried.
        changes: The changes that will do.
        wanted: The arguments that the fix concerns; empty: not known, any will do.
    """
    usable = [
        replay
        for replay in replays
        if replay.change in changes
        and replay.speedup is not None
        and 0 < replay.speedup < math.inf
        and (not wanted or wanted & set(replay.positions))
    ]

    def fits(replay: Replay) -> tuple[bool, bool, int, float]:
        replaced = set(replay.positions)
        return (replaced == wanted, replaced >= wanted, replay.passes, replay.as_is)

    return max(usable, key=fits, default=None)


def _failure(
    replays: Sequence[Replay], changes: frozenset[str], otherwise: str = _NOT_REPEATED
) -> str:
    """Why nothing was measured."""
    reasons = [replay.reason for replay in replays if replay.change in changes and replay.reason]
    return reasons[0] if reasons else otherwise


def _measurement(seconds: float, replay: Replay) -> Part:
    """What calls of so many seconds save by the change of a replay."""
    assert replay.speedup is not None
    return Part(
        seconds=seconds,
        saved=_saved(seconds, replay.speedup),
        low=_saved(seconds, replay.low) if replay.low and replay.low > 0 else None,
        high=_saved(seconds, replay.high) if replay.high and replay.high > 0 else None,
        measured=True,
        cache=replay.cache,
    )


def _is_much_longer(seconds: float, repeated: float) -> bool:
    """Whether a call took longer in the program for more than what the probes do around it."""
    return seconds > DISAGREES * repeated and seconds - repeated > _PROBES


def _instances(made: Sequence[Copy]) -> int:
    """How often copies were made together; at least once."""
    return max(1, *(copy.count for copy in made))


def _are_unlike(calls: Sequence[Call], made: Sequence[Copy], replay: Replay) -> bool:
    """Whether copies, and even the shortest of some calls, took much longer than when repeated.

    The mean of the calls would not tell: threads that wait for a core, or for each other, make it
    longer.

    Args:
        calls: At least one, which were given copies that had been made before.
        made: The copies.
        replay: A measurement of such a call, and of the copy and the call.
    """
    took = sum(copy.seconds for copy in made) / _instances(made)
    return _is_much_longer(took, replay.as_is - replay.changed) and _is_much_longer(
        min(call.seconds_min for call in calls), replay.changed
    )


def _are_dearer_repeated(calls: Sequence[Call], made: Sequence[Copy], replay: Replay) -> bool:
    """Whether copies cost much more when repeated than in the program, which touched no new memory.

    The C library gives memory at the end of its heap back to the kernel when it is freed, or keeps
    it: what else is there decides, and that is not the same in the child.

    Args:
        calls: At least one, which were given the copies or made them.
        made: All copies that the measurement left out.
        replay: The measurement.
    """
    instances = _instances(made)
    took = sum(copy.seconds for copy in made) / instances
    copied = sum(copy.bytes for copy in made) / instances
    dearer = replay.as_is - replay.changed
    faults = sum(call.page_faults for call in calls) / max(1, sum(call.count for call in calls))
    return dearer > _DEARER * took and dearer - took > _PROBES and faults * _PAGE < copied / 4


def _without_copies(
    seconds: float, took: float, replay: Replay, *, unlike: bool, dearer: bool
) -> Part:
    """What calls save that make no copies any more.

    Where a call took much longer in the program than when it was repeated, or its copies much
    less, something was different: mostly arrays were in memory that was touched for the first time.
    What the copies themselves took in the program then tells more than the replay, and the interval
    spans both.

    Args:
        seconds: Of the calls in the program, copies included.
        took: Seconds of the copies in the program.
        replay: A measurement of such a call with and without them.
        unlike: Whether the program's calls took much longer.
        dearer: Whether the repeated copies did.
    """
    part = _measurement(seconds, replay)
    if not (unlike or dearer) or not 0 < took < seconds:
        return part
    longer = (
        "repeated copies took longer than the program's"
        if dearer
        else "the calls took longer in the program than when repeated"
    )
    return replace(
        part,
        saved=took,
        low=None if part.low is None else min(part.low, took),
        high=None if part.high is None else max(part.high, took),
        cache="either",
        why=f"{longer}, as in memory that was new: what the copies took in the program counts",
    )


def _shared(
    seconds: float,
    replay: Replay,
    made: Sequence[Copy],
    all_made: Sequence[Copy],
    *,
    dearer: bool,
) -> Part:
    """What some of the copies save that were left out together: by their times."""
    took = sum(copy.seconds for copy in all_made)
    whole = _without_copies(seconds, took, replay, unlike=False, dearer=dearer)
    part = sum(copy.seconds for copy in made) / took if took > 0 else len(made) / len(all_made)
    numbers = listed([str(position + 1) for position in sorted(set(replay.positions))])
    return replace(
        whole,
        saved=whole.saved * part,
        low=None if whole.low is None else whole.low * part,
        high=None if whole.high is None else whole.high * part,
        why=f"arguments {numbers} were changed together, and what that gains is divided between "
        "their copies by the time that these took",
    )


def _estimate(seconds: float | None, saved: float, why: str) -> Part:
    return Part(seconds, saved, saved, saved, measured=False, why=why)


def _saved(seconds: float, speedup: float) -> float:
    return seconds * (1 - 1 / speedup)


def total_saving(parts: Sequence[Part], wall: float, part: float = 1.0) -> Saving:
    """What all parts save together.

    Args:
        parts: At least one.
        wall: Seconds of the processes that they are in.
        part: What part of the seconds saved the finding answers for.
    """
    at_calls = [each for each in parts if each.seconds is not None]
    total = sum(each.seconds or 0.0 for each in at_calls)
    repeated = sum(each.seconds or 0.0 for each in at_calls if each.measured)
    measured = any(each.measured for each in parts) and repeated >= _MOSTLY * total
    caches = {each.cache for each in parts if each.measured}
    saving = Saving(
        speedup=_speedup(total, _total(each.saved for each in at_calls)),
        low=_speedup(total, _total(each.low for each in at_calls)) if measured else None,
        high=_speedup(total, _total(each.high for each in at_calls)) if measured else None,
        seconds=sum(each.saved for each in parts) * part,
        cache=(caches.pop() if len(caches) == 1 else "either") if measured else None,
        method="measured" if measured else "estimated",
        reason=reasons_of(parts, measured=measured),
    )
    if not measured:
        return with_program(saving, wall)
    lowest, highest = (_total(each.low for each in parts), _total(each.high for each in parts))
    return with_program(
        saving,
        wall,
        None if lowest is None else lowest * part,
        None if highest is None else highest * part,
    )


def _total(seconds: Iterable[float | None]) -> float | None:
    """The sum; None where one of them is not known."""
    known = 0.0
    for each in seconds:
        if each is None:
            return None
        known += each
    return known


def with_program(
    saving: Saving, wall: float, lowest: float | None = None, highest: float | None = None
) -> Saving:
    """The saving with what the program gains, where ``lowest`` to ``highest`` seconds are saved."""
    if saving.seconds is None or wall <= 0:
        return saving
    return msgspec.structs.replace(
        saving,
        program_seconds=wall,
        program_speedup=_speedup(wall, saving.seconds),
        program_low=_speedup(wall, lowest),
        program_high=_speedup(wall, highest),
    )


def reasons_of(parts: Sequence[Part], *, measured: bool = False) -> str | None:
    """Why it was not measured; of a measurement, what is to be known of it."""
    missing = dict.fromkeys(each.why for each in parts if each.why and not each.measured)
    if not measured:
        return "; ".join(missing) or None
    notes = dict.fromkeys(each.why for each in parts if each.why and each.measured)
    if missing:
        told = "; ".join(why for why in missing if why != _NOT_REPEATED)
        notes[f"the other calls were not repeated{f': {told}' if told else ''}"] = None
    return "; ".join(notes) or None


def _speedup(seconds: float, saved: float | None) -> float | None:
    """How many times as fast something becomes that saves some of its seconds."""
    if saved is None or seconds <= 0 or seconds - saved <= 0:
        return None
    speedup = seconds / (seconds - saved)
    return speedup if math.isfinite(speedup) else None
