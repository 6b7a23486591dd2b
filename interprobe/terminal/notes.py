"""The notes that a report names on one line each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from interprobe.terminal.gain import gain_figure
from interprobe.terminal.table import Section, report_table
from interprobe.terminal.text import inline
from interprobe.terminal.units import byte_count, duration, share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console, ConsoleOptions, RenderResult

    from interprobe.terminal.blocks import Block
    from interprobe.terminal.places import Places


class FurtherNotes:
    """Draws a table of notes; nothing if there are none.

    Args:
        blocks: The blocks of notes, in the order of the report.
        places: Shows the paths of the trace.
    """

    def __init__(self, blocks: Sequence[Block], places: Places) -> None:
        self._blocks = blocks
        self._places = places

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw one row for each block."""
        if not self._blocks:
            return
        # Traces of versions that predicted no gains have none to show.
        gains = any(block.saving is not None for block in self._blocks)
        table = report_table(
            ["code", "at"], ["bytes", "time", "share", *(["gain"] if gains else [])]
        )
        for block in self._blocks:
            cost = block.cost
            table.add_row(
                inline(block.heading),
                self._places.place(block.user_sites[0]),
                byte_count(cost.bytes),
                duration(cost.seconds),
                share(cost.share),
                *([gain_figure(block.saving)] if gains else []),
            )
        yield Section(f"Further notes: {len(self._blocks):,}", table)
