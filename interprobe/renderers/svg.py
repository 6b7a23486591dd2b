"""The terminal report as a picture: one SVG file that needs no other."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.segment import Segment

    from interprobe.trace import Trace

NAME = "svg"

# Rich names a font on a web server; a report must show the same without a network.
_WEB_FONT = re.compile(r"@font-face\s*\{.*?\}\s*", re.DOTALL)


def render(trace: Trace, *, width: int, color: bool) -> str:
    """Draw the report of a run as SVG.

    Args:
        trace: The run, with its findings.
        width: Cells of a line; at least 60 are used.
        color: Whether to draw in colours; without, weights remain.

    Returns:
        An SVG document.
    """
    # Imported here: rich costs time to load, and finding the renderers must not.
    from rich.segment import Segment, SegmentLines

    from interprobe.terminal.report import NARROWEST, lay_out, page
    from interprobe.terminal.text import one_line

    lines = lay_out(trace, width=width, color=color)
    if not color:
        lines = [list(Segment.remove_color(line)) for line in lines]
    split = [[part for segment in line for part in _split(segment)] for line in lines]
    console = page(max(width, NARROWEST), color=True, record=True)
    console.print(SegmentLines(split, new_lines=True), end="")
    title = one_line(" ".join(["interprobe", *trace.meta.argv[:1]]))
    return _WEB_FONT.sub("", console.export_svg(title=title))


def _split(segment: Segment) -> list[Segment]:
    """The blanks that a segment starts with, and the rest of it.

    Each segment becomes one text element at its own place. Some viewers drop the blanks at its
    start, and would draw the rest too far to the left.
    """
    blanks = len(segment.text) - len(segment.text.lstrip())
    return list(segment.split_cells(blanks)) if blanks else [segment]
