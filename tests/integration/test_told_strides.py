"""C functions that are told strides as integers: measured with other strides, or left alone."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from ctypes import POINTER, c_double, c_int, c_longlong, c_size_t, c_ssize_t, c_void_p
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from extension_builder import build_c_library
from numpy.typing import NDArray

from interprobe.analysis import analyse
from interprobe.findings import Finding
from interprobe.recorder import Recorder
from interprobe.replays import Replay
from interprobe.trace import Trace

Array = NDArray[Any]
Work = Callable[[Any], object]

CALLS = 6
ROWS = 60_000
LAYOUT_RULES = {"IP201", "IP202", "IP203", "IP204"}
DOUBTFUL = "what the call returns with other strides does not show that it is told them"
PROTOTYPES = """
    double peak(const double *x, size_t n, ptrdiff_t step);
    double peak_bytes(const char *x, ptrdiff_t step, size_t n);
    double peak_matrix(const char *x, size_t rows, size_t columns, ptrdiff_t down, ptrdiff_t along);
"""

OF_DOUBLES = ["peak", "peak_bytes", "peak_behind", "peak_until", "peak_with", "peak_flagged"]
OF_DOUBLES += ["dot", "total_rows", "peak_matrix", "peak_elements"]

TABLE = np.random.default_rng(7).random((ROWS, 16))
COLUMN = TABLE[:, 3]
WIDE = np.random.default_rng(10).random((ROWS, 24))
MATRIX = np.random.default_rng(8).random((1800, 2000))
SQUARE = np.random.default_rng(9).random((512, 512))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_c_library("told_strides", tmp_path_factory.mktemp("told"))


@pytest.fixture
def lib(path: Path) -> ctypes.CDLL:
    """The kernels without any prototype but their results'."""
    library = ctypes.CDLL(str(path))
    for name in OF_DOUBLES:
        getattr(library, name).restype = c_double
    library.total_short.restype = ctypes.c_float
    return library


@pytest.fixture
def ffi_and_lib(path: Path) -> tuple[Any, Any]:
    cffi = pytest.importorskip("cffi")
    ffi = cffi.FFI()
    ffi.cdef(PROTOTYPES)
    return ffi, ffi.dlopen(str(path))


def record(work: Callable[[], object]) -> Trace:
    recorder = Recorder(own_paths=[__file__], what_if="all")
    recorder.start()
    try:
        for _ in range(CALLS):
            work()
    finally:
        trace = recorder.stop()
    return analyse(trace)


def replays_of(trace: Trace) -> dict[str, Replay]:
    return {each.change: each for call in trace.calls for each in call.replays}


def findings_of(trace: Trace) -> list[Finding]:
    return [each for each in trace.findings if each.rule in LAYOUT_RULES]


def pointer(array: Array) -> Any:
    return array.ctypes.data_as(POINTER(c_double))


def raw(array: Array) -> Any:
    return array.ctypes.data_as(c_void_p)


def elements(array: Array, axis: int = 0) -> int:
    return array.strides[axis] // array.itemsize


# --- what is told beyond doubt


def peak_declared(lib: Any) -> object:
    lib.peak.argtypes = [POINTER(c_double), c_size_t, c_ssize_t]
    return lib.peak(pointer(COLUMN), COLUMN.size, elements(COLUMN))


def peak_with_numbers_of_ctypes(lib: Any) -> object:
    return lib.peak(pointer(COLUMN), c_size_t(COLUMN.size), c_longlong(elements(COLUMN)))


def peak_at_an_address(lib: Any) -> object:
    lib.peak.argtypes = [c_void_p, c_size_t, c_ssize_t]
    return lib.peak(COLUMN.ctypes.data, COLUMN.size, elements(COLUMN))


def peak_of_an_array(lib: Any) -> object:
    lib.peak.argtypes = [np.ctypeslib.ndpointer(np.float64), c_size_t, c_ssize_t]
    return lib.peak(COLUMN, COLUMN.size, elements(COLUMN))


def peak_in_bytes(lib: Any) -> object:
    return lib.peak_bytes(raw(COLUMN), c_ssize_t(COLUMN.strides[0]), c_size_t(COLUMN.size))


def peak_backwards(lib: Any) -> object:
    back = COLUMN[::-1]
    return lib.peak(pointer(back), c_size_t(back.size), c_ssize_t(elements(back)))


def short_of_16_bits(lib: Any) -> object:
    column = TABLE.astype(np.float32)[:, 3]
    lib.total_short.argtypes = [c_void_p, c_int, ctypes.c_short]
    return lib.total_short(raw(column), column.size, elements(column))


def dot_of_two_columns(lib: Any) -> object:
    other = WIDE[:, 5]
    lib.dot.argtypes = [c_void_p, c_ssize_t, c_void_p, c_ssize_t, c_size_t]
    return lib.dot(raw(COLUMN), elements(COLUMN), raw(other), elements(other), ROWS)


def written_with_a_status(lib: Any) -> object:
    out = np.ones((ROWS, 24))[:, 5]
    lib.scale.argtypes = [c_void_p, c_ssize_t, c_void_p, c_ssize_t, c_int]
    return lib.scale(raw(COLUMN), elements(COLUMN), raw(out), elements(out), ROWS)


