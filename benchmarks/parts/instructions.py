"""Instructions that a profiler adds to one small operation, counted by callgrind."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from benchmarks import callgrind
from benchmarks.processes import RunError, run_program
from benchmarks.profilers import PLAIN, Profiler
from benchmarks.session import Session
from benchmarks.tables import failures_in_words, signed, table
from benchmarks.targets import OPERATIONS

NAME = "instructions"
TITLE = "Instructions of one small operation"

COUNT = 100


def measure(session: Session) -> dict[str, Any]:
    """Count the instructions of each operation, once: they are the same in every run."""
    counts: dict[str, dict[str, float]] = {}
    failures: dict[str, str] = {}
    for profiler in (PLAIN, *session.profilers):
        reason = None if session.callgrind else "--no-callgrind was given"
        reason = reason or callgrind.missing() or profiler.missing()
        if isinstance(profiler.callgrind, str):
            reason = reason or profiler.callgrind
        if reason is None:
            session.say(f"{NAME}: {profiler.name}")
            try:
                counts[profiler.name] = _counted(session, profiler)
                continue
            except (RunError, ValueError) as error:
                reason = str(error)
        failures[profiler.name] = reason
    return {"count": COUNT, "instructions": counts, "failures": failures}


def _counted(session: Session, profiler: Profiler) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="interprobe-callgrind-") as name:
        output = Path(name) / "counts"
        count = max(2, COUNT // profiler.patience)
        run = run_program(
            profiler,
            "operations",
            [session.built, 0, count, profiler.decorated, "marked"],
            before=callgrind.command(output),
            hash_seed="0",
        )
        dumps: list[int] = []
        while (dump := Path(f"{output}.{len(dumps) + 1}")).exists():
            dumps.append(callgrind.instructions_in(dump.read_text(errors="replace")))
        # The last file is of what came after the last mark.
        return callgrind.instructions_per_call(dumps[: 3 * len(run.result)], run.result, count)


def draw(results: dict[str, Any]) -> str:
    """Plain instructions, and those that each profiler adds."""
    counts = results["instructions"]
    plain = counts.get(PLAIN.name)
    if plain is None:
        return failures_in_words(results["failures"])
    names = [name for name in counts if name != PLAIN.name]
    rows = []
    for operation, instructions in plain.items():
        own = instructions if operation == "empty_call" else instructions - plain["empty_call"]
        more = [signed(counts[name][operation] - instructions) for name in names]
        rows.append([OPERATIONS[operation].label, f"{own:,.0f}", *more])
    header = ["instructions", PLAIN.name, *[f"{name} adds" for name in names]]
    return table(header, rows) + failures_in_words(results["failures"])
