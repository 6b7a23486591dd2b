"""What a profiler adds to a short script with 20 places: its start, its analysis, its report."""

from __future__ import annotations

from operator import itemgetter
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


CLOCKS = {"wall": "ms", "cpu": "processor time, ms"}


def measure(session: Session) -> dict[str, Any]:
    """Time whole processes, from before the start until after the end, in milliseconds."""

    def measured(profiler: Profiler) -> dict[str, float]:
        session.say(f"{NAME}: {profiler.name}")
        run = run_program(profiler, "twenty_places", [session.built, profiler.decorated])
        return {"wall": 1000 * run.seconds, "cpu": 1000 * run.cpu_seconds}

    found = run_rounds(
        measured,
        session.profilers,
        rounds=2 if session.quick else 15,
        peer_rounds=1 if session.quick else 5,
    )
    by_clock = {clock: found.picked(itemgetter(clock)) for clock in CLOCKS}
    return {
        "plain": {clock: figure_of(rounds.plain) for clock, rounds in by_clock.items()},
        "noise": {clock: noise_floor(rounds.plain) for clock, rounds in by_clock.items()},
        "added": {
            name: {clock: added(rounds.profiled[name]) for clock, rounds in by_clock.items()}
            for name in found.profiled
        },
        "failures": found.failures,
    }


def draw(results: dict[str, Any]) -> str:
    """One line a profiler; the target is one of wall time."""
    plain, noise = results["plain"], results["noise"]
    row = [f"{PLAIN.name}, the whole run"]
    for clock in CLOCKS:
        row += [f"{plain[clock]['median']:,.0f}", f"noise {noise[clock]:,.0f}"]
    rows = [[*row, "", ""]]
    for name, figures in results["added"].items():
        row = [f"{name} adds"]
        for clock in CLOCKS:
            figure = figures[clock]
            row += [signed(figure["median"]), f"{figure['low']:,.0f} to {figure['high']:,.0f}"]
        target = START_AND_FINISH_MILLISECONDS if name == INTERPROBE.name else None
        judged = verdict(figures["wall"]["median"], target)
        rows.append([*row, "" if target is None else f"+{target:.0f} ms", judged])
    header = ["a script with 20 places"]
    for label in CLOCKS.values():
        header += [label, "half of the runs"]
    text = table([*header, "target", "verdict"], rows)
    return text + failures_in_words(results["failures"])
