"""10 million crossings over 20 places: what a profiler keeps of them, in memory and on disk."""

from __future__ import annotations

from typing import Any

from benchmarks.figures import added, figure_of, noise_floor
from benchmarks.paired import run_rounds
from benchmarks.processes import Run, run_program
from benchmarks.profilers import INTERPROBE, INTERPROBE_WITH_TRACE, Profiler
from benchmarks.session import Session
from benchmarks.tables import failures_in_words, signed, table
from benchmarks.targets import MEMORY_BYTES, TRACE_BYTES, verdict

NAME = "many-crossings"
TITLE = "10 million crossings over 20 places"

_MB = 1e6


def measure(session: Session) -> dict[str, Any]:
    """Resident memory at the end of the work and at the highest point of the run; files; time."""
    crossings = 10**5 if session.quick else 10**7
    counts: dict[str, int] = {}

    def measured(profiler: Profiler) -> Run:
        session.say(f"{NAME}: {profiler.name}")
        counts[profiler.name] = crossings // profiler.patience
        started = INTERPROBE_WITH_TRACE if profiler is INTERPROBE else profiler
        arguments = [session.built, counts[profiler.name], profiler.decorated]
        return run_program(started, "many_crossings", arguments)

    found = run_rounds(measured, session.profilers, rounds=1 if session.quick else 3, peer_rounds=1)
    numbers = {
        "resident_bytes": found.picked(lambda run: run.result["resident_bytes"]),
        "peak_bytes": found.picked(lambda run: run.peak_bytes),
    }
    return {
        "crossings": crossings,
        "plain": {
            **{key: figure_of(rounds.plain) for key, rounds in numbers.items()},
            "work_seconds": figure_of([run.result["seconds"] for run in found.plain]),
        },
        "noise": {key: noise_floor(rounds.plain) for key, rounds in numbers.items()},
        "profiled": {
            name: {
                **{key: added(rounds.profiled[name]) for key, rounds in numbers.items()},
                "work_seconds": figure_of([trio.profiled.result["seconds"] for trio in trios]),
                "written_bytes": max(_written(name, trio.profiled) for trio in trios),
                "crossings": counts[name],
            }
            for name, trios in found.profiled.items()
        },
        "failures": found.failures,
    }


def _written(profiler: str, run: Run) -> int:
    """The size of the trace; of interprobe's two files the report is none."""
    sizes = run.written_bytes
    return sizes["run.trace"] if profiler == INTERPROBE.name else sum(sizes.values())


def draw(results: dict[str, Any]) -> str:
    """One line a profiler, then interprobe's figures beside their targets."""
    plain = results["plain"]
    rows = [
        [
            "plain",
            f"{results['crossings']:,}",
            f"{plain['work_seconds']['median']:.1f}",
            f"{plain['resident_bytes']['median'] / _MB:.1f}",
            f"{plain['peak_bytes']['median'] / _MB:.1f}",
            "",
        ]
    ]
    for name, part in results["profiled"].items():
        rows.append(
            [
                name,
                f"{part['crossings']:,}",
                f"{part['work_seconds']['median']:.1f}",
                signed(part["resident_bytes"]["median"] / _MB, 1),
                signed(part["peak_bytes"]["median"] / _MB, 1),
                f"{part['written_bytes'] / 1024:,.1f}",
            ]
        )
    header = ["", "crossings", "work, s", "resident after the work, MB", "peak, MB", "file, KiB"]
    text = table(header, rows)
    ours = results["profiled"].get(INTERPROBE.name)
    if ours:
        text += "\n" + table(
            ["interprobe", "figure", "noise", "target", "verdict"], _judged(results, ours)
        )
    return text + failures_in_words(results["failures"])


def _judged(results: dict[str, Any], ours: dict[str, Any]) -> list[list[str]]:
    rows = [
        [
            "size of the trace",
            f"{ours['written_bytes'] / 1024:.1f} KiB",
            "",
            f"{TRACE_BYTES // 1024} KiB",
            verdict(ours["written_bytes"], TRACE_BYTES),
        ]
    ]
    for key, label in (
        ("resident_bytes", "resident memory after the work"),
        ("peak_bytes", "peak of the whole run, report included"),
    ):
        rows.append(
            [
                label,
                f"{ours[key]['median'] / _MB:+.1f} MB",
                f"{results['noise'][key] / _MB:.1f} MB",
                f"+{MEMORY_BYTES / _MB:.1f} MB",
                verdict(ours[key]["median"], MEMORY_BYTES),
            ]
        )
    return rows
