"""The table of copies that are no finding, and the sum that ties it to the findings' copies."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Group
from rich.padding import Padding
from rich.text import Text

from interprobe.terminal.blocks import found_copies
from interprobe.terminal.table import Section, first_that_fits, report_table
from interprobe.terminal.text import inline
from interprobe.terminal.units import byte_count, duration, table_count
from interprobe.wording import short_mechanism

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.table import Table

    from interprobe.findings import Site
    from interprobe.terminal.places import Places
    from interprobe.trace import Copy, Trace

MOST_ROWS = 10

_ASSIGNMENT = "ndarray.__setitem__"

_OPERATIONS = {_ASSIGNMENT: "x[...] = y", "ndarray.__getitem__": "x[...]"}
"""Mechanisms that programs write without their names."""

_Key = tuple[str, str, str, int]
"""Mechanism, reason, file and line."""


@dataclass
class _Sum:
    """Copies of one reason made by one mechanism at one line, or any others summed up."""

    count: int = 0
    bytes: int = 0
    seconds: float = 0.0

    def add(self, other: Copy | _Sum) -> None:
        """Add the figures of one record or of another sum."""
        self.count += other.count
        self.bytes += other.bytes
        self.seconds += other.seconds

    @property
    def figures(self) -> list[str]:
        """Count, bytes and time, as the columns have them."""
        return [table_count(self.count), byte_count(self.bytes), duration(self.seconds)]


class OtherCopies:
    """Draws the copies that no finding names; nothing if there are none.

    Args:
        trace: The run.
        places: Shows its paths.
    """

    def __init__(self, trace: Trace, places: Places) -> None:
        self._places = places
        found = found_copies(trace)
        self._others = _by_line(
            copy for index, copy in enumerate(trace.copies) if index not in found
        )
        self._found = _Sum()
        for index in found:
            if 0 <= index < len(trace.copies):
                self._found.add(trace.copies[index])

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the places in a column where there is room for it, else below the reasons."""
        if not self._others:
            return
        table = first_that_fits(console, options, self._table(wide=True), self._table(wide=False))
        yield Section("Other copies: no finding, listed so that the totals add up", table)

    def _table(self, *, wide: bool) -> Table:
        """The rows, the places in a column of their own or not."""
        table = report_table(
            ["made by", "at", "because"] if wide else ["made by, because"],
            ["copies", "bytes", "time"],
        )
        every = _Sum()
        every.add(self._found)
        rest = _Sum()
        for index, ((mechanism, reason, _, _), (site, row)) in enumerate(self._others):
            every.add(row)
            if index >= MOST_ROWS:
                rest.add(row)
                continue
            maker, place = _maker(mechanism), self._places.place(site)
            cells: list[RenderableType] = [inline(maker), place, inline(reason)]
            if not wide:
                cells = [Group(inline(f"{maker}, {reason}"), Padding(place, (0, 0, 0, 2)))]
            table.add_row(*cells, *row.figures)
        blank = [""] * (2 if wide else 0)
        if len(self._others) > MOST_ROWS:
            more = f"+{len(self._others) - MOST_ROWS:,} more"
            table.add_row(Text(more, style="dim"), *blank, *rest.figures)
        if self._found.count:
            table.add_row(Text("in the findings above", style="dim"), *blank, *self._found.figures)
        if self._found.count or len(self._others) > 1:
            table.add_section()
            table.add_row("all copies", *blank, *every.figures)
        return table


def _by_line(copies: Iterable[Copy]) -> list[tuple[_Key, tuple[Site, _Sum]]]:
    """Copies summed by mechanism, reason and the user's line, the most bytes first."""
    rows: dict[_Key, tuple[Site, _Sum]] = {}
    for copy in copies:
        site = copy.user_site
        key = (copy.mechanism, _reason(copy), site.file, site.line)
        rows.setdefault(key, (site, _Sum()))[1].add(copy)
    return sorted(rows.items(), key=lambda item: item[1][1].bytes, reverse=True)


def _maker(mechanism: str) -> str:
    """What made a copy, as programs write it."""
    return _OPERATIONS.get(mechanism) or short_mechanism(mechanism)


def _reason(copy: Copy) -> str:
    """Why a copy is no finding, in a few words."""
    kinds = copy.kind.split("+")
    if copy.source is None or "sequence" in kinds:
        return "made from a Python sequence"
    if "gather" in kinds:
        picked = copy.mechanism in _OPERATIONS
        return "elements picked by index" if picked else "gathered into one array"
    if "overlap" in kinds:
        written_back = ", then written back" if "writeback" in kinds else ""
        return f"input overlaps the output{written_back}"
    if "writeback" in kinds:
        return "a temporary written back to its array"
    if copy.explicit:
        return "assigned" if copy.mechanism == _ASSIGNMENT else "asked for by name"
    if copy.unmet:
        return f"unmet: {', '.join(copy.unmet)}"
    return "cause unknown"
