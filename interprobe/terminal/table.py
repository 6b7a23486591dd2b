"""The tables' common form: headings in words, figures on the right, a limit on the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import Box
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

_WIDE = 110
"""Cells from which a table has room for places in a column of their own, even if cropped."""

_NARROWEST_LINE = 60

_NARROWEST_TEXT = 12
"""Cells that a column of text keeps, whatever the figures beside it take."""

_HEAD_LINE = Box("    \n    \n ── \n    \n ── \n ── \n    \n    \n")
"""A line below the headings and above the totals, and none besides."""


class Section:
    """Opens a part of the report by a line with a title, as wide as what is below it.

    Args:
        title: The title.
        body: What follows the line.
    """

    def __init__(self, title: str, body: RenderableType) -> None:
        self._title = Text(title, style="bold", overflow="fold")
        self._body = body

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the line and the body."""
        wanted = Measurement.get(console, options, self._body).maximum
        rest = min(max(wanted, _NARROWEST_LINE), options.max_width) - self._title.cell_len - 1
        line = self._title.copy()
        if rest > 0:
            line.append(f" {'─' * rest}", style="dim not bold")
        yield line
        yield self._body


def report_table(texts: Sequence[str], figures: Sequence[str], last: str = "") -> Table:
    """An empty table: columns of text, columns of right-aligned figures, one last text column.

    Args:
        texts: Headings of the text columns.
        figures: Headings of the columns of figures, which are never broken.
        last: Heading of a text column at the end, "" for none.
    """
    # With the blank that stands for a column's border, cells are two blanks apart.
    table = Table(
        box=_HEAD_LINE, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim"
    )
    for heading in texts:
        table.add_column(heading, overflow="fold", min_width=_NARROWEST_TEXT)
    for heading in figures:
        table.add_column(heading, justify="right", no_wrap=True)
    if last:
        table.add_column(last, overflow="fold", min_width=_NARROWEST_TEXT)
    return table


def first_that_fits(console: Console, options: ConsoleOptions, wide: Table, narrow: Table) -> Table:
    """``wide`` if it fits without cropping or the page is wide anyway, else ``narrow``."""
    unlimited = options.update(max_width=10_000)
    wanted = Measurement.get(console, unlimited, wide).maximum
    fits = wanted <= options.max_width or options.max_width >= _WIDE
    return wide if fits else narrow
