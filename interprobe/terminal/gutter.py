"""Sets text beside a margin: a gutter with line numbers, or a label with its text hanging on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.segment import Segment
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

_LABEL_WIDTH = 8
_BAR = "│"
_CORNER = "┌─ "
_TEE = "├─ "


class Margin:
    """Draws ``body`` with ``first`` before its first line and ``rest`` before every other.

    Args:
        first: Margin of the first line; not wider than a narrow terminal allows for.
        rest: Margin of the other lines, as wide as ``first``.
        style: Style of both.
        body: What to draw beside the margin.
    """

    def __init__(self, first: str, rest: str, style: str, body: RenderableType) -> None:
        self._first = first
        self._rest = rest
        self._style = style
        self._body = body

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the body in what width the margin leaves."""
        width = max(1, options.max_width - cell_len(self._first))
        lines = console.render_lines(self._body, options.update(width=width), pad=False)
        style = console.get_style(self._style)
        for index, line in enumerate(lines):
            yield Segment(self._rest if index else self._first, style)
            yield from line
            yield Segment.line()


class Gutter:
    """The margins of one block: line numbers on the left of a bar.

    Args:
        lines: All line numbers that the block will show; the widest sets the gutter's width.
    """

    def __init__(self, lines: list[int]) -> None:
        self._width = max((len(str(line)) for line in lines), default=1)

    def place(self, body: RenderableType, *, first: bool) -> Margin:
        """The row that says where the next lines are; ``first`` opens the block."""
        return self._row("", _CORNER if first else _TEE, body)

    def source(self, line: int, body: RenderableType) -> Margin:
        """A row of source text, with its line number."""
        return self._row(str(line) if line > 0 else "", f"{_BAR} ", body)

    def text(self, body: RenderableType) -> Margin:
        """A row without a line number."""
        return self._row("", f"{_BAR} ", body)

    def blank(self) -> Margin:
        """An empty row."""
        return self._row("", _BAR, Text(""))

    def _row(self, number: str, mark: str, body: RenderableType) -> Margin:
        first = f" {number:>{self._width}} {mark}"
        rest = f" {'':>{self._width}} {_BAR.ljust(len(mark))}"
        return Margin(first, rest, "dim", body)


def labelled(label: str, body: RenderableType) -> Margin:
    """``body`` hanging on a label of one short word."""
    return Margin(label.ljust(_LABEL_WIDTH), " " * _LABEL_WIDTH, "bold", body)
