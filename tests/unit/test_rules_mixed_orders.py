"""IP205 on hand-made traces: which operations are reported, how severe, and with what cure."""

from __future__ import annotations

import ast
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from trace_builder import layout_of, site, trace_of

from interprobe.analysis import analyse
from interprobe.findings import Finding, Severity
from interprobe.machine import Machine
from interprobe.replays import Replay
from interprobe.trace import Operation, Trace

BY_ROWS = np.zeros((1000, 1000))
BY_COLUMNS = BY_ROWS.T


def measured(speedup: float, low: float | None = None, high: float | None = None) -> Replay:
    """An experiment with all operands in one order."""
    return Replay(
        change="same-order",
        positions=[1],
        passes=9,
        as_is=0.01,
        changed=0.01 / speedup,
        speedup=speedup,
        low=0.9 * speedup if low is None else low,
        high=1.1 * speedup if high is None else high,
        cache="warm",
    )


FAILED = Replay(change="same-order", positions=[1], reason="the program had several Python threads")


def operated(
    expression: str,
    *arrays: NDArray[Any],
    output: NDArray[Any] | None = None,
    operation: str = "numpy.add",
    count: int = 10,
    seconds: float = 0.4,
    replays: tuple[Replay, ...] = (),
    line: int = 10,
    process: int = 0,
) -> Operation:
    """One record of an operation."""
    operands = [*arrays, *([] if output is None else [output])]
    place = site(expression, line)
    return Operation(
        process=process,
        site=place,
        user_site=place,
        operation=operation,
        operands=[layout_of(array) for array in operands],
        positions=[*range(len(arrays)), *([] if output is None else [-1])],
        count=count,
        bytes=count * sum(array.nbytes for array in operands),
        seconds=seconds,
        replays=list(replays),
    )


def run(*operations: Operation, seconds: float = 1.0, machine: Machine | None = None) -> Trace:
    return msgspec.structs.replace(
        trace_of(seconds=seconds), operations=list(operations), machine=machine
    )


def found(*operations: Operation, **options: Any) -> list[Finding]:
    """As a report has them: the severity is what the gain lets it be."""
    return analyse(run(*operations, **options)).findings


def finding_of(*operations: Operation, **options: Any) -> Finding:
    (finding,) = found(*operations, **options)
    return finding


def test_a_confirmed_gain_of_a_large_share_is_a_warning() -> None:
    finding = finding_of(operated("a + b.T", BY_ROWS, BY_COLUMNS, replays=(measured(3.0),)))
    assert finding.severity is Severity.WARNING
    assert finding.rule == "IP205"
    assert finding.cost.share == pytest.approx(0.4)
    assert finding.saving is not None
    assert (finding.saving.method, finding.saving.speedup) == ("measured", pytest.approx(3.0))
    assert "`b.T` lies column by column (Fortran order)" in finding.cause
    assert "`a` lies row by row (C order)" in finding.cause


def test_the_cure_converts_the_odd_operand_once() -> None:
    finding = finding_of(operated("a + b.T", BY_ROWS, BY_COLUMNS, replays=(measured(3.0),)))
    assert finding.fix.code == (
        "in_order = np.ascontiguousarray(b.T)  # once, outside the loop\na + in_order"
    )


def test_the_order_of_the_output_is_the_one_to_have() -> None:
    finding = finding_of(
        operated(
            "np.add(a, b, out=c)", BY_ROWS, BY_COLUMNS, output=BY_COLUMNS, replays=(measured(3.0),)
        )
    )
    assert finding.fix.code.startswith("in_order = np.asfortranarray(a)")
    assert "np.add(in_order, b, out=c)" in finding.fix.code


def test_without_an_experiment_it_is_a_note_whatever_its_share() -> None:
    for replays in ((), (FAILED,)):
        finding = finding_of(operated("a + b.T", BY_ROWS, BY_COLUMNS, seconds=0.9, replays=replays))
        assert finding.severity is Severity.NOTE
        assert finding.saving is not None
        assert finding.saving.method == "not measured"


def test_severity_follows_what_is_gained_and_not_what_it_takes() -> None:
    """A fifth of the run that becomes a fifth faster is 4 % of the run."""
    finding = finding_of(
        operated("a + b.T", BY_ROWS, BY_COLUMNS, seconds=0.2, replays=(measured(1.25),))
    )
    assert finding.severity is Severity.NOTE


@pytest.mark.parametrize("replay", [measured(1.03), measured(0.7), measured(1.0, 0.9, 1.4)])
def test_an_experiment_that_gains_nothing_silences_it(replay: Replay) -> None:
    assert found(operated("a + b.T", BY_ROWS, BY_COLUMNS, replays=(replay,))) == []


def test_an_experiment_on_a_busy_machine_tells_no_more_than_none() -> None:
    """Its interval holds 1, whatever its middle: a note, where the arrays alone are evidence."""
    noisy = measured(6.0, low=0.8)
    finding = finding_of(operated("a + b.T", BY_ROWS, BY_COLUMNS, replays=(noisy,)))
    assert finding.severity is Severity.NOTE
    small = np.zeros((300, 300))
    assert found(operated("a + b.T", small, small.T, replays=(noisy,))) == []


