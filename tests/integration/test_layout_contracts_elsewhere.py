"""Layouts that C believes in through cffi, extension modules, and a real BLAS and LAPACK."""

import ctypes
import importlib.util
import sys
from collections.abc import Callable
from ctypes import POINTER, byref, c_double, c_int64, c_void_p
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import numpy as np
import pytest
from extension_builder import (
    build_c_library,
    build_cffi,
    build_cython,
    build_f2py,
    build_pybind11,
)

from interprobe.analysis import analyse
from interprobe.findings import Severity
from interprobe.recorder import Recorder
from interprobe.trace import Trace

CODES = {"IP301", "IP302", "IP303", "IP310", "IP313"}

DECLARATIONS = """
    double total(const double *x, size_t n);
    double total_single(const float *x, size_t n);
    double total_stepped(size_t n, const double *x, ptrdiff_t step);
    double total_fortran(const int *n, const double *x, const int *step);
    double total_general(const char *x, int dimensions, const ptrdiff_t *shape,
                         const ptrdiff_t *strides);
    struct view { const double *first; ptrdiff_t length; ptrdiff_t step_bytes; };
    double total_view(const struct view *view);
    struct sample { int32_t id; double value; };
    double total_samples(const struct sample *samples, size_t n);
    uint64_t checksum(const void *memory, size_t bytes);
"""


def record(function: Callable[[], object]) -> tuple[Trace, Any]:
    recorder = Recorder(own_paths=[__file__])
    recorder.start()
    try:
        result = function()
    finally:
        trace = recorder.stop()
    analysed = analyse(trace)
    own = [finding for finding in analysed.findings if finding.rule in CODES]
    return msgspec.structs.replace(analysed, findings=own), result


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.name.partition(".")[0], path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("elsewhere")


@pytest.fixture(scope="module")
def library(folder: Path) -> tuple[Any, Any]:
    """cffi's FFI and the kernels, as function pointers (ABI mode)."""
    cffi = pytest.importorskip("cffi")
    ffi = cffi.FFI()
    ffi.cdef(DECLARATIONS)
    return ffi, ffi.dlopen(str(build_c_library("layout_kernels", folder)))


# --- cffi ----------------------------------------------------------------------------------------


def test_a_cast_to_another_element_type(library: tuple[Any, Any]) -> None:
    ffi, lib = library
    single = np.ones(8, np.float32)
    pointers: list[Callable[[], Any]] = [
        lambda: ffi.cast("double *", single.ctypes.data),
        lambda: ffi.cast("double *", single.__array_interface__["data"][0]),
        lambda: ffi.cast("double *", ffi.from_buffer(single)),
        lambda: ffi.from_buffer("double[]", single),
        lambda: ffi.from_buffer("double *", single),
        lambda: ffi.cast("double *", single.ctypes.data + 4),
    ]
    for pointer in pointers:
        trace, result = record(lambda pointer=pointer: lib.total(pointer(), 3))
        assert result == single.view(np.float64)[:3].sum() != 3.0
        (finding,) = trace.findings
        assert (finding.rule, finding.severity) == ("IP301", Severity.ERROR)
        assert "declared as double *" in finding.cause
        assert "holds float32" in finding.cause


def test_a_strided_view_through_cffi(library: tuple[Any, Any]) -> None:
    ffi, lib = library
    x = np.arange(100.0)
    every_second = x[::2]

    def work() -> float:
        return float(lib.total(ffi.cast("double *", every_second.ctypes.data), 50))

    trace, result = record(work)
    assert result == x[:50].sum() != every_second.sum()
    (finding,) = trace.findings
    assert (finding.rule, finding.severity) == ("IP302", Severity.ERROR)
    assert "`every_second`" in finding.cause
    assert 'ffi.from_buffer("double[]", every_second)' in finding.fix.code


def test_foreign_bytes_through_cffi(library: tuple[Any, Any]) -> None:
    ffi, lib = library
    big = np.ones(4, ">f8")
    trace, result = record(lambda: lib.total(ffi.from_buffer("double[]", big), 4))
    assert result == big.view("<f8").sum() != 4.0
    assert [finding.rule for finding in trace.findings] == ["IP303"]


