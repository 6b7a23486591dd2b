"""The report as text for a terminal, a pager or a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from interprobe.trace import Trace

NAME = "terminal"


def render(trace: Trace, *, width: int, color: bool) -> str:
    """Draw the report of a run.

    Args:
        trace: The run, with its findings.
        width: Cells of a line; no line is wider, unless ``width`` is less than 60.
        color: Whether to set colours and weights by ANSI control codes. Without, the text holds no
            control code but line ends.

    Returns:
        The report, its last line ended. No line ends in white space.
    """
    # Imported here: rich costs time to load, and finding the renderers must not.
    from rich.color import ColorSystem

    from interprobe.terminal.report import lay_out

    # The sixteen colours of the terminal's own theme are readable on dark and on light grounds.
    colors = ColorSystem.STANDARD if color else None
    lines = (
        "".join(
            segment.style.render(segment.text, color_system=colors)
            if segment.style is not None
            else segment.text
            for segment in line
        )
        for line in lay_out(trace, width=width, color=color)
    )
    return "".join(f"{line}\n" for line in lines)
