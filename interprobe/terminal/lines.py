"""The tables of profiled functions: each line's time, and beside it that line's copies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.measure import Measurement
from rich.text import Text

from interprobe.terminal.code import python
from interprobe.terminal.places import Place
from interprobe.terminal.table import Section, report_table
from interprobe.terminal.text import one_line, several_lines
from interprobe.terminal.units import byte_count, duration, share, table_count

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

    from interprobe.line_records import FunctionLines
    from interprobe.terminal.places import Places

_HOT_SHARE = 0.25
"""A line that takes at least this share of its function is set bold."""


class Lines:
    """Draws the lines of one function.

    Args:
        function: The function and its lines.
        places: Shows the paths of the trace.
    """

    def __init__(self, function: FunctionLines, places: Places) -> None:
        self._function = function
        self._place = Place(places.path(function.file), function.first_line)
        self._seconds = sum(line.seconds for line in function.lines)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw a heading and the table; source lines are cropped, not folded."""
        name = one_line(self._function.function) or "a function"
        table = report_table(
            [], ["line", "hits", "time", "share", "copies", "copied"], last="source"
        )
        sources = _dedented([line.source for line in self._function.lines])
        for line, source in zip(self._function.lines, sources, strict=True):
            part = line.seconds / self._seconds if self._seconds > 0 else 0.0
            ran = line.hits > 0
            table.add_row(
                str(line.line),
                table_count(line.hits) if ran else "",
                duration(line.seconds) if ran else "",
                share(part) if ran else "",
                table_count(line.copies) if line.copies else "",
                byte_count(line.bytes_copied) if line.bytes_copied else "",
                _SourceCell(source),
                style="bold" if part >= _HOT_SHARE else None,
            )
        title = f"Lines of {name}: {duration(self._seconds)}"
        yield Section(title, Group(self._place, Text(""), table))


class _SourceCell:
    """A line of source that is cropped to its column."""

    def __init__(self, source: str) -> None:
        self._source = source

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw what fits, an ellipsis at the end where something does not."""
        text = python(self._source, console)
        text.truncate(options.max_width, overflow="ellipsis")
        yield text

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """Let the table give this column what the others leave."""
        width = Text(self._source).cell_len
        return Measurement(min(width, 10), width).with_maximum(options.max_width)


def _dedented(sources: list[str]) -> list[str]:
    """Source lines without the indentation that all of them share."""
    lines = [several_lines(source).strip("\n").replace("\n", " ") for source in sources]
    indents = [len(line) - len(line.lstrip()) for line in lines if line.strip()]
    common = min(indents, default=0)
    return [line[common:] for line in lines]
