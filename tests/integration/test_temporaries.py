"""Intermediate results of expressions: exact counts and bytes, and no false alarm."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from extension_builder import build_cython

from interprobe.analysis import analyse
from interprobe.recorder import Recorder
from interprobe.trace import Temporary, Trace

N = 200_000
SIZE = N * 8
A, B, C, D = np.arange(1.0, N + 1), np.full(N, 2.0), np.full(N, 3.0), np.full(N, 4.0)
SMALL = np.ones(10_000)
OUT = np.empty(N)


def record(function: Callable[[], object]) -> Trace:
    recorder = Recorder(own_paths=[__file__])
    recorder.start()
    try:
        function()
    finally:
        trace = recorder.stop()
    return trace


def temporaries(function: Callable[[], object]) -> list[tuple[str, str, int, int]]:
    return [summary(each) for each in record(function).temporaries]


def summary(each: Temporary) -> tuple[str, str, int, int]:
    return (each.mechanism, each.site.expression, each.count, each.bytes)


def test_both_operands_of_a_difference() -> None:
    # The first product becomes the result: NumPy writes the difference into it.
    assert temporaries(lambda: A * B - C * D) == [("numpy.multiply", "C * D", 1, SIZE)]


def test_the_operand_of_a_function() -> None:
    found = temporaries(lambda: np.sqrt(A * B + C * D))
    assert sorted(found) == [
        ("numpy.multiply", "A * B", 1, SIZE),
        ("numpy.multiply", "C * D", 1, SIZE),
    ]


def test_a_loop_is_one_record() -> None:
    def work() -> None:
        for _ in range(7):
            np.sqrt(np.multiply(A, B))

    assert temporaries(work) == [("numpy.multiply", "np.multiply(A, B)", 7, 7 * SIZE)]


def test_small_temporaries_are_passed_over_and_medium_ones_are_not() -> None:
    # 80 kB: too small for NumPy to write the sum into it.
    assert temporaries(lambda: SMALL + SMALL * SMALL) == [
        ("numpy.multiply", "SMALL * SMALL", 1, 80_000)
    ]
    assert temporaries(lambda: SMALL[:8000] + SMALL[:8000] * SMALL[:8000]) == []


def test_comparisons() -> None:
    found = temporaries(lambda: (A > 1) & (B < 2))
    assert sorted(found) == [("numpy.greater", "A > 1", 1, N), ("numpy.less", "B < 2", 1, N)]


def test_a_large_result_of_small_operands() -> None:
    row, column = np.ones((1, 300)), np.ones((300, 1))
    found = temporaries(lambda: np.exp(row * column))
    assert found == [("numpy.multiply", "row * column", 1, 90_000 * 8)]


def test_counts_equal_those_of_the_allocator() -> None:
    """Every array that the expression allocates is a temporary, but for the one that is kept."""

    def work() -> None:
        kept = [np.sqrt(np.abs(A * B - C * D) / (A + B)) for _ in range(5)]
        assert len(kept) == 5

    trace = record(work)
    assert trace.memory.allocated_bytes == sum(each.bytes for each in trace.temporaries) + 5 * SIZE
    assert trace.memory.allocations == sum(each.count for each in trace.temporaries) + 5


def kept_in_a_variable() -> Any:
    product = A * B
    root = np.sqrt(product)
    product += root
    return product


def rebound() -> Any:
    value = A * B
    value = np.sqrt(value)
    value = value + 1
    return value


class Holder:
    def __init__(self) -> None:
        self.value = A * B


def product() -> Any:
    return A * B


NO_TEMPORARY: dict[str, Callable[[], object]] = {
    "one operation": lambda: [A + B, np.sqrt(A), A - 1, -A, A > 1],
    "an output given": lambda: np.add(A, B, out=OUT),
    "outputs all along": lambda: np.sqrt(np.multiply(A, B, out=OUT), out=OUT),
    "in place": lambda: np.add(OUT, A, OUT),
    "an elided temporary": lambda: A + B * C,
    "results with names": kept_in_a_variable,
    "a name used again": rebound,
    "an attribute": lambda: np.sqrt(Holder().__dict__["value"]),
    "a result of a function": lambda: np.sqrt(product()),
    "results in a list": lambda: [np.sqrt(each) for each in [A * B, C * D]],
    "a new array of another kind": lambda: np.sqrt(np.zeros(N)),
    "a copy": lambda: np.sqrt(A.copy()),
    "a reduction": lambda: np.sum(A * B),
}


@pytest.mark.parametrize("name", NO_TEMPORARY)
def test_what_is_no_temporary(name: str) -> None:
    assert temporaries(NO_TEMPORARY[name]) == []


def test_an_array_at_the_address_of_an_earlier_result_is_not_taken_for_it() -> None:
    def work() -> None:
        for _ in range(50):
            value = A * B
            del value
            np.sqrt(np.empty(N) if _ % 2 else np.zeros(N))

    assert temporaries(work) == []


def test_folding_a_list_makes_temporaries() -> None:
    found = temporaries(lambda: functools.reduce(np.add, [A, B, C, D]))
    assert [(each[0], each[2], each[3]) for each in found] == [("numpy.add", 2, 2 * SIZE)]


def test_variables_of_compiled_code_are_no_temporaries(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_cython("kept_results", tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    import kept_results  # type: ignore[import-not-found]

    expected = np.sqrt(A * B) + A * B
    results = []
    found = temporaries(lambda: results.append(kept_results.root_and_product(A, B)))
    assert np.array_equal(results[0], expected)
    assert found == []


def test_threads_are_counted_exactly() -> None:
    def work() -> None:
        for _ in range(20):
            np.sqrt(A * B)

    def run() -> None:
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert temporaries(run) == [("numpy.multiply", "A * B", 80, 80 * SIZE)]


def test_the_rule_reports_the_line() -> None:
    (finding,) = analyse(record(lambda: np.sqrt(A * B + C * D))).findings
    assert finding.rule == "IP108"
    assert "2 temporaries, 3.20 MB" in finding.cause
    assert [record.list for record in finding.records] == ["temporaries", "temporaries"]


def test_results_are_those_of_the_plain_run() -> None:
    expected = np.sqrt(A * B - C / D) * (A + B)
    results: list[Any] = []
    record(lambda: results.append(np.sqrt(A * B - C / D) * (A + B)))
    assert np.array_equal(results[0], expected)
