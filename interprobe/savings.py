"""Says of each finding that costs time what its fix would gain, and how that is known.

What was measured comes from the replays of the finding's records; where nothing was, from the times
that the recording booked: a copy that is not made saves the time that it took.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from interprobe.consumers import Consumer, Consumers
from interprobe.findings import Finding, Saving, Severity, Verdict
from interprobe.gains import (
    Part,
    Repeatable,
    apart_from_calls,
    before_calls,
    inside_calls,
    reasons_of,
    total_saving,
    with_changes,
    with_program,
)
from interprobe.shares import WARNING_SHARE, probe_seconds, wall_seconds
from interprobe.trace import Copy, Trace
from interprobe.working_copies import are_working_copies

LEAST_GAIN = 1.05
"""A fix that gains less is not worth it."""
LEAST_OF_PROGRAM = 1.005
"""A program that gains less does not change: what is faster is done once, or takes no time."""
CLEAR_GAIN = 1.2
"""From here on a gain is beyond doubt."""
COPY_CHANGES = frozenset({"conforming", "no-conversion"})
"""Changes of replays that left a copy out: one that the callee made, or one that came before."""

_ABOUT_COPIES = "IP1"
_ABOUT_LAYOUTS = "IP2"
_MAY_COST_TIME = ("IP5", "IP6")
_WORKED_IN = "the program writes into the copies, so that something of them stays"
_NO_REPLAY = "nothing was repeated without it"
_SEVERAL_CHANGES = "several changes were tried, and it is not known which of them is this fix"


class Savings:
    """Adds what they gain to the findings of one trace.

    Args:
        trace: The run.
    """

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._consumers = Consumers(trace)
        self._consumer_of = [self._consumers.of_copy(copy) for copy in trace.copies]
        self._made_for: dict[Consumer, list[Copy]] = {}
        for consumer, copy in zip(self._consumer_of, trace.copies, strict=True):
            if consumer is not None:
                self._made_for.setdefault(consumer, []).append(copy)

    def added(self, finding: Finding, changes: Iterable[str] | None = None) -> Finding:
        """The finding with its saving, and no more severe than that lets it be.

        Args:
            finding: What a rule said. A saving that the rule measured itself is kept.
            changes: Names of the replays' changes that the fix amounts to. By default those that
                leave copies out, and where there are none, the one other change that was tried.

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
            saving = with_program(saving, self._wall(finding))
        if saving.program_seconds is not None:
            probes = probe_seconds(self._trace, self._processes(finding))
            saving = msgspec.structs.replace(saving, probe_seconds=probes)
        if saving.verdict is None:
            own = finding.site == finding.user_site
            saving = msgspec.structs.replace(saving, verdict=verdict_of(saving, own=own))
        return msgspec.structs.replace(finding, saving=saving, severity=_severity(finding, saving))

    def _saving(self, finding: Finding, changes: frozenset[str] | None) -> Saving:
        copies = [
            record.index
            for record in finding.records
            if record.list == "copies" and 0 <= record.index < len(self._trace.copies)
        ]
        if copies and are_working_copies(self._trace.copies[index] for index in copies):
            return Saving(reason=_WORKED_IN)
        if copies:
            parts = list(self._without_copies(copies, changes or COPY_CHANGES))
            took = sum(self._trace.copies[index].seconds for index in copies)
            # A rule may answer for a part of the copies, such as those that repeat another.
            part = min(1.0, max(0.0, finding.cost.seconds / took)) if took > 0 else 1.0
            return total_saving(parts, self._wall(finding), part)
        repeated = self._repeatable(finding)
        if not repeated:
            return Saving(reason=_NO_REPLAY)
        tried = {replay.change for record in repeated for replay in record.replays} - COPY_CHANGES
        if changes is None and len(tried) > 1:
            return Saving(reason=_SEVERAL_CHANGES)
        parts = list(with_changes(repeated, tried if changes is None else changes))
        if not any(part.measured for part in parts):
            return Saving(reason=reasons_of(parts))
        return total_saving(parts, self._wall(finding))

    def _repeatable(self, finding: Finding) -> list[Repeatable]:
        """What may have been repeated: the records themselves, or the calls that they belong to."""
        found: dict[tuple[str, int], Repeatable] = {}
        for record in finding.records:
            records = getattr(self._trace, record.list)
            if not 0 <= record.index < len(records):
                continue
            if record.list == "borrows":
                for index in self._consumers.of_borrow(records[record.index]):
                    found["calls", index] = self._trace.calls[index]
            elif hasattr(records[record.index], "replays"):
                found[record.list, record.index] = records[record.index]
        return list(found.values())

    def _wall(self, finding: Finding) -> float:
        """Wall time of a finding's processes, without what the probes took of it."""
        processes = self._processes(finding)
        return wall_seconds(self._trace, processes) - probe_seconds(self._trace, processes)

    def _processes(self, finding: Finding) -> set[int]:
        """The processes that a finding's records are of."""
        lists = {record.list: getattr(self._trace, record.list) for record in finding.records}
        return {
            lists[record.list][record.index].process
            for record in finding.records
            if 0 <= record.index < len(lists[record.list])
        }

    def _without_copies(self, copies: list[int], changes: frozenset[str]) -> Iterator[Part]:
        """What is saved by copies that are not made."""
        made_for: dict[Consumer | None, list[Copy]] = {}
        for index in copies:
            made_for.setdefault(self._consumer_of[index], []).append(self._trace.copies[index])
        for consumer, made in made_for.items():
            if consumer is None:
                for copy in made:
                    later = self._consumers.like_result(copy) if copy.replays else ()
                    yield apart_from_calls(copy, [self._trace.calls[i] for i in later], changes)
                continue
            calls = [self._trace.calls[index] for index in consumer.calls]
            others = self._made_for[consumer]
            if consumer.inside:
                yield from inside_calls(calls, made, others, changes)
            else:
                yield from before_calls(calls, made, others, changes)


def verdict_of(saving: Saving, *, own: bool) -> Verdict | None:
    """Whether a fix is recommended: by the crossing, or the program where there is no crossing.

    Args:
        saving: What the fix gains.
        own: Whether the user's own code made the copy. What it took is known well, and without it
            it is saved: there is nothing to be undecided about. A library that is given other data
            may convert them at another place instead.
    """
    if saving.speedup is None:
        if saving.program_speedup is None:
            return None
        if saving.program_speedup < LEAST_GAIN:
            return "not worth it"
        return "worth it" if own or saving.method == "measured" else "undecided"
    holds_none = saving.low is not None and saving.low <= 1
    is_trifle = saving.program_speedup is not None and saving.program_speedup < LEAST_OF_PROGRAM
    if holds_none or is_trifle or saving.speedup < LEAST_GAIN:
        return "not worth it"
    return "undecided" if saving.speedup < CLEAR_GAIN or _is_of_waiting(saving) else "worth it"


def _is_of_waiting(saving: Saving) -> bool:
    """Whether an estimate adds up times of threads that waited for each other.

    The calls then took longer, in all, than the program; and a conversion that lets go of the GIL
    takes, on the clock, until its thread has it again.
    """
    if saving.method != "estimated" or saving.speedup is None or saving.speedup <= 1:
        return False
    at_calls = (saving.seconds or 0.0) / (1 - 1 / saving.speedup)
    return saving.program_seconds is not None and at_calls > saving.program_seconds


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
    only_suspected = not measured and (
        finding.rule.startswith(_ABOUT_LAYOUTS) or saving.reason == _WORKED_IN
    )
    if saving.verdict == "not worth it" or saves_little or only_suspected:
        return Severity.NOTE
    return finding.severity
