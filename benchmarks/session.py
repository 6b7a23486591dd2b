"""What all benchmarks of one call of the command share."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.profilers import Profiler


@dataclass(frozen=True)
class Session:
    """The options of one call.

    Attributes:
        built: Folder of the compiled modules.
        profilers: Those to measure, interprobe first.
        quick: Whether a few repeats will do: the figures are then good for a look only.
        callgrind: Whether to count instructions.
    """

    built: Path
    profilers: tuple[Profiler, ...]
    quick: bool
    callgrind: bool

    def say(self, text: str) -> None:
        """Tell what is being done, on standard error."""
        print(text, file=sys.stderr, flush=True)
