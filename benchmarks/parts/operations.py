"""Nanoseconds that a profiler adds to one small operation at the border to native code."""

from __future__ import annotations

import statistics
from operator import itemgetter
from typing import Any

from benchmarks.figures import added, figure_of, noise_floor
from benchmarks.paired import run_rounds
from benchmarks.processes import run_program
from benchmarks.profilers import INTERPROBE, Profiler
from benchmarks.session import Session
from benchmarks.tables import failures_in_words, signed, table
from benchmarks.targets import OPERATIONS, verdict

NAME = "operations"
TITLE = "One small operation"

Times = dict[str, float]
"""Nanoseconds of each operation, the call of the function around it included."""


def measure(session: Session) -> dict[str, Any]:
    """Time each operation under each profiler."""
    blocks, count = (8, 250) if session.quick else (40, 250)

    def measured(profiler: Profiler) -> Times:
        session.say(f"{NAME}: {profiler.name}")
        calls = max(2, count // profiler.patience)
        arguments = [session.built, blocks, calls, profiler.decorated, "timed"]
        return undisturbed(run_program(profiler, "operations", arguments).result)

    found = run_rounds(
        measured,
        session.profilers,
        rounds=3 if session.quick else 15,
        peer_rounds=1 if session.quick else 5,
    )
    by_name = {name: found.picked(itemgetter(name)) for name in found.plain[0]}
    return {
        "blocks": blocks,
        "count": count,
        "plain": {name: figure_of(rounds.plain) for name, rounds in by_name.items()},
        "noise": {name: noise_floor(rounds.plain) for name, rounds in by_name.items()},
        "added": {
            profiler: {name: added(by_name[name].profiled[profiler]) for name in by_name}
            for profiler in found.profiled
        },
        "failures": found.failures,
    }


def undisturbed(blocks: dict[str, list[float]]) -> Times:
    """The time of each operation in a process: the block that a quarter of its blocks undercut.

    Other programs on the machine only make blocks slower, and often more than half of them.
    """
    return {
        name: statistics.quantiles(values, n=4, method="inclusive")[0]
        for name, values in blocks.items()
    }


def draw(results: dict[str, Any]) -> str:
    """Interprobe's costs beside their targets, then all profilers side by side."""
    plain, noise, by_profiler = results["plain"], results["noise"], results["added"]
    ours = by_profiler.get(INTERPROBE.name, {})
    rows = []
    for name, figure in ours.items():
        operation = OPERATIONS[name]
        own = plain[name]["median"]
        if name != "empty_call":
            own -= plain["empty_call"]["median"]
        percent = 100 * figure["median"] / own
        within = [
            verdict(figure["median"], operation.nanoseconds),
            verdict(percent, operation.percent),
        ]
        target = "" if operation.nanoseconds is None else f"+{operation.nanoseconds:.0f} ns"
        if operation.percent is not None:
            target += f", +{operation.percent:.0f} %"
        rows.append(
            [
                operation.label,
                f"{own:,.0f}",
                signed(figure["median"]),
                f"{figure['low']:,.0f} to {figure['high']:,.0f}",
                f"{noise[name]:,.0f}",
                f"{percent:+.0f} %",
                target,
                max(within, key=len),
            ]
        )
    header = [
        "operation", "plain, ns", "interprobe adds, ns", "half of the runs", "noise, ns",
        "of its time", "target", "verdict",
    ]  # fmt: skip
    names = list(by_profiler)
    side_by_side = table(
        ["added, ns", *names],
        [
            [
                OPERATIONS[name].label,
                *[signed(by_profiler[profiler][name]["median"]) for profiler in names],
            ]
            for name in plain
        ],
    )
    return f"{table(header, rows)}\n{side_by_side}{failures_in_words(results['failures'])}"
