"""What C believes of an array's layout: wrong numbers are found, right programs are left alone."""

import ctypes
from collections.abc import Callable
from ctypes import POINTER, Structure, byref, c_double, c_int, c_size_t, c_ssize_t, c_void_p
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from extension_builder import build_c_library
from numpy.typing import NDArray

from interprobe.analysis import analyse
from interprobe.findings import Finding, Severity
from interprobe.recorder import Recorder
from interprobe.trace import Trace

DP = POINTER(c_double)
CODES = {"IP301", "IP302", "IP303", "IP310", "IP313"}
Array = NDArray[Any]


class Sample(Structure):
    _fields_ = (("id", ctypes.c_int32), ("value", c_double))


class View(Structure):
    _fields_ = (("first", DP), ("length", c_ssize_t), ("step_bytes", c_ssize_t))


@pytest.fixture(scope="module")
def lib(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    path = build_c_library("layout_kernels", tmp_path_factory.mktemp("kernels"))
    return load(path)


def load(path: Path) -> ctypes.CDLL:
    library = ctypes.CDLL(str(path))
    floats = (
        "total total_single total_stepped total_fortran total_matrix beside total_image "
        "total_skipping total_general total_view norm_of_three total_points total_with "
        "total_samples total_present total_unmasked"
    )
    for name in floats.split():
        getattr(library, name).restype = c_double
    for name in ("checksum", "checksum_items", "total_ids"):
        getattr(library, name).restype = ctypes.c_int64
    return library


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


def findings_of(function: Callable[[], object]) -> list[Finding]:
    return record(function)[0].findings


def only(function: Callable[[], object], code: str) -> tuple[Finding, Any]:
    """The one finding of a program, and what the program computed."""
    trace, result = record(function)
    assert [finding.rule for finding in trace.findings] == [code], trace.findings
    return trace.findings[0], result


def p(array: Array) -> Any:
    return array.ctypes.data_as(DP)


# --- strides ---------------------------------------------------------------------------------------


def test_every_second_element_is_summed_as_neighbours(lib: ctypes.CDLL) -> None:
    x = np.arange(100.0)
    every_second = x[::2]
    finding, result = only(lambda: lib.total(p(every_second), c_size_t(50)), "IP302")
    assert result == x[:50].sum() != every_second.sum()
    assert finding.severity is Severity.ERROR
    assert "takes every 2nd element" in finding.cause
    assert "The second element is 2, but C reads 1 there." in finding.cause
    assert "Of the 50 elements that it goes through, 25 are not the array's" in finding.cause


def test_a_backwards_view_walks_off_the_end(lib: ctypes.CDLL) -> None:
    memory = np.arange(8.0)
    backwards = memory[3::-1]  # C goes on to 4, 5, 6, which lie in the same memory
    finding, result = only(lambda: lib.total(p(backwards), c_size_t(4)), "IP302")
    assert result == 3 + 4 + 5 + 6 != backwards.sum()
    assert finding.severity is Severity.ERROR
    assert "The second element is 2, but C reads 4 there." in finding.cause
    assert "3 are not the array's." in finding.cause


def test_what_lies_past_the_end_of_the_memory_is_told(lib: ctypes.CDLL) -> None:
    lib.checksum.argtypes = None
    backwards = np.arange(8.0)[::-1]
    # 0 bytes are read: the call is what it would be, but stays in bounds.
    with_length = only(lambda: lib.checksum(p(backwards), c_size_t(0), c_size_t(8)), "IP302")
    assert "56 bytes lie past the end of the array's memory" in with_length[0].cause


def test_a_column_that_c_writes_overwrites_its_neighbours(lib: ctypes.CDLL) -> None:
    table = np.zeros((6, 5))
    column = table[:, 1]
    finding, _ = only(lambda: lib.fill(p(column), c_size_t(6), c_double(7.0)), "IP302")
    assert column.tolist() == [7.0, 7.0, 0.0, 0.0, 0.0, 0.0]
    assert table[0].tolist() == [0.0, 7.0, 7.0, 7.0, 7.0]
    assert "takes every 5th element" in finding.cause


@pytest.mark.parametrize("size", [20, 100])
def test_a_part_of_a_matrix(lib: ctypes.CDLL, size: int) -> None:
    matrix = np.arange(100.0 * size).reshape(100, size)
    part = matrix[:, : size // 2]
    rows, columns = part.shape
    finding, result = only(
        lambda: lib.total_matrix(p(part), c_size_t(rows), c_size_t(columns)), "IP302"
    )
    assert result == matrix.ravel()[: part.size].sum() != part.sum()
    assert finding.severity is Severity.ERROR
    assert f"{part.size // 2:,} are not the array's" in finding.cause


def test_a_broadcast_row_ends_before_c_does(lib: ctypes.CDLL) -> None:
    memory = np.arange(30.0)
    repeated = np.lib.stride_tricks.as_strided(memory, shape=(30,), strides=(0,))
    finding, result = only(lambda: lib.total(p(repeated), c_size_t(30)), "IP302")
    assert result == memory.sum() != repeated.sum()
    assert "29 are not the array's" in finding.cause


def test_a_bare_address_is_no_excuse(lib: ctypes.CDLL) -> None:
    x = np.arange(100.0)
    view = x[::2]
    finding, _ = only(lambda: lib.total(c_void_p(view.ctypes.data), c_size_t(50)), "IP302")
    assert finding.severity is Severity.ERROR
    lib.total.argtypes = [c_void_p, c_size_t]
    try:
        only(lambda: lib.total(view.ctypes.data, 50), "IP302")
    finally:
        lib.total.argtypes = None


def test_a_wrong_step_is_no_step(lib: ctypes.CDLL) -> None:
    x = np.arange(30.0)
    third = x[::3]
    finding, result = only(lambda: lib.total_stepped(c_size_t(10), p(third), c_ssize_t(1)), "IP302")
    assert result == x[:10].sum() != third.sum()
    assert "Argument 2" in finding.cause


def test_three_coordinates_without_a_length_are_a_warning(lib: ctypes.CDLL) -> None:
    matrix = np.arange(9.0).reshape(3, 3)
    column = matrix[:, 0]
    finding, result = only(lambda: lib.norm_of_three(p(column)), "IP302")
    assert result == 0 + 1 + 4 != (column**2).sum()
    assert finding.severity is Severity.WARNING


def test_points_with_a_fourth_column_are_a_warning(lib: ctypes.CDLL) -> None:
    homogeneous = np.arange(400.0).reshape(100, 4)
    points = homogeneous[:, :3]
    finding, result = only(lambda: lib.total_points(p(points), c_size_t(100)), "IP302")
    assert result == homogeneous.ravel()[:300].sum() != points.sum()
    assert finding.severity is Severity.WARNING


def test_a_field_of_records_is_a_warning_until_the_function_takes_neighbours(
    lib: ctypes.CDLL,
) -> None:
    samples = np.ones(50, [("x", "f8"), ("y", "f8")])
    field = samples["x"]
    finding, _ = only(lambda: lib.total(p(field), c_size_t(50)), "IP302")
    assert finding.severity is Severity.WARNING

    def both() -> None:
        lib.total(p(field), c_size_t(50))
        lib.total(p(np.ones(50)), c_size_t(50))

    finding, _ = only(both, "IP302")
    assert finding.severity is Severity.ERROR


def test_every_call_of_a_record_is_counted(lib: ctypes.CDLL) -> None:
    x = np.arange(1000.0)

    def work() -> None:
        for length in range(10, 500):
            lib.total(p(x[: 2 * length : 2]), c_size_t(length))

    trace, _ = record(work)
    (finding,) = trace.findings
    (fact,) = trace.calls[finding.records[0].index].facts
    assert (fact.count, fact.value, fact.limit) == (490, 249, 0)


def test_one_function_given_both_orders_reads_one_of_them_transposed(lib: ctypes.CDLL) -> None:
    rows = np.arange(15.0).reshape(3, 5)
    columns = np.asfortranarray(rows)

    def work() -> tuple[float, float]:
        first = lib.beside(p(rows), c_size_t(3), c_size_t(5))
        return first, lib.beside(p(columns), c_size_t(3), c_size_t(5))

    finding, result = only(work, "IP302")
    assert result == (rows[0, 1], rows[1, 0])
    assert finding.severity is Severity.WARNING
    assert "read transposed" in finding.cause


GOOD_STRIDES: dict[str, Callable[[ctypes.CDLL], tuple[float, float]]] = {}
"""What a right program computes, and what NumPy says that it is."""


def good(function: Callable[[ctypes.CDLL], tuple[float, float]]) -> None:
    GOOD_STRIDES[function.__name__] = function


X = np.arange(100.0)
IMAGE = np.arange(120 * 80, dtype=np.uint8).reshape(80, 120)


@good
def a_step_in_elements(lib: ctypes.CDLL) -> tuple[float, float]:
    return lib.total_stepped(c_size_t(25), p(X[1::4]), c_ssize_t(4)), X[1::4].sum()


@good
def a_step_backwards(lib: ctypes.CDLL) -> tuple[float, float]:
    return lib.total_stepped(c_size_t(100), p(X[::-1]), c_ssize_t(-1)), X.sum()


@good
def steps_behind_pointers(lib: ctypes.CDLL) -> tuple[float, float]:
    n, step = c_int(50), c_int(2)
    return lib.total_fortran(byref(n), p(X[::2]), byref(step)), X[::2].sum()


@good
def steps_in_arrays_of_one(lib: ctypes.CDLL) -> tuple[float, float]:
    n, step = np.array(50, np.int32), np.array([2], np.int32)
    pointers = [each.ctypes.data_as(POINTER(c_int)) for each in (n, step)]
    return lib.total_fortran(pointers[0], p(X[::2]), pointers[1]), X[::2].sum()


@good
def bytes_per_row(lib: ctypes.CDLL) -> tuple[float, float]:
    part = IMAGE[10:30, 20:60]
    pointer = part.ctypes.data_as(c_void_p)
    return lib.total_image(pointer, 40, 20, part.strides[0]), part.sum()


@good
def bytes_per_row_that_are_also_a_length(lib: ctypes.CDLL) -> tuple[float, float]:
    square = np.ones((120, 120), np.uint8)[:, :60]
    return lib.total_image(square.ctypes.data_as(c_void_p), 60, 120, 120), square.sum()


@good
def bytes_between_rows(lib: ctypes.CDLL) -> tuple[float, float]:
    part = IMAGE[10:30, 20:60]
    return lib.total_skipping(part.ctypes.data_as(c_void_p), 40, 20, 80), part.sum()


@good
def shape_and_strides_of_x_ctypes(lib: ctypes.CDLL) -> tuple[float, float]:
    view = X.reshape(10, 10)[::2, 1:4]
    pointers = (view.ctypes.shape, view.ctypes.strides)
    return lib.total_general(view.ctypes.data_as(c_void_p), view.ndim, *pointers), view.sum()


@good
def shape_and_strides_in_arrays(lib: ctypes.CDLL) -> tuple[float, float]:
    view = X.reshape(10, 10)[::2, 1:4]
    shape, strides = np.array(view.shape), np.array(view.strides)
    pointers = [each.ctypes.data_as(POINTER(c_ssize_t)) for each in (shape, strides)]
    return lib.total_general(c_void_p(view.ctypes.data), view.ndim, *pointers), view.sum()


@good
def a_struct_with_the_step(lib: ctypes.CDLL) -> tuple[float, float]:
    view = X[::5]
    return lib.total_view(byref(View(p(view), 20, 40))), view.sum()


@good
def one_row_of_a_part(lib: ctypes.CDLL) -> tuple[float, float]:
    part = X.reshape(10, 10)[2:5, 3:7]
    return lib.total(p(part), c_size_t(4)), part[0].sum()


@good
def row_by_row(lib: ctypes.CDLL) -> tuple[float, float]:
    part = X.reshape(10, 10)[:, 3:7]
    sums = [lib.total(p(row), c_size_t(4)) for row in part]
    start = part.ctypes.data
    again = [lib.total(c_void_p(start + i * part.strides[0]), c_size_t(4)) for i in range(10)]
    assert sums == again
    return sum(sums), part.sum()


@good
def a_part_of_whole_rows(lib: ctypes.CDLL) -> tuple[float, float]:
    part = X.reshape(10, 10)[3:7]
    return lib.total_matrix(p(part), c_size_t(4), c_size_t(10)), part.sum()


@good
def one_element(lib: ctypes.CDLL) -> tuple[float, float]:
    return lib.total(p(X[::50][1:]), c_size_t(1)), 50.0


@good
def a_column_of_one_row(lib: ctypes.CDLL) -> tuple[float, float]:
    column = X.reshape(20, 5)[:, 3:4]
    return lib.total_stepped(c_size_t(20), p(column), c_ssize_t(5)), column.sum()


@good
def elements_in_any_order(lib: ctypes.CDLL) -> tuple[float, float]:
    turned = np.arange(24.0).reshape(2, 3, 4).transpose(1, 0, 2)
    return lib.total(p(turned), c_size_t(24)), turned.sum()


@good
def the_transpose_told_as_such(lib: ctypes.CDLL) -> tuple[float, float]:
    matrix = np.arange(15.0).reshape(3, 5)
    first = lib.beside(p(matrix), c_size_t(3), c_size_t(5))
    assert lib.beside(p(matrix.T), c_size_t(3), c_size_t(5)) == first
    return first, 1.0


@pytest.mark.parametrize("name", GOOD_STRIDES)
def test_a_program_that_tells_the_steps_is_left_alone(lib: ctypes.CDLL, name: str) -> None:
    trace, (computed, expected) = record(lambda: GOOD_STRIDES[name](lib))
    assert computed == expected
    assert trace.findings == []


def test_a_handle_may_know_the_steps(lib: ctypes.CDLL) -> None:
    settings = c_int(2)
    handle = c_void_p(ctypes.addressof(settings))
    finding, result = only(lambda: lib.total_with(handle, p(X[::2]), c_size_t(50)), "IP302")
    assert result == X[::2].sum()
    assert finding.severity is Severity.WARNING


# --- byte order ------------------------------------------------------------------------------------


def test_foreign_bytes_are_summed_as_they_are(lib: ctypes.CDLL) -> None:
    big = np.ones(4, ">f8")
    finding, result = only(lambda: lib.total(p(big), c_size_t(4)), "IP303")
    assert result == big.view("<f8").sum() != 4.0
    assert f"C reads {big.view('<f8')[0]:.6g}" in finding.cause
    assert finding.severity is Severity.ERROR


def test_foreign_bytes_behind_raw_memory_whose_elements_are_counted(lib: ctypes.CDLL) -> None:
    big = np.ones(4, ">f8")
    finding, _ = only(lambda: lib.total(c_void_p(big.ctypes.data), c_size_t(4)), "IP303")
    assert finding.severity is Severity.WARNING


def test_foreign_bytes_as_raw_memory_are_left_alone(lib: ctypes.CDLL) -> None:
    big = np.arange(40.0).astype(">f8")

    def work() -> None:
        pointer = big.ctypes.data_as(c_void_p)
        assert lib.checksum(pointer, c_size_t(big.nbytes)) == big.view("u1").sum()
        assert lib.checksum_items(pointer, c_size_t(8), c_size_t(40)) == big.view("u1").sum()
        lib.checksum(big.ctypes.data_as(POINTER(ctypes.c_ubyte)), c_size_t(big.nbytes))
        lib.swap_doubles(p(big), c_size_t(40))
        assert big.view("<f8").tolist() == np.arange(40.0).tolist()

    assert findings_of(work) == []


# --- records ---------------------------------------------------------------------------------------


PACKED = np.dtype([("id", "i4"), ("value", "f8")])


def test_packed_records_are_read_as_padded_ones(lib: ctypes.CDLL) -> None:
    packed = np.ones(8, PACKED)
    pointer = packed.ctypes.data_as(POINTER(Sample))
    finding, result = only(lambda: lib.total_samples(pointer, c_size_t(6)), "IP310")
    assert result == packed.view("u1")[:96].view(np.dtype(Sample))["value"].sum() != 6.0
    assert finding.severity is Severity.ERROR
    assert f"it reads {pointer[0].value:.6g}" in finding.cause
    assert "goes 32 bytes past the array's end" in finding.cause


def test_the_size_alone_tells_where_only_an_address_is_known(lib: ctypes.CDLL) -> None:
    packed = np.ones(8, PACKED)

    def work() -> None:
        lib.total_samples(ctypes.cast(packed.ctypes.data, POINTER(Sample)), c_size_t(6))

    finding, _ = only(work, "IP310")
    assert "C looks for it 16 bytes behind" in finding.cause


@pytest.mark.parametrize(
    "dtype",
    [
        np.dtype(Sample),
        np.dtype([("id", "i4"), ("value", "f8")], align=True),
        np.dtype([("number", "u4"), ("weight", "f8")], align=True),
        np.dtype([("id", "i4"), ("gap", "i4"), ("value", "f8")]),
        np.dtype([("raw", "V16")]),
    ],
)
def test_records_of_the_structs_layout_are_left_alone(lib: ctypes.CDLL, dtype: Any) -> None:
    records = np.zeros(8, dtype)

    def work() -> None:
        pointer = records.ctypes.data_as(POINTER(Sample))
        lib.total_samples(pointer, c_size_t(8))
        lib.total_samples(ctypes.cast(records.ctypes.data, POINTER(Sample)), c_size_t(8))
        lib.total_samples((Sample * 8).from_buffer(records), c_size_t(8))

    assert findings_of(work) == []


def test_structs_of_every_make_are_left_alone(lib: ctypes.CDLL) -> None:
    class Point(Structure):
        _fields_ = (("x", ctypes.c_float), ("y", ctypes.c_float))

    class Either(ctypes.Union):
        _fields_ = (("whole", ctypes.c_int64), ("parts", ctypes.c_int32 * 2))

    class Packed(Structure):
        _pack_ = 1
        _layout_ = "ms"
        _fields_ = (("id", ctypes.c_int32), ("value", c_double))

    class Rich(Point):
        _fields_ = (
            ("flags", ctypes.c_uint32, 3),
            ("rest", ctypes.c_uint32, 29),
            ("name", ctypes.c_char * 4),
            ("corners", Point * 2),
            ("either", Either),
            ("next", c_void_p),
        )

    rich = np.dtype(
        {
            "names": ["xy", "bits", "label", "corners", "either", "next"],
            "formats": ["2f4", "u4", "S4", "(2,2)f4", "i8", "u8"],
            "offsets": [0, 8, 12, 16, 32, 40],
            "itemsize": 48,
        }
    )
    assert ctypes.sizeof(Rich) == rich.itemsize

    def work() -> None:
        for struct, dtype in ((Packed, PACKED), (Rich, rich)):
            records = np.zeros(3, dtype)
            lib.checksum(records.ctypes.data_as(POINTER(struct)), c_size_t(records.nbytes))
        big = np.ones(4, PACKED)
        lib.total_ids(big.ctypes.data_as(c_void_p), c_size_t(4), c_size_t(12))
        wide = np.ones(4, [("id", "i4"), ("more", "f8", 4)])
        lib.total_ids(wide.ctypes.data_as(POINTER(c_int)), c_size_t(4), c_size_t(wide.itemsize))

    assert findings_of(work) == []


def test_a_union_that_is_one_word_is_compared_by_its_neighbours(lib: ctypes.CDLL) -> None:
    class Tagged(Structure):
        class Value(ctypes.Union):
            _fields_ = (("number", c_double), ("index", ctypes.c_int64))

        _fields_ = (("value", Value), ("tag", ctypes.c_int32))

    wrong = np.ones(3, [("tag", "i4"), ("value", "f8")])
    finding, _ = only(
        lambda: lib.checksum(wrong.ctypes.data_as(POINTER(Tagged)), c_size_t(36)), "IP310"
    )
    assert "C looks for tag (int32) at offset 8" in finding.cause


# --- masks -----------------------------------------------------------------------------------------


READINGS = np.ma.masked_equal([1.0, -9999.0, 3.0, -9999.0, 5.0], -9999.0)


def test_what_lies_under_a_mask_is_summed(lib: ctypes.CDLL) -> None:
    finding, result = only(lambda: lib.total(p(READINGS), c_size_t(5)), "IP313")
    assert result == -19989.0 != READINGS.sum()
    assert finding.severity is Severity.WARNING
    assert "2 of 5 elements count as missing" in finding.cause
    assert "-9999 in the first of them" in finding.cause


def test_the_address_of_a_masked_array_is_remembered_as_such(lib: ctypes.CDLL) -> None:
    finding, _ = only(lambda: lib.total(c_void_p(READINGS.ctypes.data), c_size_t(5)), "IP313")
    assert "2 of 5" in finding.cause


def test_a_masked_view_is_counted_element_by_element(lib: ctypes.CDLL) -> None:
    grid = np.ma.masked_greater(np.arange(12.0).reshape(3, 4), 7.5)
    part = grid[1:]
    finding, _ = only(lambda: lib.total(p(part), c_size_t(8)), "IP313")
    assert "4 of 8 elements" in finding.cause
    assert "8 in the first of them" in finding.cause


def test_masked_arrays_whose_mask_does_not_matter_are_left_alone(lib: ctypes.CDLL) -> None:
    def work() -> None:
        assert lib.total_unmasked(p(READINGS), READINGS.mask.ctypes, c_size_t(5)) == 9.0
        assert lib.total_present(p(READINGS), c_size_t(5), c_double(-9999.0)) == 9.0
        assert lib.total(p(READINGS.filled(0.0)), c_size_t(5)) == 9.0
        assert lib.total(p(READINGS.compressed()), c_size_t(3)) == 9.0
        lib.total(p(READINGS.data), c_size_t(5))
        lib.total(p(np.ma.array([1.0, 2.0])), c_size_t(2))
        lib.total(p(np.ma.masked_equal([1.0, 2.0], 3.0)), c_size_t(2))

    assert findings_of(work) == []


def test_a_class_with_units_is_noted_and_numpys_own_are_not(
    lib: ctypes.CDLL, tmp_path: Path
) -> None:
    class Lengths(np.ndarray[Any, Any]):
        def __array_ufunc__(self, *_: Any, **__: Any) -> Any:
            return NotImplemented

    class Named(np.ndarray[Any, Any]):
        label = "x"

    lengths = X.view(Lengths)
    finding, _ = only(lambda: lib.total(p(lengths), c_size_t(100)), "IP313")
    assert finding.severity is Severity.NOTE
    assert "of the class" in finding.cause
    assert "Lengths" in finding.cause
    mapped = np.memmap(tmp_path / "data", np.float64, "w+", shape=(4,))

    def work() -> None:
        for array in (X.view(Named), X.view(np.matrix), X.view(np.recarray), mapped):
            lib.total(p(array), c_size_t(1))

    assert findings_of(work) == []