def test_packed_records_through_cffi(library: tuple[Any, Any]) -> None:
    ffi, lib = library
    packed = np.ones(8, [("id", "i4"), ("value", "f8")])

    def by_address() -> float:
        return float(lib.total_samples(ffi.cast("struct sample *", packed.ctypes.data), 6))

    def by_buffer() -> float:
        return float(lib.total_samples(ffi.from_buffer("struct sample[]", packed), 6))

    for work in (by_address, by_buffer):
        trace, result = record(work)
        assert result != 6.0
        (finding,) = trace.findings
        assert (finding.rule, finding.severity) == ("IP310", Severity.ERROR)
        assert "goes 32 bytes past the array's end" in finding.cause
    assert "in the middle of the array's value (float64 at 4)" in finding.cause


def test_a_masked_array_through_cffi(library: tuple[Any, Any]) -> None:
    ffi, lib = library
    readings = np.ma.masked_equal([1.0, -9999.0, 3.0], -9999.0)
    trace, result = record(lambda: lib.total(ffi.from_buffer("double[]", readings), 3))
    assert result == -9995.0 != readings.sum()
    assert [finding.rule for finding in trace.findings] == ["IP313"]


def test_right_programs_through_cffi_are_left_alone(library: tuple[Any, Any]) -> None:
    ffi, lib = library
    x = np.arange(100.0)
    view = x[::2]
    samples = np.ones(8, np.dtype([("id", "i4"), ("value", "f8")], align=True))
    big = np.arange(4.0).astype(">f8")

    def work() -> None:
        first = ffi.cast("double *", view.ctypes.data)
        assert lib.total(ffi.from_buffer("double[]", x), 100) == x.sum()
        assert lib.total_single(ffi.from_buffer("float[]", np.ones(3, np.float32)), 3) == 3.0
        assert lib.total_stepped(50, first, 2) == view.sum()
        step = ffi.cast("int", 2)
        assert lib.total_stepped(ffi.cast("size_t", 50), first, step) == view.sum()
        numbers = ffi.new("int *", 50), ffi.new("int[1]", [2])
        assert lib.total_fortran(numbers[0], first, numbers[1]) == view.sum()
        shape = ffi.new("ptrdiff_t[]", view.shape)
        strides = ffi.new("ptrdiff_t[]", view.strides)
        assert lib.total_general(ffi.cast("char *", first), 1, shape, strides) == view.sum()
        described = ffi.new("struct view *", {"first": first, "length": 50, "step_bytes": 16})
        assert lib.total_view(described) == view.sum()
        assert lib.total_samples(ffi.from_buffer("struct sample[]", samples), 8) == 8.0
        lib.total_samples(ffi.cast("struct sample *", samples.ctypes.data), 8)
        lib.checksum(ffi.from_buffer(big), big.nbytes)
        lib.checksum(ffi.cast("void *", x.ctypes.data), x.nbytes)

    trace, _ = record(work)
    assert trace.findings == []
    declared = {
        call.function: [argument.declared for argument in call.arguments] for call in trace.calls
    }
    assert declared["total_stepped"] == ["size_t", "double *", "ptrdiff_t"]
    assert declared["total_view"] == ["struct view *"]


def test_a_pointer_in_a_struct_of_cffi_is_named(library: tuple[Any, Any]) -> None:
    ffi, lib = library
    single = np.ones(8, np.float32)

    def work() -> None:
        first = ffi.cast("double *", single.ctypes.data)
        lib.total_view(ffi.new("struct view *", [first, 4, 8]))

    trace, _ = record(work)
    (finding,) = trace.findings
    assert "Argument 1 (view.first) of total_view is declared as double *" in finding.cause


def test_functions_of_a_compiled_cffi_module(folder: Path) -> None:
    module = load(build_cffi(folder))
    ffi, lib = module.ffi, module.lib
    x, single = np.arange(10.0), np.ones(10, np.float32)

    def wrong() -> None:
        lib.kernel_sum(ffi.cast("double *", single.ctypes.data), 5)
        lib.kernel_sum(ffi.cast("double *", x[::2].ctypes.data), 5)

    def right() -> None:
        lib.kernel_sum(ffi.from_buffer("double[]", x), 10)
        lib.kernel_sum(ffi.cast("double *", x.ctypes.data + 16), 8)

    trace, _ = record(wrong)
    assert sorted(finding.rule for finding in trace.findings) == ["IP301", "IP302"]
    trace, _ = record(right)
    assert trace.findings == []
    for call in trace.calls:
        assert [argument.declared for argument in call.arguments] == ["double *", "int"]
        assert call.arguments[0].given is not None


def test_cffi_types_are_let_go_when_the_recording_ends(library: tuple[Any, Any]) -> None:
    ffi, lib = library
    x = np.ones(3)
    pointer = ffi.cast("double *", x.ctypes.data)
    kind = ffi.typeof(pointer)
    record(lambda: lib.total(pointer, 3))
    before = sys.getrefcount(kind)
    for _ in range(5):
        record(lambda: [lib.total(pointer, 3) for _ in range(3)])
    assert sys.getrefcount(kind) == before


