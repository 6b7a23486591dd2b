"""How much longer C functions take whose arguments are compared before and after each call."""

from __future__ import annotations

import statistics
from operator import itemgetter
from typing import Any

from benchmarks.figures import figure_of, noise_floor, ratio
from benchmarks.paired import run_rounds
from benchmarks.processes import run_program
from benchmarks.profilers import INTERPROBE, INTERPROBE_CONTRACTS, Profiler
from benchmarks.session import Session
from benchmarks.tables import table

NAME = "contracts"
TITLE = "Checks of calls"

WORK = {
    "tiny_calls": "`f(p, 4)`, which reads one element",
    "medium_calls": "the sum of 10,000 elements (80 kB)",
    "large_calls": "the sum of 5 million elements (40 MB)",
}


def measure(session: Session) -> dict[str, Any]:
    """Time each kind of work plain, recorded, and recorded with all contents compared."""
    blocks = 4 if session.quick else 12

    def measured(profiler: Profiler) -> dict[str, float]:
        session.say(f"{NAME}: {profiler.name}")
        result = run_program(profiler, "checked_calls", [session.built, blocks]).result
        return {name: statistics.median(seconds) for name, seconds in result.items()}

    rounds = 2 if session.quick else 7
    found = run_rounds(
        measured, (INTERPROBE, INTERPROBE_CONTRACTS), rounds=rounds, peer_rounds=rounds
    )
    by_name = {name: found.picked(itemgetter(name)) for name in WORK}
    return {
        name: {
            "plain": figure_of(picked.plain),
            "noise": noise_floor(picked.plain) / statistics.median(picked.plain),
            "ratio": {profiler: ratio(trios) for profiler, trios in picked.profiled.items()},
        }
        for name, picked in by_name.items()
    }


def draw(results: dict[str, Any]) -> str:
    """The ratios, with the checks of every run, and with all of them."""
    rows = []
    for name, part in results.items():
        full = part["ratio"][INTERPROBE_CONTRACTS.name]
        rows.append(
            [
                WORK[name],
                f"{100 * part['noise']:.1f} %",
                f"{part['ratio'][INTERPROBE.name]['median']:.2f}",
                f"{full['median']:.2f}",
                f"{full['low']:.2f} to {full['high']:.2f}",
            ]
        )
    header = [
        "work, as a multiple of plain",
        "noise",
        "interprobe",
        "--contracts=full",
        "half of the runs",
    ]
    return table(header, rows)
