"""Says of each finding that costs time what its fix would gain, and how that is known.

What was measured comes from the replays of the finding's records; where nothing was, from the times
that the recording booked: a copy that is not made saves the time that it took.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from interprobe.consumers import Consumer, Consumers, positions_of
from interprobe.findings import Finding, Saving, Severity, Verdict
from interprobe.replays import Replay
from interprobe.shares import WARNING_SHARE, wall_seconds
from interprobe.trace import Call, Copy, Trace
from interprobe.wording import listed

LEAST_GAIN = 1.05
"""A fix that gains less is not worth it."""
CLEAR_GAIN = 1.2
"""From here on a gain is beyond doubt."""
CONFORMING = "conforming"
"""The change of a replay whose callee was given what it had otherwise converted to."""

_ABOUT_COPIES = "IP1"
_ABOUT_LAYOUTS = "IP2"
_MAY_COST_TIME = ("IP5", "IP6")
_MOSTLY = 0.5
"""What part of the crossings' time must have been repeated for a gain to be called measured."""

_NOT_REPEATED = "the call was not repeated"
_BEFORE_THE_CALL = "the copy is made before the call"
_NO_CALL = "no call takes the copy directly"
_NO_REPLAY = "nothing was repeated without it"
_SEVERAL_CHANGES = "several changes were tried, and it is not known which of them is this fix"


@dataclass(frozen=True)
class _Part:
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


class Savings:
    """Adds what they gain to the findings of one trace.

    Args:
        trace: The run.
    """

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._consumers = Consumers(trace)
        self._consumer_of = [self._consumers.of_copy(copy) for copy in trace.copies]
        self._before: dict[Consumer, float] = {}
        """Seconds of all conversions in the arguments of some calls."""
        for consumer, copy in zip(self._consumer_of, trace.copies, strict=True):
            if consumer is not None and not consumer.inside:
                self._before[consumer] = self._before.get(consumer, 0.0) + copy.seconds

    def added(self, finding: Finding, changes: Iterable[str] | None = None) -> Finding:
        """The finding with its saving, and no more severe than that lets it be.

        Args:
            finding: What a rule said. A saving that the rule measured itself is kept.
            changes: Names of the replays' changes that the fix amounts to. By default
                ``conforming`` for copies, and for others the one other change that was tried.

        Returns:
            The same finding where its fix is not about time.
        """
        rule = finding.rule
        about_time = rule.startswith((_ABOUT_COPIES, _ABOUT_LAYOUTS)) or (
            rule.startswith(_MAY_COST_TIME)
            and (finding.cost.seconds > 0 or finding.saving is not None)
        )
        if finding.severity is Severity.ERROR or not about_time:
            return finding
        saving = finding.saving
        if saving is None:
            saving = self._saving(finding, None if changes is None else frozenset(changes))
        elif saving.seconds is not None and saving.program_seconds is None:
            saving = _with_program(saving, self._wall(finding))
        if saving.verdict is None:
            saving = msgspec.structs.replace(saving, verdict=verdict_of(saving))
        return msgspec.structs.replace(finding, saving=saving, severity=_severity(finding, saving))

    def _saving(self, finding: Finding, changes: frozenset[str] | None) -> Saving:
        copies = [
            record.index
            for record in finding.records
            if record.list == "copies" and 0 <= record.index < len(self._trace.copies)
        ]
        if copies:
            parts = list(self._without_copies(copies, changes or frozenset([CONFORMING])))
            took = sum(self._trace.copies[index].seconds for index in copies)
            # A rule may answer for a part of the copies, such as those that repeat another.
            part = min(1.0, max(0.0, finding.cost.seconds / took)) if took > 0 else 1.0
            return _sum(parts, self._wall(finding), part)
        calls = self._calls_of(finding)
        if not calls:
            return Saving(reason=_NO_REPLAY)
        tried = {replay.change for call in calls for replay in call.replays} - {CONFORMING}
        if changes is None and len(tried) > 1:
            return Saving(reason=_SEVERAL_CHANGES)
        parts = list(_with_changes(calls, tried if changes is None else changes))
        if not any(part.measured for part in parts):
            return Saving(reason=_reasons(parts))
        return _sum(parts, self._wall(finding))

    def _calls_of(self, finding: Finding) -> list[Call]:
        found: dict[int, None] = {}
        for record in finding.records:
            if record.list == "calls" and 0 <= record.index < len(self._trace.calls):
                found[record.index] = None
            elif record.list == "borrows" and 0 <= record.index < len(self._trace.borrows):
                borrow = self._trace.borrows[record.index]
                found.update(dict.fromkeys(self._consumers.of_borrow(borrow)))
        return [self._trace.calls[index] for index in found]

    def _wall(self, finding: Finding) -> float:
        """Wall time of the processes that a finding's records are of."""
        lists = {record.list: getattr(self._trace, record.list) for record in finding.records}
        return wall_seconds(
            self._trace,
            [
                lists[record.list][record.index].process
                for record in finding.records
                if 0 <= record.index < len(lists[record.list])
            ],
        )

    def _without_copies(self, copies: list[int], changes: frozenset[str]) -> Iterator[_Part]:
        """What is saved by copies that are not made."""
        made_for: dict[Consumer | None, list[Copy]] = {}
        for index in copies:
            made_for.setdefault(self._consumer_of[index], []).append(self._trace.copies[index])
        for consumer, made in made_for.items():
            took = sum(copy.seconds for copy in made)
            if consumer is None:
                yield from _apart_from_calls(made, changes)
                continue
            calls = [self._trace.calls[index] for index in consumer.calls]
            if consumer.inside:
                yield from _inside_calls(calls, made, changes)
            else:
                seconds = sum(call.seconds for call in calls) + self._before[consumer]
                yield _estimate(seconds, took, _BEFORE_THE_CALL)


