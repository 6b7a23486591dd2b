"""The table of processes, for a run of several: what each did, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

from interprobe.terminal.table import Section, report_table
from interprobe.terminal.text import inline, one_line
from interprobe.terminal.units import byte_count, duration, table_count

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

    from interprobe.trace import Process, Trace

MOST_ROWS = 12

_LONGEST_COMMAND = 40
"""Characters of a command line that a row shows."""


@dataclass
class _Row:
    """What one process did, or several summed up."""

    calls: int = 0
    copies: int = 0
    copied: int = 0

    def add(self, other: _Row) -> None:
        """Add the figures of another row."""
        self.calls += other.calls
        self.copies += other.copies
        self.copied += other.copied

    @property
    def figures(self) -> list[str]:
        """Crossings, copies and bytes copied, as the columns have them."""
        return [
            table_count(self.calls) if self.calls else "-",
            table_count(self.copies) if self.copies else "-",
            byte_count(self.copied) if self.copied else "-",
        ]


class Processes:
    """Draws the processes of a trace; nothing if there is only one.

    The first is the program itself. Of the others, those that were cut short come first, then those
    that copied most.

    Args:
        trace: The run.
    """

    def __init__(self, trace: Trace) -> None:
        self._processes = trace.processes
        self._rows = [_Row() for _ in trace.processes]
        for call in trace.calls:
            if 0 <= call.process < len(self._rows):
                self._rows[call.process].calls += call.count
        for copy in trace.copies:
            if 0 <= copy.process < len(self._rows):
                row = self._rows[copy.process]
                row.copies += copy.count
                row.copied += copy.bytes

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw one row for each process."""
        count = len(self._processes)
        if count < 2:
            return
        table = report_table(
            ["process"], ["crossings", "copies", "copied", "time", "peak"], last="end"
        )
        order = sorted(range(count), key=self._rank)
        for index in order[:MOST_ROWS]:
            process = self._processes[index]
            table.add_row(
                self._name(index),
                *self._rows[index].figures,
                duration(process.seconds),
                byte_count(process.memory.numpy_peak_bytes),
                _ending(process),
            )
        rest = order[MOST_ROWS:]
        if rest:
            total = _Row()
            for index in rest:
                total.add(self._rows[index])
            table.add_row(Text(f"+{len(rest):,} more", style="dim"), *total.figures, "", "", "")
        yield Section(f"Processes: {count:,}, each with the peak of its NumPy data", table)

    def _rank(self, index: int) -> tuple[object, ...]:
        row = self._rows[index]
        return (index > 0, self._processes[index].complete, -row.copied, -row.calls, index)

    def _name(self, index: int) -> Text:
        """A process's number, whose child it is, and what it runs where its parent runs another."""
        process = self._processes[index]
        if index == 0:
            return inline(f"{process.pid}, the program")
        parent = process.parent
        if parent is None or not 0 <= parent < len(self._processes):
            return inline(f"{process.pid}: {_command(process)}")
        # Most are the program's own: the number of their parent would only take room.
        whose = f"child of {self._processes[parent].pid}" if parent else "a child"
        named = f"{process.pid}, {whose}"
        if not _same_command(process.argv, self._processes[parent].argv):
            named += f": {_command(process)}"
        return inline(named)


def _same_command(one: list[str], other: list[str]) -> bool:
    """Whether two processes run the same; multiprocessing makes a script's path absolute."""
    if not one or not other:
        return one == other
    return one[1:] == other[1:] and (one[0] == other[0] or one[0].endswith(f"/{other[0]}"))


def _command(process: Process) -> str:
    """The command line of a process, its end left out where it is too long."""
    words = one_line(" ".join(process.argv))
    if not words or words.startswith("-"):
        words = f"python {words}".rstrip()
    return words if len(words) <= _LONGEST_COMMAND else f"{words[: _LONGEST_COMMAND - 1]}…"


def _ending(process: Process) -> Text:
    """How a process ended, as far as it is known."""
    if not process.complete:
        return Text("cut short", style="bold")
    status = process.exit_status
    if status is None:
        return Text("ended")
    return Text(f"exit {status}" if status >= 0 else f"signal {-status}")
