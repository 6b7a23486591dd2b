"""What interprobe predicts that cures gain, beside what they gain, for each kind of binding."""

from __future__ import annotations

import importlib.util
import json
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.figures import figure_of
from benchmarks.pitfalls import Pitfall, pitfalls
from benchmarks.predictions import CLEAR_GAIN, LEAST_GAIN, WORTH_IT, Prediction, predicted
from benchmarks.processes import Run, RunError, run_program
from benchmarks.profilers import INTERPROBE_WITH_TRACE, PLAIN, WHAT_IF_OFF, Profiler
from benchmarks.session import Session
from benchmarks.tables import table

NAME = "gains"
TITLE = "Gains: predicted and real"

NEAR_ENOUGH = 0.2

PAIRS = 7
MOST_PAIRS = 21
SETTLED = 1.1
"""A real gain is known when half of its pairs lie within this ratio: on a shared machine, a
neighbour can slow down one side of several pairs."""
PAIRS_PER_PREDICTION = 2
"""Predictions are made in between, so that they and the pairs see the same machine."""


def measure(session: Session) -> dict[str, Any]:
    """Run each pitfall and its cure plainly in turns, and the pitfall under interprobe."""
    return {case.name: _measured(session, case) for case in pitfalls()}


def _measured(session: Session, case: Pitfall) -> dict[str, Any]:
    missing = [name for name in case.needs if not is_there(session.built, name)]
    if missing:
        return {"what": case.what, "binding": case.binding, "missing": missing}
    session.say(f"{NAME}: {case.name}")
    seconds = 0.15 if session.quick else 0.3
    plain: list[tuple[float, float]] = []
    recorded: list[tuple[Prediction | None, float, bool]] = []
    try:
        calls = _run(session, PLAIN, case, side="bad", seconds=seconds).result["calls"]
        while not _is_known(session, plain):
            if len(plain) % PAIRS_PER_PREDICTION == 0:
                recorded.append(_recorded(session, case, calls))
            plain.append(_plain_pair(session, case, calls, good_first=len(plain) % 2 == 1))
    except RunError as error:
        return {"what": case.what, "binding": case.binding, "failed": str(error)}
    return {
        "what": case.what,
        "binding": case.binding,
        "calls": calls,
        "bad": figure_of([bad for bad, _ in plain]),
        "good": figure_of([good for _, good in plain]),
        "real": figure_of([bad / good for bad, good in plain]),
        "predictions": [prediction for prediction, _, _ in recorded],
        "replays": figure_of([added for _, added, _ in recorded]),
        "same_output": all(same for _, _, same in recorded),
    }


def _plain_pair(
    session: Session, case: Pitfall, calls: int, *, good_first: bool
) -> tuple[float, float]:
    """Seconds of a call of the pitfall and of one of its cure, each in a process of its own."""
    sides = ("good", "bad") if good_first else ("bad", "good")
    taken = {
        side: _run(session, PLAIN, case, side=side, calls=calls).result["seconds"] for side in sides
    }
    return taken["bad"], taken["good"]


def _is_known(session: Session, plain: Sequence[tuple[float, float]]) -> bool:
    """Whether there are pairs enough for the ratio."""
    if session.quick or len(plain) < PAIRS:
        return session.quick and len(plain) == PAIRS_PER_PREDICTION
    ratio = figure_of([bad / good for bad, good in plain])
    return ratio["high"] <= SETTLED * ratio["low"] or len(plain) >= MOST_PAIRS


def is_there(built: Path, module: str) -> bool:
    """Whether a module that a pitfall needs was compiled, or is installed."""
    return bool(list(built.glob(f"{module}.*"))) or importlib.util.find_spec(module) is not None


def _run(
    session: Session, profiler: Profiler, case: Pitfall, *, side: str, calls: int = 0,
    seconds: float = 0.0, keep: Path | None = None,
) -> Run:  # fmt: skip
    """One process that makes so many calls, or calls for so many seconds."""
    arguments = [session.built, case.name, side, calls, seconds]
    return run_program(profiler, "pitfall", arguments, keep=keep)


def _recorded(session: Session, case: Pitfall, calls: int) -> tuple[Prediction | None, float, bool]:
    """The prediction, the share of the run that replays added, and whether they changed nothing."""
    off = _run(session, WHAT_IF_OFF, case, side="bad", calls=calls)
    with tempfile.TemporaryDirectory(prefix="interprobe-benchmark-") as name:
        keep = Path(name)
        run = _run(session, INTERPROBE_WITH_TRACE, case, side="bad", calls=calls, keep=keep)
        trace = json.loads((keep / "run.trace").read_text())
    added = (run.seconds - off.seconds) / off.seconds
    return predicted(trace, "bad"), added, run.said == off.said


