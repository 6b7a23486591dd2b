"""IP201 to IP204, slow layouts that copy nothing, on hand-made traces with replays."""

from __future__ import annotations

import ast
from types import ModuleType
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from trace_builder import argument, called, trace_of

from interprobe.analysis import analyse
from interprobe.findings import Finding, Severity
from interprobe.replays import Replay
from interprobe.rules import ip201_strided_access as ip201
from interprobe.rules import ip202_traversal_against_layout as ip202
from interprobe.rules import ip203_power_of_two_stride as ip203
from interprobe.rules import ip204_misaligned_access as ip204
from interprobe.trace import Call

TABLE = np.zeros((100_000, 32))
COLUMN = TABLE[:, 3]
MATRIX = np.zeros((300, 500))
CROWDED = np.zeros((300, 512))
MISALIGNED = np.zeros(13 + 80_000, np.uint8)[13:].view(np.float64)

RULES: dict[str, tuple[ModuleType, NDArray[Any]]] = {
    "contiguous": (ip201, COLUMN),
    "other-order": (ip202, MATRIX),
    "padded": (ip203, CROWDED),
    "aligned": (ip204, MISALIGNED),
}


def _replay(
    change: str,
    speedup: float | None = 4.0,
    low: float | None = 3.5,
    positions: tuple[int, ...] = (0,),
    reason: str | None = None,
) -> Replay:
    return Replay(
        change=change,
        positions=list(positions),
        passes=15 if speedup is not None else 0,
        as_is=0.004,
        changed=0.001,
        speedup=speedup,
        low=low,
        high=4.5 if speedup is not None else None,
        cache="warm",
        reason=reason,
    )


def _call(
    array: NDArray[Any],
    *replays: Replay,
    seconds: float = 0.4,
    count: int = 10,
    bytes_copied: int = 0,
    expression: str = "fit.total(x[:, 3])",
    binding: str = "Cython",
    others: tuple[NDArray[Any], ...] = (),
    role: str | None = None,
) -> Call:
    arguments = [argument(i, None, each) for i, each in enumerate((array, *others))]
    arguments[-1] = msgspec.structs.replace(arguments[-1], role=role)
    return msgspec.structs.replace(
        called(expression, arguments, count=count),
        binding=binding,
        seconds=seconds,
        seconds_self=seconds,
        bytes_copied=bytes_copied,
        replays=list(replays),
    )


def _found(*calls: Call, seconds: float = 1.0) -> list[Finding]:
    trace = trace_of(*calls, seconds=seconds)
    findings = [finding for rule, _ in RULES.values() for finding in rule.check(trace)]
    for finding in findings:
        ast.parse(finding.fix.code)
    return findings


@pytest.mark.parametrize("change", RULES)
def test_a_layout_that_was_measured_to_be_slow_is_a_warning(change: str) -> None:
    rule, array = RULES[change]
    (finding,) = _found(_call(array, _replay(change)))
    assert (finding.rule, finding.name) == (rule.CODE, rule.NAME)
    assert finding.severity is Severity.WARNING
    assert finding.cost.share == pytest.approx(0.3)
    assert "4 times as fast" in finding.cause
    assert "4.00 ms as it was, 1.00 ms with the change" in finding.evidence
    saving = finding.saving
    assert saving is not None
    assert (saving.method, saving.speedup, saving.low, saving.high) == ("measured", 4.0, 3.5, 4.5)
    assert saving.seconds == pytest.approx(0.3)


@pytest.mark.parametrize("change", RULES)
def test_what_gains_a_small_share_of_the_run_is_a_note_and_noise_is_nothing(change: str) -> None:
    _, array = RULES[change]
    (finding,) = _found(_call(array, _replay(change)), seconds=10.0)
    assert finding.severity is Severity.NOTE
    assert _found(_call(array, _replay(change)), seconds=100.0) == []


@pytest.mark.parametrize("change", RULES)
@pytest.mark.parametrize(
    ("speedup", "low"), [(1.0, 0.9), (4.0, 1.0), (1.04, 1.03), (1.5, 1.05), (0.2, 0.1)]
)
def test_a_gain_that_is_not_sure_is_no_finding(change: str, speedup: float, low: float) -> None:
    _, array = RULES[change]
    assert _found(_call(array, _replay(change, speedup, low))) == []


