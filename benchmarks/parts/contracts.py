"""How much longer C functions take whose arguments are compared before and after each call."""

from __future__ import annotations

from typing import Any

from benchmarks.profilers import INTERPROBE_CONTRACTS
from benchmarks.ratios import draw_with, measure_with
from benchmarks.session import Session

NAME = "contracts"
TITLE = "Checks of calls"

WORK = {
    "tiny_calls": "`f(p, 4)`, which reads one element",
    "medium_calls": "the sum of 10,000 elements (80 kB)",
    "large_calls": "the sum of 5 million elements (40 MB)",
}


def measure(session: Session) -> dict[str, Any]:
    """Time each kind of work plain, recorded, and recorded with all contents compared."""
    return measure_with(
        session, INTERPROBE_CONTRACTS, name=NAME, program="checked_calls", work=WORK
    )


def draw(results: dict[str, Any]) -> str:
    """The ratios, recorded and recorded with all contents compared."""
    return draw_with(results, INTERPROBE_CONTRACTS, heading="--contracts=full", work=WORK)
