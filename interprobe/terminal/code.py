"""Python code in a report: highlighted where there are colours, broken so that it stays code."""

from __future__ import annotations

import io
import textwrap
import tokenize
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.text import Text

from interprobe.terminal.text import several_lines

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

_LEAST_COMMENT = 20
"""Characters that a line of a comment gets at least, whatever its indentation."""


class CodeText:
    """Several lines of Python code.

    Args:
        code: The code, as the program or a rule wrote it.
    """

    def __init__(self, code: str) -> None:
        self._lines = several_lines(code).strip("\n").split("\n")

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the code; a comment that does not fit beside its line goes above it."""
        lines = [part for line in self._lines for part in _fitted(line, options.max_width)]
        yield python("\n".join(lines), console)


def python(code: str, console: Console) -> Text:
    """Python code, already free of control codes, highlighted if ``console`` has colours."""
    plain = Text(code, overflow="fold")
    if console.color_system is None:
        return plain
    # Imported here: Pygments is needed for a coloured report only, and costs time to load.
    from rich.syntax import Syntax

    # The ANSI theme uses the terminal's own sixteen colours, readable on dark and on light.
    highlighted = Syntax("", "python", theme="ansi_dark").highlight(code)
    highlighted.rstrip()
    if highlighted.plain != code.rstrip():
        return plain
    highlighted.overflow = "fold"
    # Without this, the theme's own background and the wrapped Text's justification leak in.
    highlighted.style = ""
    highlighted.no_wrap = False
    return highlighted


def _fitted(line: str, width: int) -> Iterator[str]:
    """``line`` as it is, or its comment on lines of its own and the code below them."""
    column = _comment_column(line) if cell_len(line) > width else None
    if column is None:
        yield line
        return
    code, comment = line[:column].rstrip(), line[column:].lstrip("# ")
    indentation = line[: len(line) - len(line.lstrip())]
    room = max(_LEAST_COMMENT, width - len(indentation) - len("# "))
    for part in textwrap.wrap(comment, room):
        yield f"{indentation}# {part}"
    if code:
        yield code


def _comment_column(line: str) -> int | None:
    """Where the comment of a line starts; None without one, or if the line is no whole code."""
    try:
        for token in tokenize.generate_tokens(io.StringIO(line.lstrip()).readline):
            if token.type == tokenize.COMMENT:
                return token.start[1] + len(line) - len(line.lstrip())
    except (tokenize.TokenError, SyntaxError):
        return None
    return None
