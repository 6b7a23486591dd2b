"""How much longer work on arrays takes in guard mode."""

from __future__ import annotations

import statistics
from operator import itemgetter
from typing import Any

from benchmarks.figures import figure_of, noise_floor, ratio
from benchmarks.paired import run_rounds
from benchmarks.processes import run_program
from benchmarks.profilers import INTERPROBE, INTERPROBE_GUARD, Profiler
from benchmarks.session import Session
from benchmarks.tables import table

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
    blocks = 4 if session.quick else 12

    def measured(profiler: Profiler) -> dict[str, float]:
        session.say(f"{NAME}: {profiler.name}")
        result = run_program(profiler, "guarded_arrays", [session.built, blocks]).result
        return {name: statistics.median(seconds) for name, seconds in result.items()}

    rounds = 2 if session.quick else 7
    found = run_rounds(measured, (INTERPROBE, INTERPROBE_GUARD), rounds=rounds, peer_rounds=rounds)
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
    """The ratios, with and without guard mode."""
    rows = []
    for name, part in results.items():
        guarded = part["ratio"][INTERPROBE_GUARD.name]
        rows.append(
            [
                WORK[name],
                f"{100 * part['noise']:.1f} %",
                f"{part['ratio'][INTERPROBE.name]['median']:.2f}",
                f"{guarded['median']:.2f}",
                f"{guarded['low']:.2f} to {guarded['high']:.2f}",
            ]
        )
    header = ["work, as a multiple of plain", "noise", "interprobe", "--guard", "half of the runs"]
    return table(header, rows)
