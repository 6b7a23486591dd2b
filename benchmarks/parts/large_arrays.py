"""Scripts that work on arrays of 80 MB: how much longer their work takes under a profiler."""

from __future__ import annotations

import statistics
from typing import Any

from benchmarks.figures import figure_of, noise_floor, ratio
from benchmarks.paired import run_rounds
from benchmarks.processes import run_program
from benchmarks.profilers import INTERPROBE, Profiler
from benchmarks.session import Session
from benchmarks.tables import failures_in_words, table
from benchmarks.targets import LARGE_ARRAY_RATIO, verdict

NAME = "large-arrays"
TITLE = "Scripts that work on 80 MB arrays"

PROGRAMS = {
    "large_conversions": "conversions: layout, dtype, byte order",
    "large_ctypes": "a C kernel through ctypes",
    "large_ufuncs": "ufuncs with temporaries",
    "large_dot": "`np.dot` of vectors, of a matrix and a strided vector",
}


def measure(session: Session) -> dict[str, Any]:
    """Time the work of each script: its median repeat, without start and finish."""
    return {program: _measured(session, program) for program in PROGRAMS}


def _measured(session: Session, program: str) -> dict[str, Any]:
    repeats = 2 if session.quick else 4

    def measured(profiler: Profiler) -> float:
        session.say(f"{NAME}: {program}, {profiler.name}")
        arguments = [session.built, repeats, profiler.decorated]
        seconds: list[float] = run_program(profiler, program, arguments).result
        return statistics.median(seconds)

    found = run_rounds(
        measured,
        session.profilers,
        rounds=2 if session.quick else 7,
        peer_rounds=1 if session.quick else 2,
    )
    return {
        "plain": figure_of(found.plain),
        "noise": noise_floor(found.plain) / statistics.median(found.plain),
        "ratio": {name: ratio(trios) for name, trios in found.profiled.items()},
        "failures": found.failures,
    }


def draw(results: dict[str, Any]) -> str:
    """The ratio of each script and profiler."""
    names = list(dict.fromkeys(name for part in results.values() for name in part["ratio"]))
    peers = [name for name in names if name != INTERPROBE.name]
    rows = []
    for program, part in results.items():
        ours = part["ratio"].get(INTERPROBE.name)
        rows.append(
            [
                PROGRAMS[program],
                f"{1000 * part['plain']['median']:,.0f}",
                f"{100 * part['noise']:.1f} %",
                *(_ours(ours) if ours else ["", "", "", ""]),
                *[
                    f"{part['ratio'][name]['median']:.2f}" if name in part["ratio"] else "-"
                    for name in peers
                ],
            ]
        )
    header = [
        "work", "plain, ms", "noise", "interprobe", "half of the runs", "target", "verdict", *peers
    ]  # fmt: skip
    failures = {name: why for part in results.values() for name, why in part["failures"].items()}
    return table(header, rows) + failures_in_words(failures)


def _ours(figure: dict[str, float]) -> list[str]:
    return [
        f"{figure['median']:.3f}",
        f"{figure['low']:.3f} to {figure['high']:.3f}",
        f"{LARGE_ARRAY_RATIO:.2f}",
        verdict(figure["median"], LARGE_ARRAY_RATIO),
    ]
