"""IP101 non-contiguous-view and IP102 order-mismatch on hand-made traces."""

from __future__ import annotations

import numpy as np
import pytest
from trace_builder import copied, native_code, site, strided, trace_of, transposed

from interprobe.findings import Finding, Severity
from interprobe.rules import ip101_non_contiguous_view as ip101
from interprobe.rules import ip102_order_mismatch as ip102
from interprobe.trace import Copy


def _only(rule: object, *records: Copy) -> Finding:
    (finding,) = rule.check(trace_of(*records))  # type: ignore[attr-defined]
    return finding


def test_a_view_with_gaps_fires_ip101_and_no_ip102() -> None:
    trace = trace_of(strided())
    (finding,) = ip101.check(trace)
    assert not list(ip102.check(trace))
    assert finding.subject == "np.ascontiguousarray(a[:, ::2])"
    assert "`a[:, ::2]` takes every 2nd element of each row" in finding.cause
    assert "C order" in finding.cause
    assert "8.00 kB" in finding.cause
    assert "strides (160, 16)" in finding.evidence
    assert "asked for by np.ascontiguousarray" in finding.evidence


def test_a_fortran_ordered_matrix_fires_ip102_and_no_ip101() -> None:
    trace = trace_of(transposed())
    (finding,) = ip102.check(trace)
    assert not list(ip101.check(trace))
    assert "`field.T` is Fortran-ordered: its columns, not its rows" in finding.cause


def test_fortran_order_demanded_of_a_c_ordered_matrix_fires_ip102() -> None:
    matrix = np.zeros((30, 20))
    finding = _only(
        ip102,
        copied("np.asfortranarray(m)", matrix, np.asfortranarray(matrix), ["F_CONTIGUOUS"]),
    )
    assert "C-ordered: its rows, not its columns" in finding.cause
    assert finding.fix.code.startswith('m = np.empty(shape, dtype=np.float64, order="F")')


def test_the_cure_for_a_transpose_is_the_other_order_of_its_variable() -> None:
    fix = _only(ip102, transposed()).fix
    assert fix.code == (
        'field = np.empty(shape, dtype=np.float64, order="F")  # field.T is then in C order'
    )
    assert "Create `field` in Fortran order" in fix.text


def test_the_transpose_of_a_variable_made_as_advised_needs_no_copy() -> None:
    fix = _only(ip102, transposed()).fix
    names = {"np": np, "shape": (100, 20)}
    exec(fix.code, names)
    field = names["field"]
    assert isinstance(field, np.ndarray)
    assert np.shares_memory(np.ascontiguousarray(field.T), field)


def test_a_column_made_as_advised_needs_no_copy() -> None:
    table = np.zeros((50, 8))
    column = table[:, 3]
    record = copied("np.ascontiguousarray(table[:, 3])", column, column.copy(), ["C_CONTIGUOUS"])
    fix = _only(ip101, record).fix
    names = {"np": np, "shape": (50, 8)}
    exec(fix.code, names)
    table = names["table"]
    assert isinstance(table, np.ndarray)
    assert np.shares_memory(np.ascontiguousarray(table[:, 3]), table)


def test_one_axis_swapped_among_three_does_not_promise_the_reversed_order() -> None:
    cube = np.zeros((4, 5, 6), order="F")
    record = copied(
        "np.ascontiguousarray(np.swapaxes(cube, 0, 1))", cube, np.zeros((4, 5, 6)), ["C_CONTIGUOUS"]
    )
    fix = _only(ip102, record).fix
    assert fix.code.startswith('cube_part = np.empty(shape, dtype=np.float64, order="C")')
    assert "Create the array in C order" in fix.text


def test_copies_of_one_buffer_are_advised_to_be_made_once() -> None:
    once = _only(ip102, transposed(count=1)).fix
    of_several = _only(ip102, transposed(count=3)).fix
    often = _only(ip102, transposed(count=3, repeated=2)).fix
    assert "before the loop" not in once.text
    assert "before the loop" not in of_several.text
    assert "before the loop" in often.text
    assert "field_converted = np.ascontiguousarray(field.T)" in often.code


def test_native_code_that_asked_is_named() -> None:
    record = transposed(
        "ext.norm(field.T)", mechanism="PyArray_FromAny", native=native_code(), count=2, repeated=1
    )
    finding = _only(ip102, record)
    assert finding.cause.startswith("`field.T` is Fortran-ordered")
    assert "libfit.so (through PyArray_FromAny) asks for C order" in finding.cause
    assert "asked for by libfit.so" in finding.evidence
    assert "field_converted = np.ascontiguousarray(field.T)" in finding.fix.code


