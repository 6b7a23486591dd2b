"""Real calls compared with the functions' own prototypes: wrong numbers found, right ones left."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from interprobe.analysis import analyse
from interprobe.recorder import Recorder
from interprobe.trace import Trace

HEADER = """
#include <stddef.h>
#include <stdint.h>
struct series { double *data; size_t n; };
double total(const double *x, size_t n);
size_t echo(size_t n);
int twice(int n);
double half(double x);
const double *start(const double *x);
double total_of(const struct series *series);
void scale(double *x, size_t n, double by);
typedef double (*function)(double);
function giver(void);
"""

SOURCE = """
#include "kernels.h"
double total(const double *x, size_t n) { double s = 0; while (n--) s += x[n]; return s; }
size_t echo(size_t n) { return n; }
int twice(int n) { return 2 * n; }
double half(double x) { return x / 2; }
const double *start(const double *x) { return x; }
double total_of(const struct series *series) { return total(series->data, series->n); }
void scale(double *x, size_t n, double by) { while (n--) x[n] *= by; }
static double third(double x) { return x / 3; }
function giver(void) { return third; }
"""

DOUBLES = ctypes.POINTER(ctypes.c_double)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kernels")
    (folder / "kernels.h").write_text(HEADER)
    (folder / "kernels.c").write_text(SOURCE)
    for name, flag in (("libkernels.so", "-g"), ("libstripped.so", "-s")):
        command = ["cc", "-O2", flag, "-shared", "-fPIC", "-o", name, "kernels.c"]
        subprocess.run(command, cwd=folder, check=True)
    return folder


@pytest.fixture
def lib(folder: Path) -> ctypes.CDLL:
    return ctypes.CDLL(str(folder / "libkernels.so"))  # functions of its own: nothing is declared


def record(function: Callable[[], Any], *headers: str) -> tuple[Trace, list[Any]]:
    results: list[Any] = []
    recorder = Recorder(own_paths=[__file__], headers=headers)
    recorder.start()
    try:
        results.append(function())
    finally:
        trace = recorder.stop()
    return analyse(trace), results


def codes(trace: Trace) -> list[tuple[str, str]]:
    return [(finding.rule, str(finding.severity)) for finding in trace.findings]


def test_a_double_that_is_read_as_int(lib: ctypes.CDLL) -> None:
    values = np.array([1.5, 2.25])
    trace, (wrong,) = record(lambda: lib.total(values.ctypes.data_as(DOUBLES), 2))
    assert wrong != 3.75
    assert codes(trace) == [("IP304", "error")]
    assert f"The call gave {wrong}" in trace.findings[0].cause
    lib.total.argtypes, lib.total.restype = [DOUBLES, ctypes.c_size_t], ctypes.c_double
    trace, (right,) = record(lambda: lib.total(values.ctypes.data_as(DOUBLES), 2))
    assert right == 3.75
    assert not trace.findings


def test_the_fix_is_code_that_works(lib: ctypes.CDLL) -> None:
    trace, _ = record(lambda: lib.half(ctypes.c_double(5.0)))
    exec(trace.findings[0].fix.code, {"ctypes": ctypes, "lib": lib})
    trace, (right,) = record(lambda: lib.half(5.0))
    assert right == 2.5
    assert not trace.findings


def test_the_trace_holds_names_types_and_results(lib: ctypes.CDLL) -> None:
    values = np.ones(3)
    lib.total.argtypes, lib.total.restype = [DOUBLES, ctypes.c_size_t], ctypes.c_double
    trace, _ = record(lambda: lib.total(values.ctypes.data_as(DOUBLES), 3))
    (call,) = trace.calls
    assert [(a.name, a.declared, a.true) for a in call.arguments] == [
        ("x", "POINTER(c_double)", "const double *"),
        ("n", "c_ulong", "size_t"),
    ]
    assert call.returns is not None
    assert (call.returns.declared, call.returns.true) == ("c_double", "double")
    assert call.argtypes == 2
    assert call.prototype is not None
    assert call.prototype.declaration == "double total(const double *x, size_t n)"
    assert {fact.kind for fact in call.facts} <= {"length-equal", "length-equal-least", "unchanged"}


def test_argtypes_that_are_a_list_are_seen_as_declared(lib: ctypes.CDLL) -> None:
    lib.twice.argtypes = [ctypes.c_short]
    trace, _ = record(lambda: lib.twice(3))
    assert trace.calls[0].arguments[0].declared == "c_short"
    lib.twice.argtypes = (ctypes.c_short,)
    trace, _ = record(lambda: lib.twice(3))
    assert trace.calls[0].arguments[0].declared == "c_short"
    lib.twice.argtypes = iter([ctypes.c_short])
    trace, _ = record(lambda: lib.twice(3))
    assert trace.calls[0].argtypes is not None


def test_pointers_inside_structures_have_the_names_and_types_of_c(lib: ctypes.CDLL) -> None:
    class Series(ctypes.Structure):
        _fields_ = (("data", DOUBLES), ("n", ctypes.c_size_t))

    values = np.ones(3)

    def call() -> float:
        series = Series(ctypes.cast(values.ctypes.data, DOUBLES), 3)
        return float(lib.total_of(ctypes.byref(series)))

    lib.total_of.restype = ctypes.c_double
    trace, (total,) = record(call)
    assert total == 3.0
    assert ("series.data", "double *") in [(a.name, a.true) for a in trace.calls[0].arguments]
    assert not trace.findings


def test_an_address_that_comes_back_is_cut(lib: ctypes.CDLL) -> None:
    values = np.ones(3)
    pointer = values.ctypes.data_as(DOUBLES)
    trace, (low,) = record(lambda: lib.start(pointer))
    assert low != values.ctypes.data
    assert low & 0xFFFFFFFF == values.ctypes.data & 0xFFFFFFFF
    assert codes(trace) == [("IP304", "error")]
    assert f"0x{low & 0xFFFFFFFF:x}" in trace.findings[0].cause
    lib.start.restype = ctypes.c_void_p
    trace, (whole,) = record(lambda: lib.start(pointer))
    assert whole == values.ctypes.data
    assert not trace.findings


def test_an_address_as_a_bare_integer(lib: ctypes.CDLL) -> None:
    values = np.ones(3)
    lib.start.restype = ctypes.c_void_p
    trace, (wrong,) = record(lambda: lib.start(values.ctypes.data))
    assert wrong != values.ctypes.data
    assert codes(trace) == [("IP304", "error")]
    assert f"0x{values.ctypes.data:x}" in trace.findings[0].cause
    lib.start.argtypes = [ctypes.c_void_p]
    trace, (right,) = record(lambda: lib.start(values.ctypes.data))
    assert right == values.ctypes.data
    assert not trace.findings


@pytest.mark.parametrize("declared", [None, ctypes.c_int])
def test_an_integer_beyond_32_bits(lib: ctypes.CDLL, declared: Any) -> None:
    lib.echo.restype = ctypes.c_size_t
    if declared is not None:
        lib.echo.argtypes = [declared]
    trace, (wrong,) = record(lambda: lib.echo(2**32 + 5))
    assert wrong == 5
    assert codes(trace) == [("IP304" if declared is None else "IP305", "error")]
    assert "4294967301" in trace.findings[0].cause
    lib.echo.argtypes = [ctypes.c_size_t]
    trace, (right,) = record(lambda: lib.echo(2**32 + 5))
    assert right == 2**32 + 5
    assert not trace.findings


def test_a_narrow_type_tells_the_number_that_c_got(lib: ctypes.CDLL) -> None:
    lib.echo.restype, lib.echo.argtypes = ctypes.c_size_t, [ctypes.c_int]
    trace, (wrong,) = record(lambda: lib.echo(2**31))
    assert codes(trace) == [("IP305", "error")]
    assert f"C got {wrong}" in trace.findings[0].cause
    trace, (wrong,) = record(lambda: lib.echo(-7))
    assert f"C got {wrong}" in trace.findings[0].cause
    trace, (right,) = record(lambda: lib.echo(7))
    assert right == 7
    assert codes(trace) == [("IP305", "note")]


def test_a_float_for_a_double(lib: ctypes.CDLL) -> None:
    lib.half.restype = ctypes.c_double
    trace, (wrong,) = record(lambda: lib.half(ctypes.c_float(5.0)))
    assert wrong != 2.5
    assert codes(trace) == [("IP304", "error")]
    lib.half.argtypes = [ctypes.c_float]
    trace, (wrong,) = record(lambda: lib.half(5.0))
    assert wrong != 2.5
    assert codes(trace) == [("IP305", "error")]


def test_an_array_as_it_is_declared_and_not_as_it_is_read(lib: ctypes.CDLL) -> None:
    lib.total.restype = ctypes.c_double
    lib.total.argtypes = [ctypes.POINTER(ctypes.c_float), ctypes.c_size_t]
    values = np.ones(8, np.float32)
    pointer = values.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
    trace, (wrong,) = record(lambda: lib.total(pointer, 4))
    assert wrong != 4.0
    assert codes(trace) == [("IP305", "error")]


def test_a_float32_array_through_a_void_pointer(lib: ctypes.CDLL) -> None:
    lib.total.restype, lib.total.argtypes = ctypes.c_double, [ctypes.c_void_p, ctypes.c_size_t]
    values = np.ones(8, np.float32)
    trace, (wrong,) = record(lambda: lib.total(values.ctypes.data, 4))
    assert wrong != 4.0
    assert codes(trace) == [("IP301", "error")]
    doubles = np.ones(8)
    trace, (right,) = record(lambda: lib.total(doubles.ctypes.data, 4))
    assert right == 4.0
    assert not trace.findings


def test_too_few_arguments(lib: ctypes.CDLL) -> None:
    lib.scale.argtypes = [DOUBLES, ctypes.c_size_t]
    values = np.ones(0)
    trace, _ = record(lambda: lib.scale(values.ctypes.data_as(DOUBLES), 0))
    assert codes(trace) == [("IP305", "error")]
    assert "for by C reads whatever" in trace.findings[0].cause


def test_nothing_is_said_where_nothing_is_known_or_hurt(lib: ctypes.CDLL, folder: Path) -> None:
    stripped = ctypes.CDLL(str(folder / "libstripped.so"))
    values = np.ones(3)
    pointer = values.ctypes.data_as(DOUBLES)
    trace, _ = record(lambda: stripped.total(pointer, 3))
    assert not trace.findings
    assert trace.calls[0].prototype is None
    assert [a.true for a in trace.calls[0].arguments] == [None, None]

    def innocent() -> None:
        lib.twice(4)
        lib.twice(-4)
        lib.scale(pointer, 3, ctypes.c_double(2.0))
        lib.total(pointer, 3)
        lib.start(0)
        ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(("half", lib))(3.0)

    trace, _ = record(innocent)
    assert not trace.findings, trace.findings


def test_a_header_stands_in_for_debug_information(folder: Path) -> None:
    stripped = ctypes.CDLL(str(folder / "libstripped.so"))
    pointer = np.ones(3).ctypes.data_as(DOUBLES)
    trace, _ = record(lambda: stripped.total(pointer, 3), str(folder / "kernels.h"))
    assert codes(trace) == [("IP304", "error")]
    (folder / "broken.h").write_text("#error no\n")
    trace, _ = record(lambda: stripped.total(pointer, 3), str(folder / "broken.h"))
    assert any("broken.h" in spot for spot in trace.meta.blind_spots)


def test_a_pointer_to_a_static_function_is_not_taken_for_its_neighbour(lib: ctypes.CDLL) -> None:
    lib.giver.restype = ctypes.c_void_p
    third = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(lib.giver())
    trace, (value,) = record(lambda: third(6.0))
    assert value == 2.0
    assert not trace.findings


def test_functions_of_cffi_are_compared_with_their_cdef(folder: Path) -> None:
    cffi = pytest.importorskip("cffi")
    values = np.ones(4)
    path = str(folder / "libkernels.so")

    def calls(declaration: str) -> tuple[Trace, list[Any]]:
        ffi = cffi.FFI()
        ffi.cdef(declaration)
        lib = ffi.dlopen(path)
        function = lib.total
        pointer = ffi.cast("void *", values.ctypes.data)
        return record(lambda: function(pointer, 4))

    trace, (right,) = calls("double total(const double *x, size_t n);")
    assert right == 4.0
    assert not trace.findings
    assert trace.calls[0].prototype is not None
    trace, (wrong,) = calls("float total(const double *x, size_t n);")
    assert wrong != 4.0
    assert codes(trace) == [("IP305", "error")]
    assert 'ffi.cdef("double total(' in trace.findings[0].fix.code
