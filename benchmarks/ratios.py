"""Kinds of work timed plain, recorded, and recorded with one option more: as ratios."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from operator import itemgetter
from typing import Any

from benchmarks.figures import figure_of, noise_floor, ratio
from benchmarks.paired import run_rounds
from benchmarks.processes import run_program
from benchmarks.profilers import INTERPROBE, Profiler
from benchmarks.session import Session
from benchmarks.tables import table


def measure_with(
    session: Session, option: Profiler, *, name: str, program: str, work: Mapping[str, str]
) -> dict[str, Any]:
    """Time each kind of work in paired runs.

    Args:
        session: How long to measure, and what is built.
        option: interprobe with the option.
        name: Of the benchmark, for what is said meanwhile.
        program: In ``benchmarks/programs``; prints seconds by the names of ``work``.
        work: What each name stands for.
    """
    blocks = 4 if session.quick else 12

    def measured(profiler: Profiler) -> dict[str, float]:
        session.say(f"{name}: {profiler.name}")
        result = run_program(profiler, program, [session.built, blocks]).result
        return {each: statistics.median(seconds) for each, seconds in result.items()}

    rounds = 2 if session.quick else 7
    found = run_rounds(measured, (INTERPROBE, option), rounds=rounds, peer_rounds=rounds)
    by_name = {each: found.picked(itemgetter(each)) for each in work}
    return {
        each: {
            "plain": figure_of(picked.plain),
            "noise": noise_floor(picked.plain) / statistics.median(picked.plain),
            "ratio": {profiler: ratio(trios) for profiler, trios in picked.profiled.items()},
        }
        for each, picked in by_name.items()
    }


def draw_with(
    results: Mapping[str, Any], option: Profiler, *, heading: str, work: Mapping[str, str]
) -> str:
    """The ratios, without and with the option, which ``heading`` names."""
    rows = []
    for name, part in results.items():
        with_option = part["ratio"][option.name]
        rows.append(
            [
                work[name],
                f"{100 * part['noise']:.1f} %",
                f"{part['ratio'][INTERPROBE.name]['median']:.2f}",
                f"{with_option['median']:.2f}",
                f"{with_option['low']:.2f} to {with_option['high']:.2f}",
            ]
        )
    header = ["work, as a multiple of plain", "noise", "interprobe", heading, "half of the runs"]
    return table(header, rows)
