"""What the lines of a profiled function took, with the copies that each made."""

from __future__ import annotations

import msgspec


class LineTiming(msgspec.Struct, frozen=True):
    """One line of a profiled function: line_profiler's time, and the copies made by that line."""

    line: int
    hits: int
    seconds: float
    copies: int
    bytes_copied: int
    source: str


class FunctionLines(msgspec.Struct, frozen=True):
    """The lines of one function profiled with ``--lines`` or ``profile(lines=True)``."""

    file: str
    function: str
    first_line: int
    lines: list[LineTiming]
