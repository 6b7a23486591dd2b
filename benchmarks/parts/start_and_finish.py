"""What a profiler adds to a short script with 20 places: its start, its analysis, its report."""

from __future__ import annotations

from typing import Any

from benchmarks.figures import added, figure_of, noise_floor
from benchmarks.paired import run_rounds
from benchmarks.processes import run_program
from benchmarks.profilers import INTERPROBE, PLAIN, Profiler
from benchmarks.session import Session
from benchmarks.tables import failures_in_words, signed, table
from benchmarks.targets import START_AND_FINISH_MILLISECONDS, verdict

NAME = "start-and-finish"
TITLE = "Start and finish, report included"


def measure(session: Session) -> dict[str, Any]:
    """Time whole processes, from before the start until after the end, in milliseconds."""

    def measured(profiler: Profiler) -> float:
        session.say(f"{NAME}: {profiler.name}")
        arguments = [session.built, profiler.decorated]
        return 1000 * run_program(profiler, "twenty_places", arguments).seconds

    found = run_rounds(
        measured,
        session.profilers,
        rounds=2 if session.quick else 15,
        peer_rounds=1 if session.quick else 5,
    )
    return {
        "plain": figure_of(found.plain),
        "noise": noise_floor(found.plain),
        "added": {name: added(trios) for name, trios in found.profiled.items()},
        "failures": found.failures,
    }


def draw(results: dict[str, Any]) -> str:
    """One line a profiler."""
    plain, noise = results["plain"]["median"], results["noise"]
    rows = [[f"{PLAIN.name}, the whole run", f"{plain:,.0f}", f"noise {noise:,.0f}", "", ""]]
    for name, figure in results["added"].items():
        target = START_AND_FINISH_MILLISECONDS if name == INTERPROBE.name else None
        rows.append(
            [
                f"{name} adds",
                signed(figure["median"]),
                f"{figure['low']:,.0f} to {figure['high']:,.0f}",
                "" if target is None else f"+{target:.0f}",
                verdict(figure["median"], target),
            ]
        )
    header = ["a script with 20 places", "ms", "half of the runs", "target", "verdict"]
    return table(header, rows) + failures_in_words(results["failures"])
