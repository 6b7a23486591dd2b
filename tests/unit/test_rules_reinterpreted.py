"""IP301 dtype-reinterpreted on hand-made traces."""

from __future__ import annotations

import ctypes
from typing import Any

import msgspec
import numpy as np
import pytest
from trace_builder import argument, called, trace_of

from interprobe.findings import Finding, Severity
from interprobe.rules import ip301_dtype_reinterpreted as ip301
from interprobe.trace import Argument, Call

EXPRESSION = "lib.total(x.ctypes.data_as(DP), x.size)"


def _findings(*arguments: Argument, expression: str = EXPRESSION) -> list[Finding]:
    return list(ip301.check(trace_of(called(expression, list(arguments)))))


def _given(declared: str, dtype: str, shape: Any = 100) -> list[Finding]:
    return _findings(argument(0, declared, np.zeros(shape, dtype)))


@pytest.mark.parametrize(
    ("declared", "dtype"),
    [
        ("POINTER(c_double)", "float32"),
        ("POINTER(c_float)", "float64"),
        ("POINTER(c_double)", "int64"),
        ("POINTER(c_long)", "float64"),
        ("POINTER(c_int)", "int64"),
        ("POINTER(c_longlong)", "int32"),
        ("POINTER(c_float)", "int32"),
        ("POINTER(c_double)", "uint8"),
        ("POINTER(c_double)", "bool"),
        ("POINTER(c_double)", "float16"),
        ("POINTER(c_longdouble)", "float64"),
        ("POINTER(c_float)", "complex128"),
        ("POINTER(c_double)", "complex64"),
        ("POINTER(c_double_complex)", "complex64"),
        ("POINTER(c_double)", "datetime64[ns]"),
        ("POINTER(c_int)", "timedelta64[s]"),
        ("LP_c_double", "float32"),
        ("c_double_Array_4", "float32"),
        ("c_double_Array_4_Array_3", "float32"),
        ("POINTER(c_double_Array_4)", "float32"),
        ("POINTER(c_double * 4)", "float32"),
        ("ndpointer_<f8_2d_C_CONTIGUOUS", "float32"),
        ("ndpointer(dtype=float64, ndim=1)", "float32"),
    ],
)
def test_an_element_of_another_kind_or_size_is_an_error(declared: str, dtype: str) -> None:
    (finding,) = _given(declared, dtype)
    assert finding.severity is Severity.ERROR
    assert finding.subject == "total"


@pytest.mark.parametrize(
    ("declared", "dtype"),
    [
        ("POINTER(c_double)", "float64"),
        ("POINTER(c_float)", "float32"),
        ("POINTER(c_longdouble)", "longdouble"),
        ("POINTER(c_int)", "uint32"),
        ("POINTER(c_ulong)", "int64"),
        ("POINTER(c_long)", "int64"),
        ("POINTER(c_longlong)", "int64"),
        ("POINTER(c_size_t)", "int64"),
        ("POINTER(c_bool)", "bool"),
        ("POINTER(c_bool)", "uint8"),
        ("POINTER(c_ubyte)", "bool"),
        ("POINTER(c_ubyte)", "float64"),
        ("POINTER(c_byte)", "float64"),
        ("POINTER(c_char)", "float64"),
        ("POINTER(c_uint8)", "float64"),
        ("c_void_p", "float64"),
        ("c_char_p", "float64"),
        ("py_object", "float64"),
        ("c_ulong", "float64"),
        ("c_double", "float32"),
        ("POINTER(POINTER(c_double))", "uint64"),
        ("POINTER(Vector)", "float64"),
        ("Vector_Array_3", "float64"),
        ("POINTER(c_double)", "complex128"),
        ("POINTER(c_float)", "complex64"),
        ("POINTER(c_double_complex)", "float64"),
        ("POINTER(c_long)", "datetime64[ns]"),
        ("POINTER(c_long)", "timedelta64[us]"),
        ("POINTER(c_ushort)", "float16"),
        ("POINTER(c_double)", "f8,f8"),
        ("POINTER(c_double)", "S8"),
        ("POINTER(c_double)", ">f8"),
        ("ndpointer_<f8_2d_C_CONTIGUOUS", "float64"),
        ("ndpointer_<c16", "complex128"),
        ("ndpointer_any", "float64"),
        ("ndpointer_|u1", "float64"),
        ("", "float64"),
        ("POINTER()", "float64"),
    ],
)
def test_what_c_reads_rightly_or_on_purpose_is_no_finding(declared: str, dtype: str) -> None:
    assert not _given(declared, dtype)


