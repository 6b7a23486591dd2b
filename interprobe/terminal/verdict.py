"""The verdict that opens a report: what was found, what was copied, what it took."""

from __future__ import annotations

import signal
from collections import Counter
from typing import TYPE_CHECKING

from rich.console import Group
from rich.constrain import Constrain
from rich.text import Text

from interprobe.findings import Severity
from interprobe.terminal.finding import SEVERITY_STYLES
from interprobe.terminal.flow import Flow
from interprobe.terminal.text import PROSE_WIDTH, one_line
from interprobe.terminal.units import byte_count, duration, share
from interprobe.wording import counted, listed

if TYPE_CHECKING:
    from rich.console import RenderableType

    from interprobe.trace import Process, Trace

MOST_IN_FLIGHT = 5
"""Processes of which the verdict names the crossing that they ended in."""

LEAST_SHARE = 0.01
"""What a fix must save of the run for the verdict to speak of it."""

_PLURALS = {
    Severity.ERROR: "errors",
    Severity.WARNING: "warnings",
    Severity.NOTE: "notes",
}


def draw(trace: Trace) -> Group:
    """The verdict, after whatever the reader must know before trusting it."""
    parts: list[RenderableType] = [
        Constrain(Text(caveat, style="bold", overflow="fold"), PROSE_WIDTH)
        for caveat in _caveats(trace)
    ]
    if parts:
        parts.append(Text(""))
    parts.append(Flow([*_found(trace), *_measured(trace)]))
    return Group(*parts)


def _caveats(trace: Trace) -> list[str]:
    """Sentences on a run that was cut short or that failed."""
    caveats = []
    if not trace.meta.complete:
        caveats.append(
            "Incomplete: the recording ended before the program did. What follows is true of the "
            "part that was seen; the figures are lower bounds."
        )
    inside = [process for process in trace.processes if process.in_flight]
    caveats += [_inside(process) for process in inside[:MOST_IN_FLIGHT]]
    if len(inside) > MOST_IN_FLIGHT:
        more = counted(len(inside) - MOST_IN_FLIGHT, "process", "processes")
        caveats.append(f"{more} more ended inside native code: the trace names the functions.")
    cut_short = sum(not process.complete for process in trace.processes[1:])
    if cut_short:
        caveats.append(
            "1 child process was cut short: what it did is counted up to its last event."
            if cut_short == 1
            else f"{cut_short:,} child processes were cut short: what they did is counted up to "
            "their last events."
        )
    status = trace.meta.exit_status
    if status is not None and status < 0:
        caveats.append(f"The program was ended by signal {_signal(-status)}.")
    elif status:
        caveats.append(f"The program ended with exit status {status}.")
    return caveats


def _inside(process: Process) -> str:
    """The crossing that a process did not come back from."""
    crossing = one_line(process.in_flight or "")
    if process.complete:
        return f"Process {process.pid} was still inside {crossing}, when it ended."
    return f"Process {process.pid} was last inside {crossing}."


def _signal(number: int) -> str:
    """A signal's number and, where it has one, its name."""
    try:
        return f"{number} ({signal.Signals(number).name})"
    except ValueError:
        return str(number)


def _found(trace: Trace) -> list[Text]:
    """How many findings of each severity; without any, that and what was looked at."""
    counts = Counter(finding.severity for finding in trace.findings)
    words = Text(overflow="fold")
    for severity in Severity:
        if counts[severity]:
            words.append(", " if words else "")
            words.append(
                counted(counts[severity], str(severity), _PLURALS[severity]),
                style=SEVERITY_STYLES[severity],
            )
    if words:
        return [words]
    looked_at = [
        counted(number, one, several)
        for number, one, several in (
            (sum(call.count for call in trace.calls), "crossing", "crossings"),
            (trace.copy_count, "copy", "copies"),
            (sum(borrow.count for borrow in trace.borrows), "borrow", "borrows"),
        )
        if number
    ]
    if not looked_at:
        return [Text("Nothing to judge: no crossing into native code and no copy was seen")]
    if not (trace.meta.complete and all(process.complete for process in trace.processes)):
        return [Text(f"Nothing found so far in {listed(looked_at)}", overflow="fold")]
    return [
        Text(
            f"All clear: nothing to report in {listed(looked_at)}",
            style="bold green",
            overflow="fold",
        )
    ]


def _measured(trace: Trace) -> list[Text]:
    """Bytes copied, the time they took, and the peaks of memory."""
    statements = []
    time = duration(trace.meta.seconds)
    if trace.copy_count:
        copies = counted(trace.copy_count, "copy", "copies")
        statements.append(f"{byte_count(trace.bytes_copied)} copied in {copies}")
        statements.append(f"copying took {share(trace.copy_share)} of {time}")
    else:
        statements += ["no copies", f"{time} in all"] if trace.calls else [f"{time} in all"]
    statements += _gained(trace)
    if len(trace.processes) > 1:
        statements.append(f"{len(trace.processes):,} processes")
    statements += _guarded(trace)
    statements.append(f"NumPy memory peak {byte_count(trace.memory.numpy_peak_bytes)}")
    if trace.memory.rss_peak_bytes:  # a process that was killed has not told its own
        statements.append(f"resident peak {byte_count(trace.memory.rss_peak_bytes)}")
    return [Text(statement, overflow="fold") for statement in statements]


def _gained(trace: Trace) -> list[str]:
    """What the best fix saves, where there is one that the run would feel."""
    best = max(
        (
            finding.saving
            for finding in trace.findings
            if finding.saving is not None and finding.saving.verdict == "worth it"
        ),
        key=lambda saving: saving.seconds or 0.0,
        default=None,
    )
    if best is None or not best.seconds or not best.program_seconds:
        return []
    if best.seconds < LEAST_SHARE * best.program_seconds:
        return []
    return [f"the best fix saves {duration(best.seconds)} ({best.method})"]


def _guarded(trace: Trace) -> list[str]:
    """How much of the array data guard mode has guarded; nothing where it was off."""
    guards = [process.guard for process in trace.processes if process.guard is not None]
    if not guards:
        return []
    guarded = sum(guard.guarded for guard in guards)
    made = guarded + sum(guard.unguarded for guard in guards)
    share = f"all {guarded:,}" if guarded == made else f"{guarded:,} of {made:,}"
    return [f"guard mode: {share} blocks of array data guarded, times are longer for it"]
