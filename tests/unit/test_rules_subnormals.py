"""IP506 subnormals on hand-made traces."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from trace_builder import argument, called, trace_of

from interprobe.analysis import analyse
from interprobe.facts import Fact
from interprobe.findings import Finding, Severity
from interprobe.replays import Replay
from interprobe.rules import ip506_subnormals as ip506
from interprobe.trace import Call

Array = NDArray[Any]
FIELD = np.full(1000, 1e-310)
SEEN = Fact("subnormal", position=0, value=500, limit=1000, text="1.23456789e-310")


def replay(speedup: float, low: float, change: str = "normal-numbers") -> Replay:
    return Replay(
        change=change,
        positions=[0],
        passes=9,
        as_is=0.01 * speedup,
        changed=0.01,
        speedup=speedup,
        low=low,
        high=speedup + 1,
        cache="warm",
    )


def step(
    *replays: Replay,
    fact: Fact = SEEN,
    values: Array = FIELD,
    expression: str = "lib.step(field.ctypes.data_as(DP), 1000)",
) -> Call:
    """A record of calls that took 0.25 s in all."""
    made = called(expression, [argument(0, "POINTER(c_double)", values)], function="step")
    return msgspec.structs.replace(made, facts=[fact], replays=list(replays))


def findings(*calls: Call, seconds: float = 1.0) -> list[Finding]:
    return list(ip506.check(trace_of(*calls, seconds=seconds)))


def test_without_a_measurement_it_is_a_note_that_costs_nothing() -> None:
    (finding,) = findings(step())
    assert finding.severity is Severity.NOTE
    assert finding.cost.seconds == 0
    assert "50 % of the numbers in `field` (argument 1 of step) are subnormal" in finding.cause
    assert "such as 1.2e-310" in finding.cause
    assert finding.saving is not None
    assert finding.saving.method == "not measured"


def test_a_measured_gain_makes_it_as_severe_as_what_is_lost() -> None:
    (finding,) = findings(step(replay(5.0, 4.0)))
    assert finding.severity is Severity.WARNING
    assert finding.cost.seconds == pytest.approx(0.2)
    assert "took 10.0 ms instead of 50.0 ms" in finding.cause
    (finding,) = findings(step(replay(1.2, 1.1)))
    assert finding.severity is Severity.NOTE
    assert finding.cost.seconds == pytest.approx(0.25 / 6)


def test_the_report_says_what_the_replay_gained() -> None:
    trace = trace_of(step(replay(5.0, 4.0)), seconds=1.0)
    (finding,) = [found for found in analyse(trace).findings if found.rule == "IP506"]
    assert finding.saving is not None
    assert finding.saving.method == "measured"
    assert finding.saving.speedup == pytest.approx(5.0)


@pytest.mark.parametrize(("speedup", "low"), [(1.0, 0.9), (1.04, 1.02), (1.5, 0.8)])
def test_where_zeros_gain_nothing_there_is_no_finding(speedup: float, low: float) -> None:
    assert findings(step(replay(speedup, low))) == []


def test_other_changes_prove_nothing() -> None:
    (finding,) = findings(step(replay(5.0, 4.0, change="contiguous")))
    assert finding.cost.seconds == 0


def test_calls_that_take_next_to_nothing_are_no_finding() -> None:
    assert findings(step(), seconds=100.0) == []
    assert findings(step(replay(1.1, 1.06)), seconds=5.0) == []


def test_short_calls_of_which_nothing_was_measured_are_no_finding() -> None:
    short = msgspec.structs.replace(step(), seconds=0.009)
    assert findings(short, seconds=0.1) == []
    assert findings(msgspec.structs.replace(short, seconds=0.011), seconds=0.1)


def test_why_nothing_was_measured_is_said() -> None:
    failed = Replay("normal-numbers", [0], reason="guard mode is on")
    (finding,) = findings(step(failed))
    assert finding.saving is not None
    assert finding.saving.reason == "guard mode is on"


@pytest.mark.parametrize(
    ("expression", "values"),
    [
        ("lib.step(field.ctypes.data_as(DP), 1000)", FIELD),
        ("lib.step((field * 2).ctypes.data_as(DP), 1000)", FIELD),
        ("lib.step(pointer, 1000)", FIELD),
        ("lib.step(field.ctypes.data_as(DP), 1000)", FIELD + 1e-320j),
        ("lib.step(field.ctypes.data_as(DP), 1000)", np.full(1000, 1e-40, np.float32)),
    ],
)
def test_the_fix_leaves_no_subnormal_number(expression: str, values: Array) -> None:
    (finding,) = findings(step(expression=expression, values=values))
    names = {"np": np, "field": values.copy(), "array_1": values.copy()}
    exec(finding.fix.code, names)
    changed = names["array_1"] if "array_1[" in finding.fix.code else names["field"]
    parts = changed.view(changed.real.dtype)
    assert np.all((parts == 0) | (np.abs(parts) >= np.finfo(parts.dtype).tiny))
    assert (values != 0).all()


def test_facts_about_arguments_that_are_not_there_are_passed_over() -> None:
    assert findings(step(fact=msgspec.structs.replace(SEEN, position=7))) == []
    assert findings(step(fact=msgspec.structs.replace(SEEN, limit=0))) == []