def test_ctypes_own_names_are_understood() -> None:
    for type_ in (ctypes.c_double, ctypes.c_int64, ctypes.c_uint16, ctypes.c_size_t):
        array = np.zeros(100, np.dtype(type_))
        names = [ctypes.POINTER(type_).__name__, (type_ * 4).__name__, (type_ * 4 * 2).__name__]
        for name in names:
            assert not _findings(argument(0, name, array)), name
            assert _findings(argument(0, name, array.astype(np.float32))), name


def test_ndpointers_own_names_are_understood() -> None:
    for flags in (None, "C_CONTIGUOUS"):
        name = np.ctypeslib.ndpointer(np.float64, 1, flags=flags).__name__
        assert not _given(name, "float64")
        assert _given(name, "float32")


def test_an_odd_number_of_floats_makes_no_complex_numbers() -> None:
    assert not _given("POINTER(c_double_complex)", "float64", 100)
    assert _given("POINTER(c_double_complex)", "float64", 101)


def test_an_empty_array_and_an_unknown_array_are_no_findings() -> None:
    assert not _given("POINTER(c_double)", "float32", 0)
    assert not _findings(argument(0, "POINTER(c_double)", None))
    assert not _findings(argument(0, None, np.zeros(9, np.float32)))


def test_larger_elements_are_told_to_run_past_the_end() -> None:
    (finding,) = _given("POINTER(c_double)", "float32")
    assert "`x` holds float32" in finding.cause
    assert "C takes 8 bytes for each element where the array has 4" in finding.cause
    assert "400 bytes past the array's end" in finding.cause
    assert "ones reads as 0.0078125" in finding.cause
    assert "1 call of total in libfit.so" in finding.evidence


def test_the_quoted_misreading_is_what_c_really_reads() -> None:
    ones = np.ones(4, np.float32)
    read = ones.ctypes.data_as(ctypes.POINTER(ctypes.c_double))[0]
    (finding,) = _given("POINTER(c_double)", "float32")
    assert f"reads as {read:.6g}," in finding.cause


def test_smaller_elements_are_told_to_end_early() -> None:
    (finding,) = _given("POINTER(c_float)", "float64")
    assert "C takes 4 bytes for each element where the array has 8" in finding.cause
    assert "end halfway through it" in finding.cause
    assert "past the array's end" not in finding.cause


def test_elements_of_one_size_are_told_to_be_other_bits() -> None:
    (finding,) = _given("POINTER(c_double)", "int64")
    assert "Both take 8 bytes" in finding.cause
    assert "the bits of an integer as a floating-point number" in finding.cause


def test_without_a_prototype_either_side_may_be_wrong() -> None:
    (finding,) = _given("POINTER(c_double)", "float32")
    assert "Either the array or the declaration is wrong" in finding.cause
    assert finding.fix.code.splitlines() == [
        "x = np.ascontiguousarray(x, dtype=np.float64)  # if C takes what is declared",
        "x.ctypes.data_as(ctypes.POINTER(ctypes.c_float))  # if C takes float32",
    ]


def _with_prototype(true: str) -> Finding:
    array = np.zeros(100, np.float32)
    (finding,) = _findings(argument(0, "POINTER(c_double)", array, true))
    return finding


@pytest.mark.parametrize("true", ["double *", "const double *restrict x", "double [4]"])
def test_a_prototype_that_agrees_with_the_declaration_blames_the_array(true: str) -> None:
    finding = _with_prototype(true)
    assert f"prototype says `{true}`: it is the array that is wrong" in finding.cause
    assert finding.fix.code == "x = np.ascontiguousarray(x, dtype=np.float64)"


def test_a_prototype_that_agrees_with_the_array_blames_the_declaration() -> None:
    finding = _with_prototype("const float *")
    assert "it is the declaration that is wrong" in finding.cause
    assert "past the array's end" not in finding.cause
    assert finding.fix.code == "x.ctypes.data_as(ctypes.POINTER(ctypes.c_float))"


def test_a_prototype_that_agrees_with_neither_blames_both() -> None:
    finding = _with_prototype("unsigned long *")
    assert "both the array and the declaration are wrong" in finding.cause
    assert finding.fix.code.splitlines() == [
        "x = np.ascontiguousarray(x, dtype=np.uint64)",
        "x.ctypes.data_as(ctypes.POINTER(ctypes.c_uint64))",
    ]


