"""How much longer work on arrays takes in guard mode."""

from __future__ import annotations

from typing import Any

from benchmarks.profilers import INTERPROBE_GUARD
from benchmarks.ratios import draw_with, measure_with
from benchmarks.session import Session

NAME = "guard-mode"
TITLE = "Guard mode"

WORK = {
    "new_small_arrays": "`x + x` of 100 elements",
    "new_medium_arrays": "`x + x` of 100,000 elements (800 kB)",
    "new_large_arrays": "`x + x` of 5 million elements (40 MB)",
    "in_place": "`np.multiply(x, 1.0, out=x)` of 5 million elements",
    "calls": "ctypes, `f(x.ctypes.data_as(P), 4)`",
}


def measure(session: Session) -> dict[str, Any]:
    """Time each kind of work plain, recorded, and recorded in guard mode."""
    return measure_with(session, INTERPROBE_GUARD, name=NAME, program="guarded_arrays", work=WORK)


def draw(results: dict[str, Any]) -> str:
    """The ratios, recorded and recorded in guard mode."""
    return draw_with(results, INTERPROBE_GUARD, heading="--guard", work=WORK)
