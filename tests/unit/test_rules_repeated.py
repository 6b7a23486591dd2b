"""IP107 repeated-conversion on hand-made traces."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from trace_builder import copied, site, trace_of, transposed

from interprobe.analysis import analyse
from interprobe.facts import Fact
from interprobe.findings import Finding, Severity
from interprobe.rules import ip107_repeated_conversion as ip107
from interprobe.trace import Copy


def _duplicate(expression: str = "np.array(x)", **options: Any) -> Copy:
    options = {
        "mechanism": "numpy.array",
        "kind": "duplicate",
        "explicit": True,
        "count": 10,
        "repeated": 9,
        **options,
    }
    return copied(expression, np.zeros(100), np.zeros(100), [], **options)


def _findings(*records: Copy, seconds: float = 1.0) -> list[Finding]:
    return list(ip107.check(trace_of(*records, seconds=seconds)))


def test_a_repeated_duplicate_fires() -> None:
    (finding,) = _findings(_duplicate())
    assert "`x` was copied 10 times by np.array, and 9 times" in finding.cause
    assert finding.evidence.startswith("9 of 10 copies, 7.20 kB in 450 ms")


def test_the_cost_is_that_of_the_repeats() -> None:
    (finding,) = _findings(_duplicate(seconds=0.5), seconds=2.0)
    assert finding.cost.seconds == pytest.approx(0.45)
    assert finding.cost.share == pytest.approx(0.225)
    assert finding.cost.bytes == 9 * 800


def test_severity_follows_the_share_of_the_repeats_not_of_all_copies() -> None:
    (note,) = _findings(_duplicate(seconds=0.11))
    (warning,) = _findings(_duplicate(seconds=0.112))
    assert (note.severity, warning.severity) == (Severity.NOTE, Severity.WARNING)


@pytest.mark.parametrize(("repeated", "fires"), [(0, False), (1, False), (2, True)])
def test_it_takes_two_repeats(repeated: int, fires: bool) -> None:
    assert bool(_findings(_duplicate(repeated=repeated))) is fires


@pytest.mark.parametrize(
    "mechanism",
    [
        "ndarray.__setitem__", "ndarray.copy", "ndarray.flatten", "ndarray.tobytes", "numpy.copy",
        "numpy.copyto",
    ],
)  # fmt: skip
def test_a_copy_asked_for_by_name_is_left_alone(mechanism: str) -> None:
    assert not _findings(_duplicate("f(x)", mechanism=mechanism))


@pytest.mark.parametrize(
    ("expression", "fires"),
    [
        ("np.array(x, copy=True)", False),
        ("x.astype(float, copy=True)", False),
        ("np.array(x, dtype=float)", True),
        ("np.array(x, subok=True)", True),
    ],
)
def test_copy_true_on_the_line_asks_by_name(expression: str, fires: bool) -> None:
    assert bool(_findings(_duplicate(expression))) is fires


def test_copy_true_inside_a_library_asks_by_name_too() -> None:
    inside = site("np.array(a, subok=True, copy=True)", 7)
    assert not _findings(_duplicate("np.nansum(x)", inside=inside))


def test_copies_to_work_in_cannot_be_kept() -> None:
    working = transposed("lib.solve(x)", count=5, repeated=4)
    assert _findings(working)
    assert not _findings(replace(working, facts=[Fact("copy_written")]))
    # f2py's intent(copy): the function gets one of whatever it is given.
    assert not _findings(replace(working, unmet=["OWNDATA", "F_CONTIGUOUS"]))


def test_writing_into_an_array_of_the_program_is_left_alone_but_a_conversion_is_not() -> None:
    written = _duplicate("f(x)", mechanism="PyArray_CopyInto")
    converted = transposed("f(x)", mechanism="PyArray_CopyInto", count=5, repeated=4)
    assert not _findings(written)
    assert len(_findings(converted)) == 1


@pytest.mark.parametrize(
    ("expression", "mechanism", "code"),
    [
        (
            'np.array(x, dtype=np.float64, order="C")',
            "numpy.array",
            'np.asarray(x, dtype=np.float64, order="C")',
        ),
        ("x.astype(np.float64)", "ndarray.astype", "x.astype(np.float64, copy=False)"),
        ("x.astype(np.float64,)", "ndarray.astype", "x.astype(np.float64, copy=False)"),
    ],
)
def test_a_copy_of_what_already_fits_is_cured_by_asking_for_no_copy(
    expression: str, mechanism: str, code: str
) -> None:
    (finding,) = _findings(_duplicate(expression, mechanism=mechanism))
    assert finding.fix.code == code
    x = np.zeros(3)
    assert np.shares_memory(eval(code, {"np": np, "x": x}), x)


@pytest.mark.parametrize("expression", ["np.array(x, ndmin=2)", "array(x)"])
def test_a_call_that_asarray_cannot_replace_is_taken_out_of_the_loop(expression: str) -> None:
    (finding,) = _findings(_duplicate(expression))
    assert finding.fix.code == f"x_converted = {expression}  # once, before the loop"


def test_a_conversion_by_native_code_is_done_once_before_the_loop() -> None:
    record = transposed("ext.norm(field.T)", mechanism="PyArray_FromAny", count=5, repeated=4)
    (finding,) = _findings(record)
    assert finding.fix.code == (
        "field_converted = np.ascontiguousarray(field.T)  # once, before the loop"
    )
    assert "`field_converted`" in finding.fix.text


def test_other_causes_of_the_record_stay_and_the_hoisting_fix_leads() -> None:
    trace = analyse(trace_of(transposed(count=10, repeated=9)))
    assert [finding.rule for finding in trace.findings] == ["IP107", "IP102"]


def test_a_few_repeats_among_many_copies_do_not_lead() -> None:
    trace = analyse(trace_of(transposed(count=1000, repeated=2)))
    assert [finding.rule for finding in trace.findings] == ["IP102", "IP107"]
    assert [finding.severity for finding in trace.findings] == [Severity.WARNING, Severity.NOTE]


def test_records_of_one_place_merge() -> None:
    (finding,) = _findings(_duplicate(count=4, repeated=3), _duplicate(count=6, repeated=5))
    assert [record.index for record in finding.records] == [0, 1]
    assert "copied 10 times" in finding.cause
    assert "8 times its memory" in finding.cause