@pytest.mark.parametrize("change", ["other-order", "padded", "aligned"])
@pytest.mark.parametrize("replays", [[], [None]])
def test_what_only_a_measurement_shows_is_not_suspected(change: str, replays: list[None]) -> None:
    _, array = RULES[change]
    failed = [_replay(change, None, None, reason="guard mode is on") for _ in replays]
    assert _found(_call(array, *failed)) == []


@pytest.mark.parametrize("change", RULES)
def test_a_gain_by_a_conversion_that_falls_away_is_none_of_the_layout(change: str) -> None:
    _, array = RULES[change]
    converts = _call(array, _replay(change), bytes_copied=10 * array.nbytes)
    assert _found(converts) == []
    aside = _call(array, _replay(change), bytes_copied=array.nbytes // 10)
    assert len(_found(aside)) == 1


@pytest.mark.parametrize("change", RULES)
def test_what_new_memory_gains_by_itself_is_taken_off(change: str) -> None:
    _, array = RULES[change]
    control = _replay("same-layout", 2.0, 1.9)
    (finding,) = _found(_call(array, _replay(change), control))
    assert finding.saving is not None
    assert (finding.saving.speedup, finding.saving.low) == (2.0, 1.75)
    assert "2.00 ms as it was, 1.00 ms with the change: 2 times as fast" in finding.evidence
    assert _found(_call(array, _replay(change), _replay("same-layout", 3.9, 3.0))) == []
    slower = _replay("same-layout", 0.5, 0.4)
    (finding,) = _found(_call(array, _replay(change), slower))
    assert finding.saving is not None
    assert finding.saving.speedup == 4.0


def test_the_change_that_gains_most_is_the_cause() -> None:
    column = np.zeros((300, 512))[:, :200]
    replays = [_replay("padded", 6.0, 5.0), _replay("other-order", 2.0, 1.8)]
    assert [finding.rule for finding in _found(_call(column, *replays))] == ["IP203"]
    replays = [_replay("padded", 2.0, 1.8), _replay("other-order", 6.0, 5.0)]
    assert [finding.rule for finding in _found(_call(column, *replays))] == ["IP202"]


def test_of_changes_that_gain_alike_the_one_that_a_reader_sees_is_the_cause() -> None:
    replays = [_replay("padded", 4.9, 4.0), _replay("other-order", 4.7, 4.0)]
    assert [finding.rule for finding in _found(_call(CROWDED, *replays))] == ["IP202"]
    replays = [_replay("aligned", 8.0, 6.0), _replay("contiguous", 7.5, 6.0)]
    assert [finding.rule for finding in _found(_call(COLUMN, *replays))] == ["IP201"]


def test_gaps_are_told_with_what_is_fetched_for_nothing() -> None:
    (finding,) = _found(_call(COLUMN, _replay("contiguous")))
    assert "takes every 32nd element of a larger array" in finding.cause
    assert "for 800 kB of numbers the function fetches 6.40 MB, and uses 12.5% of it" in (
        finding.cause
    )
    assert finding.fix.code == "contiguous = np.ascontiguousarray(x[:, 3])"


def test_gaps_between_columns_keep_their_order() -> None:
    columns_first = np.asfortranarray(np.zeros((64, 4000)))[::8]
    (finding,) = _found(_call(columns_first, _replay("contiguous"), expression="fit.total(a + b)"))
    assert finding.fix.code == 'contiguous = (a + b).copy(order="K")'


def test_an_output_is_copied_back() -> None:
    call = _call(COLUMN, _replay("contiguous"), role="output")
    (finding,) = _found(call)
    assert finding.fix.code.splitlines() == [
        "contiguous = np.ascontiguousarray(x[:, 3])",
        "x[:, 3][...] = contiguous  # after the call: it writes there",
    ]


@pytest.mark.parametrize(
    ("matrix", "said", "code"),
    [
        (MATRIX, "in C order: the elements of a row are neighbours", "m = np.asfortranarray(m)"),
        (
            np.asfortranarray(MATRIX),
            "in Fortran order: the elements of a column are neighbours",
            "m = np.ascontiguousarray(m)",
        ),
        (
            np.zeros((30, 40, 50)).transpose(0, 2, 1),
            "with its axes in neither C nor Fortran order",
            "m = np.ascontiguousarray(m)",
        ),
    ],
)
def test_the_order_that_was_tried_is_the_cure(
    matrix: NDArray[np.float64], said: str, code: str
) -> None:
    (finding,) = _found(_call(matrix, _replay("other-order"), expression="fit.total(m)"))
    assert said in finding.cause
    assert finding.fix.code == code


def test_all_arrays_that_were_replaced_are_in_the_fix() -> None:
    call = _call(
        MATRIX,
        _replay("other-order", positions=(0, 1)),
        others=(np.zeros((400, 500)),),
        expression="fit.scale(m, out)",
        role="output",
    )
    (finding,) = _found(call)
    assert finding.cause.startswith("Argument 2 of total (and 1 other) is `out`")
    assert finding.fix.code.splitlines() == [
        "out = np.asfortranarray(out)",
        "m = np.asfortranarray(m)",
    ]


def test_crowded_rows_are_told_with_their_sets_and_the_fix_makes_room() -> None:
    (finding,) = _found(_call(CROWDED, _replay("padded"), expression="fit.total(m)"))
    assert "whose rows start 4,096 bytes apart" in finding.cause
    assert "the 300 elements across all rows meet 1 set" in finding.cause
    names: dict[str, Any] = {"np": np, "m": CROWDED}
    exec(finding.fix.code, names)
    assert names["m"].shape == CROWDED.shape
    assert names["m"].strides == (4160, 8)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((40, 64, 512)),
        np.asfortranarray(np.zeros((512, 64, 40))),
        np.zeros((100, 1024), np.complex128),
        np.zeros((100, 4096), np.uint8),
        np.zeros((300, 2, 1024))[:, 0],
        np.zeros((64, 1, 256)),
    ],
)
def test_the_fix_leaves_no_step_of_a_power_of_two(array: NDArray[Any]) -> None:
    (finding,) = _found(_call(array, _replay("padded"), expression="fit.total(m)"))
    names: dict[str, Any] = {"np": np, "m": array}
    exec(finding.fix.code, names)
    made = names["m"]
    assert (made.shape, made.dtype) == (array.shape, array.dtype)
    steps = [step for length, step in zip(made.shape, made.strides, strict=True) if length > 1]
    assert all(step % 2048 != 0 for step in steps)
    assert sorted(steps) == (steps if steps[0] < steps[-1] else steps[::-1])


