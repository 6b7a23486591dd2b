"""The table of borrows: who reads which arrays in place, without a copy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Group
from rich.padding import Padding
from rich.text import Text

from interprobe.terminal.layouts import phrase
from interprobe.terminal.places import library_name, native_function
from interprobe.terminal.table import Section, first_that_fits, report_table
from interprobe.terminal.text import inline
from interprobe.terminal.units import byte_count, table_count

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.table import Table

    from interprobe.findings import Site
    from interprobe.layout import Layout
    from interprobe.terminal.places import Places
    from interprobe.trace import Borrow, Trace

MOST_ROWS = 8

_LEAST_BYTES = 100_000
_LEAST_COUNT = 1000
"""Borrows of less, and fewer, are only summed up: they explain nothing."""

_SHOWN_ELSEWHERE = frozenset({"ndarray.ctypes"})
"""Ways to an array's memory that the table of crossings shows as what a call was lent."""


@dataclass
class _Row:
    """Borrows by one consumer for one purpose at one line."""

    consumer: str
    requested: str
    layout: Layout
    site: Site
    count: int = 0
    bytes: int = 0

    def add(self, other: Borrow | _Row) -> None:
        """Add the figures of one record or of another row; the largest array is the one shown."""
        self.count += other.count
        self.bytes += other.bytes
        if other.layout.nbytes > self.layout.nbytes:
            self.layout = other.layout


class Borrows:
    """Draws the borrows of a trace, the most bytes first; nothing where none is worth a line.

    Args:
        trace: The run.
        places: Shows its paths.
    """

    def __init__(self, trace: Trace, places: Places) -> None:
        self._places = places
        rows: dict[tuple[str, str, str, int], _Row] = {}
        for borrow in trace.borrows:
            if borrow.requested in _SHOWN_ELSEWHERE:
                continue
            site = borrow.user_site
            key = (borrow.consumer, borrow.requested, site.file, site.line)
            row = _Row(borrow.consumer, borrow.requested, borrow.layout, site)
            rows.setdefault(key, row).add(borrow)
        every = sorted(rows.values(), key=lambda row: row.bytes, reverse=True)
        worth = [row for row in every if row.bytes >= _LEAST_BYTES or row.count >= _LEAST_COUNT]
        self._shown = worth[:MOST_ROWS]
        self._rest = [row for row in every if row not in self._shown]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the places in a column where there is room for it, else below the arrays."""
        if not self._shown:
            return
        table = first_that_fits(console, options, self._table(wide=True), self._table(wide=False))
        yield Section("Borrows: arrays read or written in place, without a copy", table)

    def _table(self, *, wide: bool) -> Table:
        """The rows, each fact in a column of its own or not."""
        table = report_table(
            ["by", "at", "array", "asked for"] if wide else ["by, array"], ["borrows", "bytes"]
        )
        for row in self._shown:
            place = self._places.place(row.site)
            array, asked = inline(phrase(row.layout)), inline(_asked_for(row.requested))
            cells: list[RenderableType] = [inline(_name(row.consumer)), place, array, asked]
            if not wide:
                below = Group(place, array, asked)
                cells = [Group(inline(_name(row.consumer)), Padding(below, (0, 0, 0, 2)))]
            table.add_row(*cells, table_count(row.count), byte_count(row.bytes))
        if self._rest:
            more = Text(f"+{len(self._rest):,} more", style="dim")
            blank = [""] * (3 if wide else 0)
            count, size = (
                sum(row.count for row in self._rest),
                sum(row.bytes for row in self._rest),
            )
            table.add_row(more, *blank, table_count(count), byte_count(size))
        return table


def _name(consumer: str) -> str:
    """Who borrows: a function of a library, or what the source calls there."""
    library, colon, symbol = consumer.partition(":")
    if not library.endswith(".so"):
        return consumer
    name = library_name(library)
    return f"{native_function(symbol)} ({name})" if colon else name


def _asked_for(requested: str) -> str:
    """A buffer request's words in a readable form; the way to a raw address as it is."""
    return "plain bytes" if requested == "SIMPLE" else requested.replace("|", ", ")
