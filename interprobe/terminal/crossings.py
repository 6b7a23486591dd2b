"""The table of crossings: which native functions were called, from where, and what it took."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Group
from rich.padding import Padding
from rich.text import Text

from interprobe.terminal.places import library_name
from interprobe.terminal.table import Section, first_that_fits, report_table
from interprobe.terminal.text import inline
from interprobe.terminal.units import byte_count, duration, table_count

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.table import Table

    from interprobe.findings import Site
    from interprobe.terminal.places import Places
    from interprobe.trace import Trace

MOST_ROWS = 20


@dataclass
class _Crossing:
    """All calls of one function from one line."""

    function: str
    library: str
    site: Site
    count: int = 0
    seconds: float = 0.0
    borrowed: int = 0
    copied: int = 0


class Crossings:
    """Draws the crossings of a trace, the longest first; nothing if there are none.

    Args:
        trace: The run.
        places: Shows its paths.
    """

    def __init__(self, trace: Trace, places: Places) -> None:
        self._places = places
        self._rows = _by_line(trace)
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

    def _table(self, *, wide: bool) -> Table:
        """The rows, the places in a column of their own or not."""
        table = report_table(
            ["function (library)", "called from"] if wide else ["function (library)"],
            ["calls", "time", "per call", "lent", "copied"],
        )
        for row in self._rows[:MOST_ROWS]:
            function = inline(f"{row.function} ({library_name(row.library)})")
            place = self._places.place(row.site)
            cells: list[RenderableType] = [function, place]
            if not wide:
                cells = [Group(function, Padding(place, (0, 0, 0, 2)))]
            table.add_row(*cells, *_figures(row))
        rest = self._rows[MOST_ROWS:]
        if rest:
            total = _Crossing("", "", rest[0].site)
            for row in rest:
                _add(total, row)
            more = Text(f"+{len(rest):,} more", style="dim")
            table.add_row(*([more, ""] if wide else [more]), *_figures(total))
        return table


def _figures(row: _Crossing) -> list[str]:
    """The figures of one row, as the columns have them."""
    return [
        table_count(row.count),
        duration(row.seconds),
        duration(row.seconds / row.count) if row.count else "-",
        byte_count(row.borrowed) if row.borrowed else "-",
        byte_count(row.copied) if row.copied else "-",
    ]


def _by_line(trace: Trace) -> list[_Crossing]:
    """Calls summed by function and line over processes and layouts, the longest first."""
    rows: dict[tuple[str, str, str, int], _Crossing] = {}
    for call in trace.calls:
        key = (call.library, call.function, call.user_site.file, call.user_site.line)
        row = rows.setdefault(key, _Crossing(call.function, call.library, call.user_site))
        row.count += call.count
        row.seconds += call.seconds
        row.borrowed += call.bytes_borrowed
        row.copied += call.bytes_copied
    return sorted(rows.values(), key=lambda row: row.seconds, reverse=True)


def _add(total: _Crossing, row: _Crossing) -> None:
    """Add the figures of ``row`` to those of ``total``."""
    total.count += row.count
    total.seconds += row.seconds
    total.borrowed += row.borrowed
    total.copied += row.copied
