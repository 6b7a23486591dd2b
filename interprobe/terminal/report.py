"""The whole report: its parts in their order, laid out to a width as lines of styled text."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.constrain import Constrain
from rich.segment import Segment
from rich.text import Text

from interprobe.findings import Severity
from interprobe.terminal import finding, verdict
from interprobe.terminal.blocks import Block, blocks
from interprobe.terminal.borrows import Borrows
from interprobe.terminal.copies import OtherCopies
from interprobe.terminal.crossings import Crossings
from interprobe.terminal.gutter import Margin
from interprobe.terminal.ladder import Ladder
from interprobe.terminal.lines import Lines
from interprobe.terminal.memory import MemorySection
from interprobe.terminal.notes import FurtherNotes
from interprobe.terminal.places import Places
from interprobe.terminal.processes import Processes
from interprobe.terminal.text import PROSE_WIDTH, inline

if TYPE_CHECKING:
    from rich.console import RenderableType

    from interprobe.trace import Trace

NARROWEST = 60
"""Cells that a report takes at least; in fewer its tables would be of no use."""

MOST_NOTES_IN_FULL = 3
"""Notes beyond these take one line each: they are many, and each gains little."""


def lay_out(trace: Trace, *, width: int, color: bool) -> list[list[Segment]]:
    """Lay the report of ``trace`` out.

    Args:
        trace: The run, with its findings.
        width: Cells of a line; below :data:`NARROWEST`, that many are used.
        color: Whether the segments carry styles.

    Returns:
        The lines, each a list of segments without a line end or white space at its end.
    """
    console = page(max(width, NARROWEST), color=color)
    lines: list[list[Segment]] = []
    for part in _parts(trace):
        drawn = [_trimmed(line) for line in console.render_lines(part, pad=False)]
        if lines and any(drawn):
            lines.append([])
        lines += drawn
    return lines


def page(width: int, *, color: bool, record: bool = False) -> Console:
    """A console that only lays out: it looks at no terminal and no environment variable.

    Args:
        width: Cells of a line.
        color: Whether the parts may use colours.
        record: Whether what is printed on it can be exported.
    """
    return Console(
        file=io.StringIO(),
        width=width,
        height=100,
        color_system="truecolor" if color else None,
        force_terminal=color,
        force_jupyter=False,
        force_interactive=False,
        legacy_windows=False,
        no_color=False,
        markup=False,
        emoji=False,
        highlight=False,
        record=record,
        _environ={},
    )


def _parts(trace: Trace) -> Iterator[RenderableType]:
    """The parts of the report from top to bottom; those with nothing to say draw nothing."""
    places = Places(trace)
    yield verdict.draw(trace)
    in_full, further = _divided(blocks(trace))
    for block in in_full:
        yield finding.draw(block, places)
    yield FurtherNotes(further, places)
    if trace.findings:
        code = trace.findings[0].rule
        yield inline(f"What a code means, with an example: interprobe explain {code}", "dim")
    yield OtherCopies(trace, places)
    yield Crossings(trace, places)
    yield Ladder({"": trace}, places)
    yield Borrows(trace, places)
    yield Processes(trace)
    for function in trace.lines:
        yield Lines(function, places)
    yield MemorySection(trace, places)
    if trace.meta.blind_spots:
        spots = [
            Constrain(Margin("  - ", "    ", "dim", inline(spot, "dim")), PROSE_WIDTH)
            for spot in trace.meta.blind_spots
        ]
        yield Group(Text("Not seen in this run:", style="dim"), *spots)
    meta = trace.meta
    made_with = f"interprobe {meta.interprobe}, Python {meta.python}, NumPy {meta.numpy}"
    yield inline(f"{made_with}, {meta.platform}", "dim")


def _divided(all_blocks: list[Block]) -> tuple[list[Block], list[Block]]:
    """The blocks to draw in full, and the notes beyond the first ones."""
    in_full, further, notes = [], [], 0
    for block in all_blocks:
        notes += block.severity is Severity.NOTE
        if block.severity is Severity.NOTE and notes > MOST_NOTES_IN_FULL:
            further.append(block)
        else:
            in_full.append(block)
    return in_full, further


def _trimmed(line: list[Segment]) -> list[Segment]:
    """``line`` without white space at its end."""
    kept = list(line)
    while kept:
        text, style, _ = kept.pop()
        text = text.rstrip()
        if text:
            return [*kept, Segment(text, style)]
    return []
