"""What records cost as a share of their processes' time, and how severe that makes a finding."""

from __future__ import annotations

from collections.abc import Iterable

from interprobe.findings import Cost, Severity
from interprobe.trace import Trace

WARNING_SHARE = 0.10
"""From this share of the wall time on, a cost is worth acting on."""


def wall_seconds(trace: Trace, processes: Iterable[int]) -> float:
    """Wall time of some processes of a run, added up.

    Args:
        trace: The run.
        processes: Identifiers of processes, as the records carry them; each counts once.

    Returns:
        Seconds. A process that the trace does not list counts as long as the whole run.
    """
    known = {process.id: process.seconds for process in trace.processes}
    return sum(known.get(process, trace.meta.seconds) for process in set(processes))


def probe_seconds(trace: Trace, processes: Iterable[int]) -> float:
    """What the probes took of some processes' wall time, around short calls.

    Args:
        trace: The run.
        processes: Identifiers of processes.

    Returns:
        Seconds, as far as they were measured: of calls that have turns. No more than half of the
        wall time, since calls that several threads make at once overlap.
    """
    wanted = set(processes)
    taken = sum(
        call.count * call.turn.probes
        for call in trace.calls
        if call.process in wanted and call.turn is not None and call.turn.probes is not None
    )
    return min(taken, wall_seconds(trace, wanted) / 2)


def measured_cost(trace: Trace, processes: Iterable[int], seconds: float, nbytes: int) -> Cost:
    """The cost of what took ``seconds`` and wrote ``nbytes`` in the given processes.

    The share stays within 0 and 1: threads that copy at the same time can spend more seconds than
    the clock on the wall shows.
    """
    wall = wall_seconds(trace, processes)
    share = seconds / wall if wall > 0 else 0.0
    return Cost(seconds=seconds, bytes=nbytes, share=max(0.0, min(1.0, share)))


def severity_of_cost(cost: Cost) -> Severity:
    """How much a finding matters that loses time but no correctness."""
    return Severity.WARNING if cost.share >= WARNING_SHARE else Severity.NOTE
