"""IP110 sequence-conversion on hand-made traces."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from trace_builder import copied, native_code, strided, trace_of

from interprobe.analysis import analyse
from interprobe.findings import Finding, Severity
from interprobe.rules import ip110_sequence_conversion as ip110
from interprobe.trace import Copy


def _converted(expression: str = "np.asarray(values)", **options: Any) -> Copy:
    elements = options.pop("elements", 1000)
    options = {"mechanism": "numpy.asarray", "kind": "sequence", **options}
    return copied(expression, None, np.zeros(elements), [], **options)


def _findings(*records: Copy, seconds: float = 1.0) -> list[Finding]:
    return list(ip110.check(trace_of(*records, seconds=seconds)))


def test_a_list_converted_in_a_loop() -> None:
    (finding,) = _findings(_converted(count=10, repeated=9, seconds=0.2))
    assert finding.cause == (
        "`values` is a Python sequence. np.asarray wants an array, so NumPy looked at every item "
        "(1,000 of them) and wrote 8.00 kB, 10 times. 9 times it held the same numbers as before."
    )
    assert (
        finding.fix.code == "values = np.array(values, dtype=np.float64)  # once, before the loop"
    )
    assert finding.cost.share == pytest.approx(0.2)
    assert finding.severity is Severity.WARNING


def test_a_list_given_to_native_code_names_the_library() -> None:
    record = _converted("fit.total(values)", mechanism="PyArray_FromAny", native=native_code())
    (finding,) = _findings(record)
    assert "libfit.so (through PyArray_FromAny) wants an array" in finding.cause
    assert "`values` is a Python sequence" in finding.cause


def test_small_lists_made_in_a_loop_are_cured_by_one_array() -> None:
    (finding,) = _findings(_converted("np.array([a, b, c])", elements=3, count=100_000))
    assert finding.cause.startswith("What is converted in `np.array([a, b, c])` is a Python")
    assert finding.fix.code.startswith("work = np.empty((3,), dtype=np.float64)")


@pytest.mark.parametrize(("seconds", "fires"), [(0.009, False), (0.011, True)])
def test_a_small_list_counts_from_a_hundredth_of_the_run(seconds: float, fires: bool) -> None:
    assert bool(_findings(_converted(seconds=seconds))) is fires


@pytest.mark.parametrize(("elements", "fires"), [(124_999, False), (125_000, True)])
def test_a_large_list_counts_from_a_megabyte(elements: int, fires: bool) -> None:
    assert bool(_findings(_converted(elements=elements, seconds=0.0))) is fires


def test_records_of_one_place_are_one_finding() -> None:
    (finding,) = _findings(_converted(count=2), _converted(count=3))
    assert [record.index for record in finding.records] == [0, 1]
    assert "5 times" in finding.cause


def test_copies_of_arrays_are_left_alone() -> None:
    assert not _findings(strided())


def test_no_other_rule_speaks_of_a_sequence() -> None:
    trace = analyse(trace_of(_converted(count=10, repeated=9)))
    assert [finding.rule for finding in trace.findings] == ["IP110"]