def test_a_hundredth_of_the_run_is_noise() -> None:
    slow = operated("a + b.T", BY_ROWS, BY_COLUMNS, seconds=0.009, replays=(measured(5.0),))
    assert found(slow) == []
    assert found(slow, seconds=0.5) != []


def test_one_operation_is_a_note_and_is_not_to_be_converted() -> None:
    finding = finding_of(
        operated("a + b.T", BY_ROWS, BY_COLUMNS, count=1, replays=(measured(3.0),))
    )
    assert finding.severity is Severity.NOTE
    assert finding.fix.code == ""
    assert "for this one operation" in finding.fix.text


@pytest.mark.parametrize(
    "arrays",
    [
        (BY_ROWS, BY_ROWS),
        (BY_COLUMNS, BY_COLUMNS),
        (BY_ROWS, np.zeros(1000)),
        (BY_ROWS, np.zeros((1000, 1))),
        (BY_COLUMNS, np.broadcast_to(np.zeros(1000), (1000, 1000))),
        (BY_ROWS, np.zeros((20, 20)).T),
        (np.zeros((1000, 2000))[:, ::2], BY_ROWS),
    ],
    ids=["both C", "both F", "a row", "a column", "broadcast", "tiny", "small steps"],
)
def test_operands_of_one_order_are_innocent(arrays: tuple[NDArray[Any], ...]) -> None:
    assert found(operated("a + b", *arrays, replays=(measured(3.0),))) == []


def test_exchanged_axes_are_another_order_too() -> None:
    cube = np.zeros((100, 100, 100))
    finding = finding_of(
        operated("a * b.swapaxes(0, 1)", cube, cube.swapaxes(0, 1), replays=(measured(2.0),))
    )
    assert "with its axes exchanged" in finding.cause


def test_far_elements_are_reported_only_when_an_experiment_confirms_it() -> None:
    far = np.zeros((8000, 800))[::8, ::8]
    reduced = operated("x[::8, ::8].sum()", far, operation="numpy.add.reduce")
    assert found(reduced) == []
    confirmed = msgspec.structs.replace(reduced, replays=[measured(6.0)])
    finding = finding_of(confirmed)
    assert "each of 8 bytes stands 64 bytes from the next" in finding.cause
    assert finding.severity is Severity.WARNING


def test_arrays_that_a_cache_may_hold_need_an_experiment() -> None:
    small = np.zeros((300, 300))
    assert found(operated("a + b.T", small, small.T)) == []
    assert found(operated("a + b.T", small, small.T, replays=(measured(2.0),))) != []


def test_an_operation_as_fast_as_memory_needs_an_experiment() -> None:
    """10 times 32 MB in 0.1 s are 3.2 GB/s."""
    quick = operated("a + b.T", BY_ROWS, BY_COLUMNS, seconds=0.1)
    assert found(quick, machine=Machine(bandwidth_read=4e9)) == []
    assert found(quick, machine=Machine(bandwidth_read=20e9)) != []


def test_records_of_one_line_are_one_finding() -> None:
    records = [
        operated("a + b.T", BY_ROWS, BY_COLUMNS, replays=(measured(3.0),)),
        operated("a + b.T", np.zeros((800, 800)), np.zeros((800, 800)).T, seconds=0.1),
        operated("c + d.T", BY_ROWS, BY_COLUMNS, line=11, replays=(measured(3.0),)),
    ]
    first, second = found(*records)
    assert [record.index for record in first.records] == [0, 1]
    assert [record.index for record in second.records] == [2]
    assert first.cost.seconds == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("expression", "position", "code"),
    [
        ("a += b.T", 1, "a += in_order"),
        ("np.maximum(a, b[:, ::-1].T, out=c)", 1, "np.maximum(a, in_order, out=c)"),
        ("a.T < b", 0, "in_order < b"),
        ("b.T.sum(axis=1)", 0, "in_order.sum(axis=1)"),
        ("np.sum(b.T, axis=1)", 0, "np.sum(in_order, axis=1)"),
        ("f(*arrays)", 1, ""),
        ("x +", 1, ""),
        ("", 1, ""),
    ],
)
def test_the_cure_is_the_line_with_the_operand_replaced(
    expression: str, position: int, code: str
) -> None:
    arrays = (BY_ROWS, BY_COLUMNS) if position == 1 else (BY_COLUMNS, BY_ROWS)
    output = BY_ROWS if position == 0 else None
    finding = finding_of(operated(expression, *arrays, output=output, replays=(measured(3.0),)))
    assert finding.fix.code.rpartition("\n")[2] == code
    ast.parse(finding.fix.code)


def test_it_is_part_of_an_analysis() -> None:
    trace = run(operated("a + b.T", BY_ROWS, BY_COLUMNS, replays=(measured(3.0),)))
    assert [finding.rule for finding in analyse(trace).findings] == ["IP205"]