@pytest.mark.parametrize("true", ["void *", "struct vector *", "double **", "float"])
def test_a_prototype_that_names_no_element_decides_nothing(true: str) -> None:
    finding = _with_prototype(true)
    assert f"prototype says only `{true}`" in finding.cause


@pytest.mark.parametrize(
    "expression", ["lib.total(pointer, n)", "lib.total(*arguments)", "total", "", "lib.total("]
)
def test_an_array_that_the_line_does_not_show_is_not_guessed(expression: str) -> None:
    array = np.zeros(100, np.float32)
    (finding,) = _findings(argument(0, "POINTER(c_double)", array), expression=expression)
    assert "the array behind it holds float32" in finding.cause
    assert finding.fix.code.startswith("array_1 = np.ascontiguousarray(array_1")


def test_every_wrong_argument_of_a_call_is_in_one_finding() -> None:
    single, whole = np.zeros(9, np.float32), np.zeros(9)
    expression = "lib.axpy(a.ctypes.data_as(DP), b.ctypes.data_as(DP), c.ctypes.data_as(DP))"
    (finding,) = _findings(
        argument(0, "POINTER(c_double)", single),
        argument(1, "POINTER(c_double)", whole),
        argument(2, "POINTER(c_double)", single, name="out"),
        expression=expression,
    )
    assert "`a` holds float32" in finding.cause
    assert "Argument 3 (out) of total" in finding.cause
    assert "`b`" not in finding.cause


def _wrong_call(**options: Any) -> Call:
    array = np.zeros(9, np.float32)
    return called(EXPRESSION, [argument(0, "POINTER(c_double)", array)], **options)


def test_calls_of_one_place_merge_and_others_do_not() -> None:
    trace = trace_of(
        _wrong_call(count=2),
        called(EXPRESSION, [argument(0, "POINTER(c_double)", np.zeros(9))]),
        _wrong_call(count=3),
        _wrong_call(line=11),
        _wrong_call(function="mean"),
        _wrong_call(library="/other.so"),
    )
    findings = list(ip301.check(trace))
    indices = [[record.index for record in finding.records] for finding in findings]
    assert indices == [[0, 2], [3], [4], [5]]
    assert {record.list for record in findings[0].records} == {"calls"}
    assert findings[0].evidence.startswith("5 calls of total")
    assert findings[0].cause.count("Argument 1") == 1


def test_an_error_stays_an_error_however_little_time_it_takes() -> None:
    (finding,) = ip301.check(trace_of(_wrong_call(), seconds=1e6))
    assert finding.severity is Severity.ERROR
    assert finding.cost.share == 0.0


def _through_cffi(declared: str, dtype: str, expression: str) -> list[Finding]:
    call = called(expression, [argument(0, declared, np.zeros(100, dtype))])
    return list(ip301.check(trace_of(msgspec.structs.replace(call, binding="cffi"))))


@pytest.mark.parametrize(
    ("declared", "dtype"),
    [
        ("double *", "float32"),
        ("float *", "float64"),
        ("double[]", "float32"),
        ("int64_t *", "int32"),
        ("unsigned int *", "float32"),
        ("float _Complex *", "complex128"),
    ],
)
def test_what_cffi_declares_is_compared_too(declared: str, dtype: str) -> None:
    expression = "lib.total(ffi.from_buffer(x), 100)"
    (finding,) = _through_cffi(declared, dtype, expression)
    assert finding.severity is Severity.ERROR
    assert f"is declared as {declared}, but `x` holds {dtype}" in finding.cause
    assert "ctypes" not in finding.cause + finding.fix.text + finding.fix.code


def test_the_fix_for_cffi_declares_the_elements_in_its_way() -> None:
    expression = 'lib.total(ffi.cast("double *", x.ctypes.data), 100)'
    (finding,) = _through_cffi("double *", "float32", expression)
    assert 'ffi.from_buffer("float[]", x)  # if C takes float32' in finding.fix.code


@pytest.mark.parametrize("declared", ["void *", "char *", "unsigned char *", "double", "double **"])
def test_what_cffi_declares_as_raw_or_as_no_pointer_is_no_finding(declared: str) -> None:
    assert _through_cffi(declared, "float32", "lib.total(ffi.from_buffer(x), 100)") == []