def test_an_array_made_inside_a_library_is_not_taken_for_an_argument() -> None:
    inside = site("np.asarray(X, order='C')", 44, "/usr/lib/python3/sklearn/base.py")
    finding = _only(ip102, transposed("model.fit(X)", mechanism="numpy.asarray", inside=inside))
    assert finding.cause.startswith("An array inside `model.fit(X)` is Fortran-ordered")
    assert finding.site == inside
    assert finding.user_site.expression == "model.fit(X)"


@pytest.mark.parametrize(
    ("view", "words"),
    [
        (np.zeros(100)[::-1], "runs backwards"),
        (np.zeros(100)[::3], "every 3rd element"),
        (np.zeros((100, 50))[:, 7], "every 50th element"),
        (np.zeros((100, 50))[:, :20], "each of its rows is 160 bytes long"),
        (np.zeros((100, 50), order="F")[:20], "each of its columns is 160 bytes long"),
        (np.zeros((100, 50), order="F")[::2], "every 2nd element of each column"),
        (np.zeros(100, dtype=[("a", "u1"), ("b", "f8")])["b"], "out of every 9 bytes"),
        (np.zeros((9, 9), dtype=[("a", "i4"), ("b", "f8")])["b"], "out of every 12 bytes"),
        (np.zeros((4, 5, 6)).transpose(1, 0, 2), "axes in another order"),
        (np.zeros((4, 8, 6))[:, ::2].transpose(1, 2, 0), "with gaps between its elements"),
    ],
)
def test_each_kind_of_gap_is_explained(view: np.ndarray, words: str) -> None:
    record = copied("np.ascontiguousarray(v)", view, np.ascontiguousarray(view), ["C_CONTIGUOUS"])
    assert words in _only(ip101, record).cause


def test_an_explicit_copy_is_no_finding() -> None:
    view = np.zeros((100, 20))[:, ::2]
    records = [
        copied("v.copy()", view, view.copy(), [], mechanism="ndarray.copy", explicit=True),
        strided(explicit=True),
        transposed(explicit=True),
    ]
    trace = trace_of(*records)
    assert not [*ip101.check(trace), *ip102.check(trace)]


def test_a_copy_of_unknown_cause_is_no_finding() -> None:
    view = np.zeros((100, 20))[:, ::2]
    trace = trace_of(copied("f(v)", view, view.copy(), [], mechanism="PyArray_NewCopy"))
    assert not [*ip101.check(trace), *ip102.check(trace)]


def test_a_strided_array_that_was_copied_for_its_dtype_is_no_contiguity_finding() -> None:
    view = np.zeros((100, 20), np.float32)[:, ::2]
    trace = trace_of(
        copied("v.astype(float)", view, view.astype(float), ["dtype"], kind="cast+strided")
    )
    assert not [*ip101.check(trace), *ip102.check(trace)]


def test_a_broadcast_array_is_no_non_contiguous_view() -> None:
    spread = np.broadcast_to(np.zeros(20), (100, 20))
    trace = trace_of(
        copied("np.ascontiguousarray(b)", spread, spread.copy(), ["C_CONTIGUOUS"], kind="broadcast")
    )
    assert not [*ip101.check(trace), *ip102.check(trace)]


def test_a_sequence_is_no_finding() -> None:
    trace = trace_of(
        copied("np.ascontiguousarray([1, 2])", None, np.zeros(2), ["C_CONTIGUOUS"], kind="sequence")
    )
    assert not [*ip101.check(trace), *ip102.check(trace)]


def test_an_axis_of_length_one_with_stride_zero_is_not_taken_for_a_broadcast() -> None:
    view = np.lib.stride_tricks.as_strided(np.zeros(100), shape=(1, 50), strides=(0, 16))
    assert list(
        ip101.check(
            trace_of(copied("np.ascontiguousarray(v)", view, view.copy(), ["C_CONTIGUOUS"]))
        )
    )


def test_severity_follows_the_measured_share() -> None:
    def severity(seconds: float) -> Severity:
        (finding,) = ip102.check(trace_of(transposed(seconds=seconds), seconds=1.0))
        return finding.severity

    assert severity(0.0999) is Severity.NOTE
    assert severity(0.1) is Severity.WARNING