def matrix_of_columns(lib: Any) -> object:
    part = WIDE[:, ::6]
    lib.peak_elements.argtypes = [c_void_p, c_size_t, c_size_t, c_ssize_t, c_ssize_t]
    return lib.peak_elements(raw(part), *part.shape, elements(part), elements(part, 1))


@pytest.mark.parametrize(
    "work",
    [
        peak_declared,
        peak_with_numbers_of_ctypes,
        peak_at_an_address,
        peak_of_an_array,
        peak_in_bytes,
        peak_backwards,
        short_of_16_bits,
        dot_of_two_columns,
        written_with_a_status,
        matrix_of_columns,
    ],
)
def test_ctypes_is_told_the_strides_of_the_contiguous_array(lib: Any, work: Work) -> None:
    replays = replays_of(record(lambda: work(lib)))
    assert set(replays) == {"contiguous", "same-layout"}
    for replay in replays.values():
        # The child has compared what both calls return.
        assert replay.reason is None
        assert replay.speedup is not None
    arrays = 2 if work in (dot_of_two_columns, written_with_a_status) else 1
    assert len(replays["contiguous"].positions) == arrays


def test_a_column_through_ctypes_is_a_finding_and_its_cure_is_none(lib: Any) -> None:
    (finding,) = findings_of(record(lambda: peak_declared(lib)))
    assert finding.rule == "IP201"
    assert finding.user_site.file == __file__
    assert finding.saving is not None
    assert finding.saving.method == "measured"
    assert "np.ascontiguousarray" in finding.fix.code
    assert "give it the strides of the array that it then gets" in finding.fix.text
    gathered = COLUMN.copy()
    cured = record(lambda: lib.peak(pointer(gathered), gathered.size, elements(gathered)))
    assert findings_of(cured) == []


def test_cffi_is_told_the_strides_of_the_contiguous_array(ffi_and_lib: tuple[Any, Any]) -> None:
    ffi, lib = ffi_and_lib

    def cast(name: str) -> Any:
        return ffi.cast(name, COLUMN.ctypes.data)

    for work in (
        lambda: lib.peak(cast("double *"), COLUMN.size, elements(COLUMN)),
        lambda: lib.peak_bytes(cast("char *"), COLUMN.strides[0], COLUMN.size),
        lambda: lib.peak(cast("double *"), COLUMN.size, ffi.cast("long", elements(COLUMN))),
    ):
        trace = record(work)
        replays = replays_of(trace)
        assert set(replays) == {"contiguous", "same-layout"}
        assert [each.reason for each in replays.values()] == [None, None]
        assert [each.rule for each in findings_of(trace)] == ["IP201"]


def test_both_strides_of_a_matrix_in_bytes_let_its_order_be_changed(
    lib: Any, ffi_and_lib: tuple[Any, Any]
) -> None:
    ffi, other = ffi_and_lib
    across = np.asfortranarray(MATRIX)
    lib.peak_matrix.argtypes = [c_void_p, c_size_t, c_size_t, c_ssize_t, c_ssize_t]
    for work in (
        lambda: lib.peak_matrix(raw(across), *across.shape, *across.strides),
        lambda: other.peak_matrix(
            ffi.cast("char *", across.ctypes.data), *across.shape, *across.strides
        ),
    ):
        trace = record(work)
        assert replays_of(trace)["other-order"].reason is None
        assert [each.rule for each in findings_of(trace)] == ["IP202"]


def test_rows_a_power_of_two_apart_are_given_room(lib: Any) -> None:
    out = np.zeros(512, np.float32)
    lib.sum_columns.argtypes = [c_void_p, c_size_t, c_size_t, c_ssize_t, c_void_p]
    trace = record(lambda: lib.sum_columns(raw(SQUARE), 512, 512, SQUARE.strides[0], raw(out)))
    assert set(replays_of(trace)) == {"padded", "same-layout"}
    assert [each.rule for each in findings_of(trace)] == ["IP203"]


# --- what is not


def step_that_is_a_length(lib: Any) -> object:
    square = np.ones((1200, 1200))[:, 3]
    return lib.peak(pointer(square), c_size_t(1200), c_ssize_t(1200))


def step_that_is_a_length_of_another_array(lib: Any) -> object:
    few = np.zeros(16)
    return lib.dot(pointer(COLUMN), c_ssize_t(16), pointer(few), c_ssize_t(0), c_size_t(ROWS))


def step_that_is_one_of_two(lib: Any) -> object:
    return lib.peak_flagged(pointer(COLUMN), c_size_t(ROWS), c_ssize_t(16), c_int(16))


def step_in_both_units(lib: Any) -> object:
    return lib.peak_flagged(pointer(COLUMN), c_size_t(ROWS), c_ssize_t(16), c_int(128))