# --- extension modules ---------------------------------------------------------------------------


def masked() -> Any:
    return np.ma.masked_equal(np.array([1.0, -9999.0, 3.0]), -9999.0)


def test_masks_that_extension_modules_drop(folder: Path) -> None:
    pybind = load(build_pybind11("vector_tools", folder))
    fortran = load(build_f2py("filters", folder))
    cython = load(build_cython("buffer_readers", folder))
    functions = {"sum": pybind.sum, "total": fortran.total, "first_of_view": cython.first_of_view}
    readings = masked()
    for name, function in functions.items():
        trace, result = record(lambda function=function: function(readings))
        assert result == (1.0 if name == "first_of_view" else -9995.0)
        (finding,) = trace.findings
        assert (finding.rule, finding.severity) == ("IP313", Severity.WARNING)
        assert finding.subject == name
        assert "1 of 3 elements" in finding.cause

    def right() -> None:
        for function in functions.values():
            function(readings.filled(0.0))
            function(readings.data)
            function(np.ma.array([1.0, 2.0]))

    assert record(right)[0].findings == []


# --- BLAS and LAPACK -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def blas() -> ctypes.CDLL:
    """The OpenBLAS that NumPy's wheel brings along: integers of 64 bits, names with a suffix."""
    folder = Path(np.__file__).parents[1] / "numpy.libs"
    found = sorted(folder.glob("libscipy_openblas64_*.so"))
    if not found:
        pytest.skip("this NumPy has no OpenBLAS of its own")
    return ctypes.CDLL(str(found[0]))


def test_steps_and_leading_dimensions_of_blas_and_lapack(blas: ctypes.CDLL) -> None:
    dot = blas.scipy_cblas_ddot64_
    dot.restype = c_double
    gemm = blas.scipy_cblas_dgemm64_
    solve = blas.scipy_dgesv_64_
    pointer, long = POINTER(c_double), c_int64
    x, y = np.arange(20.0), np.arange(30.0)
    big = np.random.default_rng(1).random((50, 50))
    a, b = big[:20, :30], big[10:40, 5:20]
    fortran = np.asfortranarray(big[:7, :7])

    def p(array: Any) -> Any:
        return array.ctypes.data_as(pointer)

    def work() -> None:
        assert dot(long(10), p(x[::2]), long(2), p(y[::3]), long(3)) == x[::2] @ y[::3]
        out = np.zeros((20, 15))
        gemm(
            101, 111, 111, long(20), long(15), long(30), c_double(1.0), p(a), long(50), p(b),
            long(50), c_double(0.0), p(out), long(15),
        )  # fmt: skip
        np.testing.assert_allclose(out, a @ b)
        gemm(
            101, 111, 112, long(20), long(20), long(30), c_double(1.0), p(a), long(50), p(a),
            long(50), c_double(0.0), p(big[:20, :20].copy()), long(20),
        )  # fmt: skip
        matrix, right = fortran.copy(order="F"), np.ones(7)
        pivots, info = np.zeros(7, np.int64), long(0)
        solve(
            byref(long(7)), byref(long(1)), p(matrix), byref(long(7)),
            pivots.ctypes.data_as(c_void_p), p(right), byref(long(7)), byref(info),
        )  # fmt: skip
        np.testing.assert_allclose(fortran @ right, np.ones(7))
        part = np.asfortranarray(big)[:7, :7]
        part = part if part.flags.writeable else part.copy()
        solve(
            byref(long(7)), byref(long(1)), p(part), byref(long(50)),
            pivots.ctypes.data_as(c_void_p), p(np.ones(7)), byref(long(7)), byref(info),
        )  # fmt: skip

    trace, _ = record(work)
    assert trace.findings == []


def test_a_step_of_one_for_a_column_is_found(blas: ctypes.CDLL) -> None:
    dot = blas.scipy_cblas_ddot64_
    dot.restype = c_double
    table = np.arange(40.0).reshape(10, 4)
    column = table[:, 1]
    pointer = column.ctypes.data_as(POINTER(c_double))

    def work() -> float:
        return float(dot(c_int64(10), pointer, c_int64(1), pointer, c_int64(1)))

    trace, result = record(work)
    assert result == table.ravel()[1:11] @ table.ravel()[1:11] != column @ column
    (finding,) = trace.findings
    assert (finding.rule, finding.severity) == ("IP302", Severity.ERROR)
