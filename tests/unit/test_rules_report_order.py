"""How analyse orders findings, and what a group of records costs."""

from __future__ import annotations

import numpy as np
import pytest
from trace_builder import argument, called, copied, retyped, strided, trace_of, transposed

from interprobe.analysis import analyse
from interprobe.findings import Severity
from interprobe.rules import ip102_order_mismatch as ip102
from interprobe.shares import measured_cost
from interprobe.trace import Copy


def _both_causes(**options: object) -> Copy:
    source = np.zeros((10, 20), np.float32).T
    result = np.zeros((20, 10))
    return copied("ext.f(x)", source, result, ["dtype", "C_CONTIGUOUS"], **options)  # type: ignore[arg-type]


def test_errors_come_first_then_the_largest_share() -> None:
    wrong = called("lib.f(x)", [argument(0, "POINTER(c_double)", np.zeros(9, np.float32))], line=1)
    trace = trace_of(
        strided(seconds=0.05, line=2), retyped(seconds=0.3, line=3), wrong, transposed(seconds=0.2)
    )
    findings = analyse(trace).findings
    assert [finding.rule for finding in findings] == ["IP301", "IP103", "IP102", "IP101"]
    severities = [finding.severity for finding in findings]
    assert severities == [Severity.ERROR, Severity.WARNING, Severity.WARNING, Severity.NOTE]


def test_findings_about_the_same_records_stay_together() -> None:
    trace = trace_of(
        _both_causes(seconds=0.2, line=1), retyped(seconds=0.2, line=2), strided(seconds=0.2)
    )
    found = [(finding.rule, finding.records[0].index) for finding in analyse(trace).findings]
    assert found == [("IP102", 0), ("IP103", 0), ("IP103", 1), ("IP101", 2)]


def test_both_causes_of_one_copy_share_records_cost_and_fix() -> None:
    order, dtype = analyse(trace_of(_both_causes())).findings
    assert order.records == dtype.records
    assert order.cost == dtype.cost
    assert order.fix == dtype.fix
    assert 'dtype=np.float64, order="C"' in order.fix.code


def test_analysing_again_replaces_the_findings() -> None:
    once = analyse(trace_of(transposed()))
    assert analyse(once) == once
    assert len(once.findings) == 1


def test_the_share_is_that_of_the_process_that_copied() -> None:
    trace = trace_of(transposed(process=1, seconds=0.5), seconds=2.0, processes=3)
    (finding,) = ip102.check(trace)
    assert finding.cost.share == pytest.approx(0.25)


def test_a_place_met_in_two_processes_is_one_finding_with_the_share_of_both() -> None:
    trace = trace_of(
        transposed(process=0, seconds=0.6),
        transposed(process=1, seconds=0.2),
        seconds=2.0,
        processes=2,
    )
    (finding,) = ip102.check(trace)
    assert finding.cost.seconds == pytest.approx(0.8)
    assert finding.cost.share == pytest.approx(0.2)


def test_two_records_of_one_process_share_its_time() -> None:
    trace = trace_of(transposed(seconds=0.3), transposed(seconds=0.1), seconds=2.0)
    (finding,) = ip102.check(trace)
    assert finding.cost.share == pytest.approx(0.2)


def test_threads_that_copy_at_once_cost_no_more_than_everything() -> None:
    assert measured_cost(trace_of(seconds=1.0), [0], 3.0, 10).share == 1.0


def test_a_process_without_time_has_no_share() -> None:
    assert measured_cost(trace_of(seconds=0.0), [0], 3.0, 10).share == 0.0


def test_the_costliest_record_speaks_for_its_group() -> None:
    small = copied(
        "np.asarray(x, float)",
        np.zeros(9, np.int32),
        np.zeros(9),
        ["dtype"],
        mechanism="numpy.asarray",
        seconds=0.01,
    )
    large = retyped("np.asarray(x, float)", seconds=0.4)
    (finding,) = analyse(trace_of(small, large)).findings
    assert "holds float32" in finding.cause
    assert "also from int32 (C)" in finding.evidence
    assert "72 bytes to 800 bytes" in finding.evidence