def step_of_two_arrays(lib: Any) -> object:
    return lib.dot(
        pointer(COLUMN), c_ssize_t(16), pointer(TABLE[:, 4]), c_ssize_t(1), c_size_t(ROWS // 16)
    )


def steps_behind_pointers(lib: Any) -> object:
    n, step = c_int(ROWS), c_int(16)
    return lib.peak_behind(pointer(COLUMN), ctypes.byref(n), ctypes.byref(step))


def step_in_an_array_beside(lib: Any) -> object:
    step = np.array([16], np.int32)
    return lib.peak_with(raw(step), pointer(COLUMN), c_size_t(ROWS), c_ssize_t(16))


def step_behind_a_handle(lib: Any) -> object:
    step = c_int(16)
    handle = c_void_p(ctypes.addressof(step))
    return lib.peak_with(handle, pointer(COLUMN), c_size_t(ROWS), c_ssize_t(16))


def step_of_which_nothing_is_told(lib: Any) -> object:
    return lib.peak(pointer(COLUMN), c_size_t(ROWS // 8), c_ssize_t(8))


def length_that_is_not_told(lib: Any) -> object:
    return lib.peak(pointer(COLUMN), c_size_t(ROWS - 1), c_ssize_t(16))


def end_beside_the_step(lib: Any) -> object:
    return lib.peak_until(pointer(COLUMN), c_ssize_t(ROWS * 16 - 15), c_ssize_t(16), c_size_t(ROWS))


def inner_address_beside(lib: Any) -> object:
    inside = c_void_p(COLUMN.ctypes.data + 128)
    return lib.dot(pointer(COLUMN), c_ssize_t(16), inside, c_ssize_t(0), c_size_t(ROWS))


def one_stride_of_two(lib: Any) -> object:
    part = WIDE[:, ::6]
    lib.peak_elements.argtypes = [c_void_p, c_size_t, c_size_t, c_ssize_t, c_ssize_t]
    return lib.peak_elements(raw(part), *part.shape, elements(part), 1)


def matrix_in_elements(lib: Any) -> object:
    lib.peak_elements.argtypes = [c_void_p, c_size_t, c_size_t, c_ssize_t, c_ssize_t]
    return lib.peak_elements(raw(MATRIX), *MATRIX.shape, elements(MATRIX), elements(MATRIX, 1))


class Shifted(c_ssize_t):
    """A number that is another one when it arrives."""

    @classmethod
    def from_param(cls, value: int) -> c_ssize_t:
        return c_ssize_t(value + 0)


def converted_step(lib: Any) -> object:
    lib.peak.argtypes = [c_void_p, c_size_t, Shifted]
    return lib.peak(raw(COLUMN), ROWS, 16)


@pytest.mark.parametrize(
    "work",
    [
        step_that_is_a_length,
        step_that_is_a_length_of_another_array,
        step_that_is_one_of_two,
        step_in_both_units,
        step_of_two_arrays,
        steps_behind_pointers,
        step_in_an_array_beside,
        step_behind_a_handle,
        step_of_which_nothing_is_told,
        length_that_is_not_told,
        end_beside_the_step,
        inner_address_beside,
        one_stride_of_two,
        matrix_in_elements,
        converted_step,
    ],
)
def test_in_doubt_no_integer_is_taken_for_a_stride(lib: Any, work: Work) -> None:
    trace = record(lambda: work(lib))
    assert sum(call.count for call in trace.calls) == CALLS
    assert replays_of(trace) == {}
    assert findings_of(trace) == []


def test_a_number_that_is_no_stride_shows_in_the_result(lib: Any) -> None:
    first = TABLE[:, 0]
    lib.total_rows.argtypes = [c_void_p, c_size_t, c_size_t]
    trace = record(lambda: lib.total_rows(raw(first), first.size, 16))
    replays = replays_of(trace)
    assert replays["contiguous"].reason == DOUBTFUL
    assert replays["same-layout"].reason is None
    assert findings_of(trace) == []


def test_the_first_column_may_stand_for_whole_rows_where_no_result_tells(lib: Any) -> None:
    out = np.ones((ROWS, 24))[:, 5]
    lib.scale.argtypes = [c_void_p, c_ssize_t, c_void_p, c_ssize_t, c_int]
    first = TABLE[:, 0]
    trace = record(lambda: lib.scale(pointer(first), 16, pointer(out), elements(out), ROWS))
    assert replays_of(trace)["contiguous"].reason == DOUBTFUL
    lib.peak.argtypes = [c_void_p, c_size_t, c_ssize_t]
    trace = record(lambda: lib.peak(pointer(first), ROWS, 16))
    assert replays_of(trace)["contiguous"].reason is None


def test_what_may_be_the_size_of_an_element_needs_a_result_that_proves_otherwise(lib: Any) -> None:
    across, out = np.asfortranarray(MATRIX), np.zeros(1, np.float32)
    lib.put_peak_matrix.argtypes = [c_void_p, c_size_t, c_size_t, c_ssize_t, c_ssize_t, c_void_p]
    lib.put_peak_matrix.restype = None
    trace = record(
        lambda: lib.put_peak_matrix(raw(across), *across.shape, *across.strides, raw(out))
    )
    assert replays_of(trace)["other-order"].reason == DOUBTFUL
    assert findings_of(trace) == []