def verdict_of(saving: Saving) -> Verdict | None:
    """Whether a fix is recommended: by the crossing, or the program where there is no crossing."""
    speedup = saving.program_speedup if saving.speedup is None else saving.speedup
    if speedup is None:
        return None
    holds_none = saving.low is not None and saving.low <= 1
    if holds_none or speedup < LEAST_GAIN:
        return "not worth it"
    return "undecided" if speedup < CLEAR_GAIN else "worth it"


def saved_seconds(finding: Finding) -> float:
    """What a report orders findings by: the seconds that a fix saves, else those that it costs."""
    saving = finding.saving
    if saving is None or saving.seconds is None:
        return finding.cost.seconds
    return max(0.0, saving.seconds)


def _severity(finding: Finding, saving: Saving) -> Severity:
    """A note where the gain was measured and is small, or has not been measured where it must."""
    measured = saving.method == "measured"
    saves_little = (
        measured
        and saving.seconds is not None
        and saving.program_seconds is not None
        and saving.seconds < WARNING_SHARE * saving.program_seconds
    )
    only_suspected = finding.rule.startswith(_ABOUT_LAYOUTS) and not measured
    if saving.verdict == "not worth it" or saves_little or only_suspected:
        return Severity.NOTE
    return finding.severity


def _inside_calls(
    calls: Sequence[Call], made: Sequence[Copy], changes: frozenset[str]
) -> Iterator[_Part]:
    """Copies that the callee made of its arguments: its time holds theirs."""
    seconds = sum(call.seconds for call in calls)
    took = sum(copy.seconds for copy in made)
    of_copies = [replay for copy in made for replay in copy.replays]
    for call in calls:
        wanted = frozenset[int]().union(*(positions_of(call, copy.source) for copy in made))
        tried = [*call.replays, *(each for each in of_copies if each not in call.replays)]
        replay = _best(tried, changes, wanted)
        if replay is not None:
            yield _measurement(call.seconds, replay, wanted)
        else:
            # Which of the calls made how many of the copies is not known: by their time.
            part = call.seconds / seconds if seconds > 0 else 1 / len(calls)
            yield _estimate(call.seconds, took * part, _failure(tried, changes))


def _apart_from_calls(made: Sequence[Copy], changes: frozenset[str]) -> Iterator[_Part]:
    """Copies that no known call was waiting for."""
    for copy in made:
        replay = _best(copy.replays, changes, frozenset())
        if replay is not None:
            yield _measurement(replay.as_is * copy.count, replay, frozenset())
        else:
            why = _failure(copy.replays, changes) if copy.replays else _NO_CALL
            yield _estimate(None, copy.seconds, why)


def _with_changes(calls: Sequence[Call], changes: Iterable[str]) -> Iterator[_Part]:
    """Calls with other arguments; of those that were not repeated nothing is known."""
    wanted = frozenset(changes)
    for call in calls:
        replay = _best(call.replays, wanted, frozenset())
        if replay is not None:
            yield _measurement(call.seconds, replay, frozenset())
        else:
            yield _estimate(call.seconds, 0.0, _failure(call.replays, wanted))


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


def _failure(replays: Sequence[Replay], changes: frozenset[str]) -> str:
    """Why nothing was measured."""
    for replay in replays:
        if replay.change in changes and replay.reason:
            return replay.reason
    return _NOT_REPEATED


def _measurement(seconds: float, replay: Replay, wanted: frozenset[int]) -> _Part:
    """What calls of so many seconds save by the change of a replay."""
    assert replay.speedup is not None
    others = sorted(set(replay.positions) - wanted) if wanted else []
    numbers = listed([str(position + 1) for position in sorted(set(replay.positions))])
    return _Part(
        seconds=seconds,
        saved=_saved(seconds, replay.speedup),
        low=_saved(seconds, replay.low) if replay.low and replay.low > 0 else None,
        high=_saved(seconds, replay.high) if replay.high and replay.high > 0 else None,
        measured=True,
        cache=replay.cache,
        why=f"with arguments {numbers} changed together" if others else None,
    )


def _estimate(seconds: float | None, saved: float, why: str) -> _Part:
    return _Part(seconds, saved, saved, saved, measured=False, why=why)


def _saved(seconds: float, speedup: float) -> float:
    return seconds * (1 - 1 / speedup)


def _sum(parts: Sequence[_Part], wall: float, part: float = 1.0) -> Saving:
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
        reason=_reasons(parts, measured=measured),
    )
    if not measured:
        return _with_program(saving, wall)
    lowest, highest = (_total(each.low for each in parts), _total(each.high for each in parts))
    return _with_program(
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


def _with_program(
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


def _reasons(parts: Sequence[_Part], *, measured: bool = False) -> str | None:
    """Why it was not measured; of a measurement, what is to be known of it."""
    missing = dict.fromkeys(each.why for each in parts if each.why and not each.measured)
    if not measured:
        return "; ".join(missing) or None
    notes = dict.fromkeys(each.why for each in parts if each.why and each.measured)
    if missing:
        notes[f"the other calls not: {'; '.join(missing)}"] = None
    return "; ".join(notes) or None


def _speedup(seconds: float, saved: float | None) -> float | None:
    """How many times as fast something becomes that saves some of its seconds."""
    if saved is None or seconds <= 0 or seconds - saved <= 0:
        return None
    speedup = seconds / (seconds - saved)
    return speedup if math.isfinite(speedup) else None
