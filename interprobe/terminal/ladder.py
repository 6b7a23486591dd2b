"""The ladder: how near calls of native code come to what this machine's memory gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.constrain import Constrain
from rich.padding import Padding
from rich.text import Text

from interprobe.terminal.layouts import phrase
from interprobe.terminal.places import library_name
from interprobe.terminal.table import Section, first_that_fits, report_table
from interprobe.terminal.text import PROSE_WIDTH, inline
from interprobe.terminal.units import byte_count, duration, share
from interprobe.traffic import BEYOND_ONE_THREAD, MEMORY_BOUND, Rung, ladder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.table import Table

    from interprobe.terminal.places import Places
    from interprobe.trace import Call, Trace

MOST_ROWS = 8
"""Of one run."""

_LEGEND = (
    "moved: the arrays that one call was given, each read once, those it wrote counted once more. "
    "A call that walks over gaps moves more than that, one that leaves elements out less. left: "
    "what memory would still allow, where the arithmetic does. Its bandwidth was measured after "
    "the run, with one thread."
)


class Ladder:
    """Draws calls beside the machine, the longest first; nothing where none can be judged.

    Args:
        runs: The runs by what tells them apart, "" for a single one.
        places: Shows the paths of their sites.
    """

    def __init__(self, runs: Mapping[str, Trace], places: Places) -> None:
        self._places = places
        self._title = next((_title(run) for run in runs.values() if _title(run)), "")
        self._named = len(runs) > 1
        self._rows: list[tuple[str, Rung]] = []
        self._further = 0
        for name, run in runs.items():
            rungs = ladder(run) if run.machine is not None else []
            self._rows += [(name, rung) for rung in rungs[:MOST_ROWS]]
            self._further += len(rungs[MOST_ROWS:])

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the places in a column where there is room for it, else below the functions."""
        if not self._rows or not self._title:
            return
        table = first_that_fits(console, options, self._table(wide=True), self._table(wide=False))
        yield Section(self._title, table)
        yield Constrain(inline(_LEGEND, "dim"), PROSE_WIDTH)

    def _table(self, *, wide: bool) -> Table:
        """The rows, the places in a column of their own or not."""
        texts = ["function (library)"]
        if wide:
            texts += ["largest array", "called from"]
        table = report_table(
            [*(["side"] if self._named and wide else []), *texts],
            ["a call", "moved", "reached", "of memory"],
            "left",
        )
        for name, rung in self._rows:
            call = rung.call
            function = inline(f"{call.function} ({library_name(call.library)})")
            place = self._places.place(call.user_site)
            array = inline(_largest(rung.call))
            cells: list[RenderableType] = [function, array, place]
            if self._named and wide:
                cells.insert(0, inline(name))
            if not wide:
                side = inline(f"{name}: ") if self._named else Text()
                below = Padding(Group(place, array), (0, 0, 0, 2))
                cells = [Group(side + function, below)]
            figures = [
                f"{duration(rung.seconds)}{' mean' if rung.is_mean else ''}",
                byte_count(round(rung.moved)),
                f"{byte_count(round(rung.rate))}/s",
                "-" if rung.share is None else share(rung.share),
            ]
            table.add_row(*cells, *figures, Text(_left(rung), overflow="fold"))
        if self._further:
            table.add_row(Text(f"+{self._further:,} more", style="dim"))
        return table


def _title(run: Trace) -> str:
    """What memory gives on the machine of a run; "" where that is not known."""
    machine = run.machine
    if machine is None or machine.bandwidth_read is None:
        return ""
    rates = f"{byte_count(round(machine.bandwidth_read))}/s read"
    if machine.bandwidth_copy is not None:
        rates += f", {byte_count(round(machine.bandwidth_copy))}/s read and written"
    return f"Against this machine's memory: {rates}"


def _largest(call: Call) -> str:
    """The largest of the arrays that a call was given, in one phrase."""
    given = [argument.given for argument in call.arguments if argument.given is not None]
    return phrase(max(given, key=lambda layout: layout.nbytes)) if given else ""


def _left(rung: Rung) -> str:
    """What a rung leaves to gain, as far as memory tells."""
    if rung.level is not None:
        return f"fits in L{rung.level}"
    if not rung.share:
        return "unknown"
    if rung.share > BEYOND_ONE_THREAD:
        return "several threads?"
    if rung.share >= MEMORY_BOUND:
        return "memory-bound"
    return f"up to {_factor(1 / rung.share)}"


def _factor(value: float) -> str:
    return f"{value:.1f}x" if value < 10 else f"{value:,.0f}x"
