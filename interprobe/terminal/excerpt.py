"""One source line with the very expression underlined, cropped around it where it is too long.

A site's columns count UTF-8 bytes of the line as the file has it; what is drawn counts terminal
cells. In between lie tabs, characters of two cells or none, and the indentation that is dropped.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, NamedTuple

from rich.cells import cell_len
from rich.text import Text

from interprobe.terminal.code import python
from interprobe.terminal.text import one_line, visible

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

    from interprobe.findings import Site

_TAB = " " * 4
_ELLIPSIS = "…"
_CONTEXT = 8
"""Characters kept before an underlined expression when the start of its line is cropped."""
_LONGEST = 20_000
"""Characters of a line that are looked at: generated code has lines of megabytes."""


class Underlined(NamedTuple):
    """A line as it is drawn, and the cells of it that are underlined."""

    line: str
    start: int
    end: int


class Excerpt:
    """Draws the line of a site, and below it a mark under the expression.

    Args:
        site: The place; its ``source`` is the line.
        style: Style of the mark.
    """

    def __init__(self, site: Site, style: str) -> None:
        self._site = site
        self._style = style

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw one line, or two where an expression can be marked."""
        width = options.max_width
        if not has_source(self._site):
            yield Text("(the source of this line was not recorded)", style="dim", overflow="fold")
            return
        shown = underlined(self._site, width)
        line = python(shown.line, console)
        line.no_wrap = True
        line.overflow = "crop"
        yield line
        if shown.end > shown.start:
            mark = Text(" " * shown.start, no_wrap=True, overflow="crop")
            mark.append("^" * (shown.end - shown.start), style=self._style)
            last_line = self._site.end_line
            if last_line is not None and last_line > self._site.line:
                note = f" goes on to line {last_line}"
                if mark.cell_len + len(note) <= width:
                    mark.append(note, style="dim")
            yield mark


def has_source(site: Site) -> bool:
    """Whether the site carries text to show."""
    return bool(site.source.strip() or site.expression.strip())


def underlined(site: Site, width: int) -> Underlined:
    """Fit the line of ``site`` into ``width`` cells, so that its expression stays in view.

    Args:
        site: A place with source text (see :func:`has_source`).
        width: Cells to fit in; at least 1 is used.
    """
    source = (site.source or site.expression).split("\n", 1)[0].rstrip()
    start, end = _characters(site, source)
    if not source.strip():
        # The line is blank or lost: the expression itself is the best there is to show.
        source, start, end = one_line(site.expression), 0, 0
    # The indentation of one line on its own tells nothing; it goes.
    first = len(source) - len(source.lstrip())
    first = min(first, start) if end > start else first
    if len(source) - first > _LONGEST:
        first = max(first, start - _CONTEXT) if start > _LONGEST // 2 else first
        source = source[: first + _LONGEST]
        end = min(end, len(source))
    drawn = [_TAB if character == "\t" else visible(character) for character in source]
    return _window(drawn, first, start, end, max(1, width))


def _characters(site: Site, source: str) -> tuple[int, int]:
    """Indices into ``source`` of the expression's first character and of the one after it."""
    if site.column is None:
        wanted = site.expression.split("\n", 1)[0].strip()
        # Without columns, an expression that occurs once is still known; else none is guessed.
        if wanted and source.count(wanted) == 1:
            start = source.index(wanted)
            return start, start + len(wanted)
        return 0, 0
    start = _character(source, site.column)
    several = site.end_line is not None and site.end_line > site.line
    if several:
        end = len(source)
    elif site.end_column is None:
        return 0, 0
    else:
        end = _character(source, site.end_column)
    return (start, end) if start < end else (0, 0)


def _character(source: str, column: int) -> int:
    """Index of the character that the UTF-8 byte ``column`` lies in; the length if beyond."""
    encoded = 0
    for index, character in enumerate(source):
        encoded += len(character.encode("utf-8", "surrogatepass"))
        if encoded > column:
            return index
    return len(source)


def _window(drawn: list[str], first: int, start: int, end: int, width: int) -> Underlined:
    """Join ``drawn[first:]``, cropped to ``width`` cells around ``start`` to ``end``."""

    def line(left: int, right: int) -> str:
        head = _ELLIPSIS if left > first else ""
        tail = _ELLIPSIS if right < len(drawn) else ""
        return head + "".join(drawn[left:right]) + tail

    def too_wide(left: int, right: int) -> bool:
        # Asked of the whole line, as joined characters may share cells.
        return cell_len(line(left, right)) > width

    def crop_end(least: int) -> int:
        """The largest end from ``least`` up that fits, ``least`` if none does."""
        ends = range(least + 1, right + 1)
        return least + bisect_left(ends, True, key=lambda at: too_wide(left, at))

    def crop_start(most: int) -> int:
        """The smallest start up to ``most`` that fits, ``most`` if none does."""
        starts = range(left, most)
        return left + bisect_left(starts, True, key=lambda at: not too_wide(at, right))

    marked = end > start
    left, right = first, len(drawn)
    # What lies after the expression goes first; then what lies before it, but for some context;
    # then the end of the expression itself, and last the context.
    right = crop_end(end if marked else min(first + 1, right))
    if marked:
        left = crop_start(max(first, start - _CONTEXT))
        right = crop_end(start + 1)
        left = crop_start(start)
    shown = line(left, right)
    if not marked:
        return Underlined(shown, 0, 0)
    head = _ELLIPSIS if left > first else ""
    begin = cell_len(head + "".join(drawn[left:start]))
    stop = cell_len(head + "".join(drawn[left : min(end, right)]))
    return Underlined(shown, begin, min(stop, width))
