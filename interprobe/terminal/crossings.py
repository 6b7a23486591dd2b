"""The table of crossings: which native functions were called, from where, and what it took."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Group
from rich.padding import Padding
from rich.text import Text

from interprobe.terminal.places import library_name
from interprobe.terminal.table import Section, first_that_fits, report_table
from interprobe.terminal.text import inline, one_line
from interprobe.terminal.units import byte_count, duration, table_count

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.table import Table

    from interprobe.findings import Site
    from interprobe.terminal.places import Places
    from interprobe.trace import Call, Trace

MOST_ROWS = 20

MOST_NARROW_ROWS = 10
"""Where the place stands below the function, so that a row takes two lines or three."""

LEAST_GROWTH = 1_000_000
"""Bytes of resident memory from which it is worth a column: less is the heap's own unrest."""


@dataclass
class _Crossing:
    """All calls of one function from one line."""

    function: str
    library: str
    binding: str
    site: Site
    count: int = 0
    seconds: float = 0.0
    borrowed: int = 0
    copied: int = 0
    grown: int = 0

    def add(self, other: Call | _Crossing) -> None:
        """Add the figures of one record or of another row."""
        self.count += other.count
        self.seconds += other.seconds
        if isinstance(other, _Crossing):
            self.borrowed += other.borrowed
            self.copied += other.copied
            self.grown += other.grown
        else:
            self.borrowed += other.bytes_borrowed
            self.copied += other.bytes_copied
            self.grown += other.resident_growth


class Crossings:
    """Draws the crossings of a trace, the longest first; nothing if there are none.

    Args:
        trace: The run.
        places: Shows its paths.
    """

    def __init__(self, trace: Trace, places: Places) -> None:
        self._places = places
        self._rows = _by_line(trace)
        self._grew = any(row.grown >= LEAST_GROWTH for row in self._rows)
        # Nested crossings are in the time of the outer one: only their own times can be summed.
        self._seconds = sum(call.seconds_self for call in trace.calls)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the places in a column where there is room for it, else below the functions."""
        if not self._rows:
            return
        count = sum(row.count for row in self._rows)
        noun = "call" if count == 1 else "calls"
        title = f"Crossings into native code: {table_count(count)} {noun}"
        table = first_that_fits(console, options, self._table(wide=True), self._table(wide=False))
        yield Section(f"{title}, {duration(self._seconds)}", table)
        if self._grew:
            yield Text(
                "grew: resident memory that the process gained during the calls, those over 1 ms",
                style="dim",
                overflow="fold",
            )

    def _table(self, *, wide: bool) -> Table:
        """The rows, the places in a column of their own or not."""
        figures = ["calls", "time", "per call", "lent", "copied"]
        table = report_table(
            ["function (library)", "through", "called from"] if wide else ["function (library)"],
            [*figures, "grew"] if self._grew else figures,
        )
        most = MOST_ROWS if wide else MOST_NARROW_ROWS
        for row in self._rows[:most]:
            function = inline(f"{row.function} ({library_name(row.library)})")
            binding = one_line(row.binding)
            cells: list[RenderableType] = [function, binding, self._places.place(row.site)]
            if not wide:
                place = self._places.place(row.site, f", {binding}" if binding else "")
                cells = [Group(function, Padding(place, (0, 0, 0, 2)))]
            table.add_row(*cells, *self._figures(row))
        rest = self._rows[most:]
        if rest:
            total = _Crossing("", "", "", rest[0].site)
            for row in rest:
                total.add(row)
            more = Text(f"+{len(rest):,} more", style="dim")
            table.add_row(more, *([""] * (2 if wide else 0)), *self._figures(total))
        return table

    def _figures(self, row: _Crossing) -> list[str]:
        """The figures of one row, as the columns have them."""
        figures = [
            table_count(row.count),
            duration(row.seconds),
            duration(row.seconds / row.count) if row.count else "-",
            byte_count(row.borrowed) if row.borrowed else "-",
            byte_count(row.copied) if row.copied else "-",
        ]
        if self._grew:
            figures.append(byte_count(row.grown) if row.grown else "-")
        return figures


def _by_line(trace: Trace) -> list[_Crossing]:
    """Calls summed by function and line over processes and layouts, the longest first."""
    rows: dict[tuple[str, str, str, str, int], _Crossing] = {}
    for call in trace.calls:
        site = call.user_site
        key = (call.library, call.function, call.binding, site.file, site.line)
        row = rows.setdefault(key, _Crossing(call.function, call.library, call.binding, site))
        row.add(call)
    return sorted(rows.values(), key=lambda row: row.seconds, reverse=True)
