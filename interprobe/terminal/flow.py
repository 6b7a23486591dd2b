"""Sets short statements one after another, broken between them and not inside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console, ConsoleOptions, RenderResult

_SEPARATOR = " · "


class Flow:
    """Draws statements on as few lines as hold them, a dot between those on one line.

    Args:
        statements: The statements; one longer than a line is folded.
    """

    def __init__(self, statements: Sequence[Text]) -> None:
        self._statements = statements

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the lines."""
        line = Text(overflow="fold")
        for statement in self._statements:
            together = line.cell_len + cell_len(_SEPARATOR) + statement.cell_len
            if line and together > options.max_width:
                yield line
                line = Text(overflow="fold")
            if line:
                line.append(_SEPARATOR, style="dim")
            line.append_text(statement)
        if line:
            yield line