def draw(results: Mapping[str, Any]) -> str:
    """A row for each pitfall, and what all of them amount to."""
    rows = [_row(part) for part in results.values() if "real" in part]
    header = [
        "pitfall", "binding", "real", "half of the runs", "predicted", "interval", "of all runs",
        "how", "deviation", "interprobe says", "verdict",
    ]  # fmt: skip
    return table(header, rows) + "\n" + _in_words(results)


def middle(predictions: Sequence[Prediction | None]) -> Prediction | None:
    """Of several runs, the one whose prediction is in the middle; None where most have none."""
    known = [each for each in predictions if each is not None and each["speedup"] is not None]
    if 2 * len(known) <= len(predictions):
        return next((each for each in predictions if each and each["speedup"] is None), None)
    known.sort(key=lambda each: each["speedup"] or 0.0)
    return known[(len(known) - 1) // 2]


def verdict(real: float, predictions: Sequence[Prediction | None]) -> str:
    """Whether the prediction is as good as promised, or what is wrong with it.

    Near the real gain the one in the middle must be; recommend what gains nothing none of them may.
    """
    shown = middle(predictions)
    speedup = None if shown is None else shown["speedup"]
    if real < LEAST_GAIN:
        recommended = any(each is not None and each["verdict"] == WORTH_IT for each in predictions)
        return "**false recommendation**" if recommended else "rightly not recommended"
    if real <= CLEAR_GAIN:
        return ""
    if speedup is None:
        return "**missed**"
    return "within" if abs(speedup / real - 1) <= NEAR_ENOUGH else "**missed**"


def _row(part: Mapping[str, Any]) -> list[str]:
    real, prediction = part["real"], middle(part["predictions"])
    said = verdict(real["median"], part["predictions"])
    words = [
        part["what"],
        part["binding"],
        f"{real['median']:.2f}",
        f"{real['low']:.2f} to {real['high']:.2f}",
    ]
    if prediction is None:
        return [*words, "", "", "", "no finding", "", "nothing", said]
    speedup, low, high = prediction["speedup"], prediction["low"], prediction["high"]
    how = ", ".join(word for word in (prediction["method"], prediction["cache"]) if word)
    return [
        *words,
        "" if speedup is None else f"{speedup:.2f}",
        "" if low is None or high is None else f"{low:.2f} to {high:.2f}",
        _range(part["predictions"]),
        how if speedup is not None else f"{how}: {prediction['reason']}",
        "" if speedup is None else f"{100 * (speedup / real['median'] - 1):+.0f} %",
        prediction["verdict"] or "nothing",
        said,
    ]


def _range(predictions: Sequence[Prediction | None]) -> str:
    """The lowest and the highest that any run predicted."""
    known = [each["speedup"] for each in predictions if each and each["speedup"] is not None]
    return f"{min(known):.2f} to {max(known):.2f}" if known else ""


def _in_words(results: Mapping[str, Any]) -> str:
    measured = [part for part in results.values() if "real" in part]
    verdicts = [verdict(part["real"]["median"], part["predictions"]) for part in measured]
    within, missed = verdicts.count("within"), verdicts.count("**missed**")
    false, rightly = (
        verdicts.count("**false recommendation**"),
        verdicts.count("rightly not recommended"),
    )
    lines = [
        f"Of {within + missed} cures that gain over {CLEAR_GAIN}, {within} were predicted within"
        f" {100 * NEAR_ENOUGH:.0f} %. Of {false + rightly} that gain under {LEAST_GAIN}, {false}"
        " were recommended.\n"
    ]
    if measured:
        added = statistics.median(part["replays"]["median"] for part in measured)
        changed = [name for name, part in results.items() if not part.get("same_output", True)]
        lines.append(
            f"Replays added {100 * added:.0f} % to the wall time of these short runs (median)."
            + (
                f" With them, the output differed: {', '.join(changed)}.\n"
                if changed
                else " The programs printed the same with them as with `--what-if=off`.\n"
            )
        )
    for name, part in results.items():
        if "missing" in part:
            lines.append(
                f"- {name} has no row here: not installed: {', '.join(part['missing'])}.\n"
            )
        if "failed" in part:
            lines.append(f"- {name} has no row here: {part['failed']}.\n")
    return "\n".join(lines)
