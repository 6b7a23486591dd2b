"""Counts instructions with valgrind's callgrind: the same in every run, on a busy machine too."""

from __future__ import annotations

import platform
import re
import shutil
from pathlib import Path

_TOTALS = re.compile(r"^totals: (\d+)", re.MULTILINE)


def missing() -> str | None:
    """Why callgrind cannot be used here, a sentence; None where it can."""
    if shutil.which("valgrind") is None:
        return "valgrind is not installed"
    if not Path("/usr/include/valgrind/callgrind.h").exists():
        return "valgrind's header callgrind.h is not installed"
    return None


def command(output: Path) -> list[str]:
    """The words that start a program under callgrind, at the same addresses in every run.

    The program itself switches the counting on.

    Args:
        output: Counts are written to this path with ``.1``, ``.2``, ... behind it, a file for each
            time that the program asks for it.
    """
    steady = ["setarch", platform.machine(), "-R"] if shutil.which("setarch") else []
    return [
        *steady, "valgrind", "--tool=callgrind", "--instr-atstart=no",
        f"--callgrind-out-file={output}",
    ]  # fmt: skip


def instructions_in(dump: str) -> int:
    """The instructions that one of callgrind's files counts.

    Raises:
        ValueError: It has no line of totals.
    """
    found = _TOTALS.search(dump)
    if found is None:
        raise ValueError("callgrind's file has no line of totals")
    return int(found[1])


def instructions_per_call(dumps: list[int], names: list[str], count: int) -> dict[str, float]:
    """Instructions per call of each operation.

    Each operation leaves three counts: what came before it, ``count`` calls, 3 ``count`` calls. The
    difference of the last two holds calls and nothing else.

    Args:
        dumps: Instructions of each of callgrind's files, in order.
        names: The operations, in the order in which they ran.
        count: Calls in the shorter run.

    Raises:
        ValueError: The number of files does not fit.
    """
    if len(dumps) != 3 * len(names):
        raise ValueError(f"callgrind left {len(dumps)} files, not {3 * len(names)}")
    return {
        name: (dumps[3 * index + 2] - dumps[3 * index + 1]) / (2 * count)
        for index, name in enumerate(names)
    }