def test_elements_of_packed_records_are_told_by_their_step() -> None:
    packed = np.zeros(10_000, [("kind", "i4"), ("value", "f8")])["value"]
    (finding,) = _found(_call(packed, _replay("aligned"), expression='fit.total(p["value"])'))
    assert "they lie 12 bytes apart, which is no multiple of 8" in finding.cause
    assert finding.fix.code == 'aligned = (p["value"]).copy()'
    assert _found(_call(np.zeros(10_000), _replay("aligned"))) == []


# --- where nothing was measured

LARGE = np.broadcast_to(np.zeros(1), (2**20, 32)).copy()[:, 3]


def _suspected(**options: Any) -> list[Finding]:
    return _found(_call(LARGE, **{"seconds": 0.15, **options}))


def test_large_gaps_that_could_not_be_measured_are_a_note_that_says_so() -> None:
    failed = _replay("contiguous", None, None, reason="guard mode is on")
    for replays, reason in (((), "was not repeated"), ((failed,), "guard mode is on")):
        (finding,) = _found(_call(LARGE, *replays, seconds=0.15))
        assert finding.severity is Severity.NOTE
        assert "is not confirmed: " in finding.cause
        assert reason in finding.cause
        assert finding.cost.share == 0.0
        assert finding.saving is not None
        assert finding.saving.method == "not measured"


@pytest.mark.parametrize(
    "options",
    [
        {"binding": "ctypes"},
        {"bytes_copied": 8},
        {"seconds": 0.09},  # a small part of the run
        {"seconds": 0.9},  # longer than fetching takes: it computes
        {"count": 1_000_000},  # shorter: it does not read all
    ],
)
def test_gaps_that_explain_little_are_not_suspected(options: dict[str, Any]) -> None:
    assert len(_suspected()) == 1
    assert _suspected(**options) == []


def test_measured_gaps_that_gain_nothing_are_not_suspected() -> None:
    assert _found(_call(LARGE, _replay("contiguous", 1.0, 0.95), seconds=0.15)) == []


def test_small_or_dense_arrays_are_not_suspected() -> None:
    assert _found(_call(COLUMN[:1000], seconds=0.15)) == []
    assert _found(_call(np.zeros(2**23)[::2], seconds=0.15)) == []


def test_the_findings_are_those_of_the_analysis() -> None:
    trace = analyse(trace_of(_call(COLUMN, _replay("contiguous"))))
    assert [finding.rule for finding in trace.findings] == ["IP201"]
