"""Operations of NumPy's own over mixed orders: booked where they are slow, and only there."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from interprobe.analysis import analyse
from interprobe.recorder import Recorder
from interprobe.trace import Operation, Trace
from interprobe.what_if import WhatIf

ROWS, COLUMNS = 1024, 2048
NBYTES = ROWS * COLUMNS * 8
BY_ROWS = np.arange(ROWS * COLUMNS, dtype=np.float64).reshape(ROWS, COLUMNS)
OTHER = np.ones((ROWS, COLUMNS))
TURNED = np.ones((COLUMNS, ROWS))
OUT = np.empty((ROWS, COLUMNS))


def record(function: Callable[[], object], what_if: WhatIf = "off") -> Trace:
    recorder = Recorder(own_paths=[__file__], what_if=what_if)
    recorder.start()
    try:
        function()
    finally:
        trace = recorder.stop()
    return trace


def operations(function: Callable[[], object]) -> list[Operation]:
    return record(function).operations


def test_a_loop_over_mixed_orders_is_one_record_with_both_layouts() -> None:
    def work() -> None:
        for _ in range(5):
            np.add(BY_ROWS, TURNED.T, out=OUT)

    (found,) = operations(work)
    assert found.operation == "numpy.add"
    assert found.user_site.expression == "np.add(BY_ROWS, TURNED.T, out=OUT)"
    assert [layout.order for layout in found.operands] == ["C", "F", "C"]
    assert [layout.strides for layout in found.operands] == [
        [COLUMNS * 8, 8],
        [8, ROWS * 8],
        [COLUMNS * 8, 8],
    ]
    assert found.positions == [0, 1, -1]
    assert (found.count, found.bytes) == (5, 5 * 3 * NBYTES)
    assert found.seconds > 0


def test_operators_and_operations_in_place_are_seen() -> None:
    target = BY_ROWS.copy()

    def work() -> None:
        nonlocal target
        BY_ROWS * TURNED.T
        target -= TURNED.T
        BY_ROWS < TURNED.T  # noqa: B015 - what is compared does not matter

    found = operations(work)
    assert [each.operation for each in found] == ["numpy.multiply", "numpy.subtract", "numpy.less"]
    assert [each.positions for each in found] == [[0, 1], [0, 1, -1], [0, 1]]


def test_reductions_over_far_elements_are_seen_under_their_own_name() -> None:
    (found,) = operations(lambda: [BY_ROWS[::1, ::8].sum()])
    assert found.operation == "numpy.add.reduce"
    assert found.user_site.expression == "BY_ROWS[::1, ::8].sum()"
    assert found.site != found.user_site
    assert [layout.strides for layout in found.operands] == [[COLUMNS * 8, 64]]


@pytest.mark.parametrize(
    "function",
    [
        lambda: BY_ROWS + OTHER,
        lambda: BY_ROWS.T + OTHER.T,
        lambda: BY_ROWS.sum(axis=0),
        lambda: BY_ROWS.T.sum(axis=0),
        lambda: BY_ROWS + np.ones((ROWS, 1)),
        lambda: BY_ROWS.T + 1.0,
        lambda: np.exp(OTHER.T, out=np.empty((ROWS, COLUMNS)).T),
        lambda: BY_ROWS[:50, :50] + TURNED[:50, :50].T,
        lambda: BY_ROWS[::2] + OTHER[::2],
    ],
    ids=[
        "C", "F", "sum of C", "sum of F", "column", "scalar", "F to F", "small", "rows with gaps"
    ],
)  # fmt: skip
def test_operands_of_one_order_leave_no_record(function: Callable[[], object]) -> None:
    assert operations(function) == []


def test_an_operation_that_raises_leaves_no_record_and_its_exception() -> None:
    def work() -> None:
        with pytest.raises(ValueError, match="broadcast"):
            BY_ROWS + TURNED.T[:5]

    assert operations(work) == []


def test_references_and_results_are_as_without_a_recorder() -> None:
    left, right = BY_ROWS.copy(), TURNED.T
    before = sys.getrefcount(left), sys.getrefcount(right)
    results: list[Any] = []

    def work() -> None:
        results.extend((left + right, np.divmod(left, right), np.add.reduce(right, axis=0)))

    record(work, "all")
    assert (sys.getrefcount(left), sys.getrefcount(right)) == before
    assert np.array_equal(results[0], left + right)
    assert all(
        np.array_equal(*pair) for pair in zip(results[1], np.divmod(left, right), strict=True)
    )
    assert [sys.getrefcount(result) for result in results] == [
        sys.getrefcount(result) for result in [object(), (), object()]
    ] or all(sys.getrefcount(result) < 4 for result in results)


def test_threads_book_into_one_record() -> None:
    def work() -> None:
        def add() -> None:
            for _ in range(3):
                BY_ROWS + TURNED.T

        threads = [threading.Thread(target=add) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    (found,) = operations(work)
    assert found.count == 9


class Overriding(np.ndarray):
    """An array whose class takes over its ufuncs."""

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        plain = [np.asarray(each) for each in inputs]
        return ufunc, method, getattr(ufunc, method)(*plain, **options)


def test_a_class_that_takes_over_ufuncs_gets_and_gives_what_it_wants() -> None:
    ours = BY_ROWS.view(Overriding)
    results: list[Any] = []
    record(lambda: results.append(ours + TURNED.T), "all")
    ufunc, method, values = results[0]
    assert (ufunc, method) == (np.add, "__call__")
    assert np.array_equal(values, BY_ROWS + TURNED.T)


def findings_of(function: Callable[[], object]) -> list[str]:
    return [finding.rule for finding in analyse(record(function, "all")).findings]


def test_a_transposed_operand_in_a_loop_is_found_and_its_gain_measured() -> None:
    def bad() -> None:
        for _ in range(12):
            np.add(BY_ROWS, TURNED.T, out=OUT)

    trace = analyse(record(bad, "all"))  # whatever other tests of this process have spent
    assert [finding.rule for finding in trace.findings] == ["IP205"]
    (found,) = trace.operations
    (replay,) = found.replays
    assert (replay.change, replay.positions) == ("same-order", [1])
    assert replay.reason is None
    assert replay.speedup is not None
    assert replay.speedup > 1.2  # here some 8


def test_the_same_in_one_order_is_silent() -> None:
    def good() -> None:
        by_rows = np.ascontiguousarray(TURNED.T)
        for _ in range(12):
            np.add(BY_ROWS, by_rows, out=OUT)

    assert "IP205" not in findings_of(good)


def test_the_columns_of_a_matrix_one_by_one_are_silent() -> None:
    """Each is far elements, but too few to take 100 us."""
    assert "IP205" not in findings_of(lambda: [BY_ROWS[:, k].sum() for k in range(200)])


def test_arithmetic_that_outweighs_its_memory_is_silent() -> None:
    """np.arctan2 takes some 20 ns for an element, in whatever order they come."""

    def work() -> None:
        small, turned = BY_ROWS[:128, :128], TURNED[:128, :128].T
        for _ in range(60):
            np.arctan2(small, turned)

    trace = analyse(record(work, "all"))
    confirmed = [
        replay
        for operation in trace.operations
        for replay in operation.replays
        if (replay.speedup or 0) >= 1.05 and (replay.low or 0) > 1
    ]
    assert confirmed or [finding.rule for finding in trace.findings] == []
