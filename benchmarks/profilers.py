"""How each profiler starts a program: interprobe and its peers, with their usual options."""

from __future__ import annotations

import importlib.metadata
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Profiler:
    """One column of the tables.

    Attributes:
        name: As in the tables; the name of its distribution as well.
        words: What stands before the script's name, for an output file given as a path.
        separator: What stands between the script's name and its arguments.
        decorated: "yes" where it measures the functions marked ``@profile`` and no others, "held"
            where it is to stay switched on between their calls, else "no".
        patience: By how much a program with many small steps is shortened for it.
        callgrind: Whether it can be run inside callgrind; else why not, a sentence.
    """

    name: str
    words: Callable[[Path], list[str]]
    separator: tuple[str, ...] = ()
    decorated: str = "no"
    patience: int = 1
    callgrind: str | bool = True

    def command(self, script: Path, arguments: list[str], output: Path) -> list[str]:
        """The words that run ``script`` under this profiler, its result going to ``output``."""
        return [*self.words(output), str(script), *self.separator, *arguments]

    def missing(self) -> str | None:
        """Why it cannot be started in this environment, a sentence; None where it can."""
        if self is PLAIN:
            return None
        try:
            importlib.metadata.version(self.name.partition(" ")[0])
        except importlib.metadata.PackageNotFoundError:
            return f"{self.name} is not installed: python3 -m pip install '.[benchmarks]'"
        if self is PY_SPY and _py_spy() is None:
            return "the command py-spy was not found"
        return None


def _python(*words: str) -> list[str]:
    return [sys.executable, *words]


def _py_spy() -> str | None:
    beside_python = Path(sys.executable).parent / "py-spy"
    return str(beside_python) if beside_python.exists() else shutil.which("py-spy")


PLAIN = Profiler("plain", lambda output: _python())

INTERPROBE = Profiler(
    "interprobe",
    lambda output: _python("-m", "interprobe", "run", "-o", f"{output}.txt"),
)

INTERPROBE_WITH_TRACE = Profiler(
    "interprobe",
    lambda output: _python(
        "-m", "interprobe", "run", "-o", f"{output}.txt", "--json", f"{output}.trace"
    ),
)

WHAT_IF_OFF = Profiler(
    "interprobe --what-if=off",
    lambda output: _python("-m", "interprobe", "run", "--what-if=off", "-o", f"{output}.txt"),
)

INTERPROBE_GUARD = Profiler(
    "interprobe --guard",
    lambda output: _python("-m", "interprobe", "run", "--guard", "-o", f"{output}.txt"),
)

INTERPROBE_CONTRACTS = Profiler(
    "interprobe --contracts",
    lambda output: _python("-m", "interprobe", "run", "--contracts=full", "-o", f"{output}.txt"),
)

PY_SPY = Profiler(
    "py-spy",
    lambda output: [
        _py_spy() or "py-spy", "record", "-o", f"{output}.svg", "--", sys.executable,
    ],
    callgrind="it looks on from another process and adds no instruction to the program",
)  # fmt: skip

PEERS = (
    Profiler(
        "memray",
        lambda output: _python("-m", "memray", "run", "-q", "-o", f"{output}.bin"),
    ),
    Profiler(
        "line_profiler",
        lambda output: _python("-m", "kernprof", "-l", "-o", f"{output}.lprof"),
        decorated="held",
    ),
    Profiler(
        "memory_profiler",
        lambda output: _python("-m", "memory_profiler", "-o", f"{output}.txt"),
        decorated="yes",
        patience=100,
    ),
    Profiler(
        "scalene",
        lambda output: _python("-m", "scalene", "run", "-o", f"{output}.json"),
        separator=("---",),
        callgrind="it starts Python anew, where callgrind does not follow",
    ),
    Profiler(
        "viztracer",
        lambda output: _python("-m", "viztracer", "--quiet", "-o", f"{output}.json", "--"),
    ),
    PY_SPY,
)
