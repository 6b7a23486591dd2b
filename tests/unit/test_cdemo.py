"""The demonstration kernels compute what their header promises, and refuse what it forbids."""

from __future__ import annotations

import ctypes
import math
import re
from collections.abc import Callable
from importlib import resources
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from interprobe import cdemo
from interprobe.cdemo import (
    DOUBLE_POINTER,
    FLOAT_POINTER,
    RECORD,
    RECORD_POINTER,
    cykernels,
    kernels,
)

SHAPES = [(0, 0), (0, 3), (3, 0), (1, 1), (1, 5), (2, 2), (2, 7), (3, 3), (4, 6), (17, 33)]

C_TYPES = {
    "int": ctypes.c_int,
    "size_t": ctypes.c_size_t,
    "double": ctypes.c_double,
    "double *": DOUBLE_POINTER,
    "struct cdemo_record *": RECORD_POINTER,
    "float *": FLOAT_POINTER,
    "char *": ctypes.c_char_p,
    "ptrdiff_t": ctypes.c_ssize_t,
}


def whole_numbers(*shape: int, seed: int = 0) -> NDArray[np.float64]:
    """Doubles whose sums and products are exact, so that results compare with ``==``."""
    return np.random.default_rng(seed).integers(-1000, 1000, shape).astype(np.float64)


def doubles(array: NDArray[Any]) -> Any:
    return array.ctypes.data_as(DOUBLE_POINTER)


def misaligned(array: NDArray[Any]) -> NDArray[Any]:
    """The same elements, one byte off their alignment."""
    moved = np.zeros(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
    moved[...] = array
    assert not moved.flags.aligned
    return moved


def records(count: int) -> NDArray[np.void]:
    made = np.zeros(count, RECORD)
    made["id"] = np.arange(count) % 5 - 1
    made["value"] = whole_numbers(count, seed=3)
    return made


# --- what the kernels compute, through ctypes and through Cython


@pytest.mark.parametrize("size", [0, 1, 2, 3, 1000])
def test_sum(size: int) -> None:
    x = whole_numbers(size)
    assert kernels.cdemo_sum(doubles(x), size) == x.sum()
    assert cykernels.sum(x) == x.sum()


def test_sum_adds_in_the_order_of_the_index() -> None:
    x = np.random.default_rng(1).random(10_001)
    expected = 0.0
    for value in x.tolist():
        expected += value
    assert expected != x.sum(), "these numbers cannot tell the order"
    assert kernels.cdemo_sum(doubles(x), x.size) == expected
    assert cykernels.sum(x) == expected


@pytest.mark.parametrize("size", [0, 1, 2, 3, 1000])
def test_dot(size: int) -> None:
    x, y = whole_numbers(size), whole_numbers(size, seed=1)
    assert kernels.cdemo_dot(doubles(x), doubles(y), size) == x @ y
    assert cykernels.dot(x, y) == x @ y
    assert cykernels.dot(x, x) == kernels.cdemo_dot(doubles(x), doubles(x), size) == x @ x


@pytest.mark.parametrize("size", [0, 1, 2, 3, 1000])
def test_axpy(size: int) -> None:
    x, y = whole_numbers(size), whole_numbers(size, seed=1)
    expected = y + 3.0 * x
    through_ctypes, through_cython = y.copy(), y.copy()
    kernels.cdemo_axpy(3.0, doubles(x), doubles(through_ctypes), size)
    cykernels.axpy(3.0, x, through_cython)
    np.testing.assert_array_equal(through_ctypes, expected)
    np.testing.assert_array_equal(through_cython, expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_row_sweep(shape: tuple[int, int]) -> None:
    matrix = whole_numbers(*shape)
    sums = np.full(shape[0], np.nan)
    kernels.cdemo_row_sweep(doubles(matrix), *shape, doubles(sums))
    np.testing.assert_array_equal(sums, matrix.sum(axis=1))
    sums.fill(np.nan)
    cykernels.row_sweep(matrix, sums)
    np.testing.assert_array_equal(sums, matrix.sum(axis=1))


@pytest.mark.parametrize("shape", SHAPES)
def test_column_sweeps_agree_in_both_orders(shape: tuple[int, int]) -> None:
    matrix = np.random.default_rng(2).random(shape)
    by_columns = np.asfortranarray(matrix)
    c_order, fortran, through_cython = (np.full(shape[1], np.nan) for _ in range(3))
    kernels.cdemo_column_sweep(doubles(matrix), *shape, doubles(c_order))
    kernels.cdemo_column_sweep_fortran(doubles(by_columns), *shape, doubles(fortran))
    cykernels.column_sweep_fortran(by_columns, through_cython)
    np.testing.assert_allclose(c_order, matrix.sum(axis=0), rtol=1e-12)
    np.testing.assert_array_equal(fortran, c_order)
    np.testing.assert_array_equal(through_cython, c_order)


@pytest.mark.parametrize("shape", SHAPES)
def test_stencil(shape: tuple[int, int]) -> None:
    before = whole_numbers(*shape)
    expected = before.copy()
    inner = before[1:-1, 1:-1]
    neighbours = before[:-2, 1:-1] + before[2:, 1:-1] + before[1:-1, :-2] + before[1:-1, 2:]
    expected[1:-1, 1:-1] = inner + 0.125 * (neighbours - 4.0 * inner)
    after = np.full(shape, np.nan)
    kernels.cdemo_stencil(doubles(before), doubles(after), *shape, 0.125)
    np.testing.assert_array_equal(after, expected)
    after.fill(np.nan)
    cykernels.stencil(before, after, 0.125)
    np.testing.assert_array_equal(after, expected)


@pytest.mark.parametrize("count", [0, 1, 2, 1000])
def test_records_sum_leaves_out_void_records(count: int) -> None:
    measured = records(count)
    expected = measured["value"][measured["id"] >= 0].sum()
    pointer = measured.ctypes.data_as(RECORD_POINTER)
    assert kernels.cdemo_records_sum(pointer, count) == expected
    assert cykernels.records_sum(measured) == expected


@pytest.mark.parametrize("step", [1, 2, 7, -1, -3])
@pytest.mark.parametrize("size", [0, 1, 2, 1000])
def test_peak(size: int, step: int) -> None:
    x = whole_numbers(size * abs(step))[::step]
    expected = x.max(initial=-np.inf)
    assert kernels.cdemo_peak(doubles(x), size, step) == expected
    assert cykernels.peak(x) == expected


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("order", ["C", "F"])
def test_scale_columns(shape: tuple[int, int], order: Literal["C", "F"]) -> None:
    matrix = np.asarray(whole_numbers(*shape), order=order)
    factors = whole_numbers(shape[1], seed=1)
    rows_apart, columns_apart = (shape[1], 1) if order == "C" else (1, shape[0])
    through_ctypes, through_cython = (np.full(shape, np.nan, order=order) for _ in range(2))
    kernels.cdemo_scale_columns(
        doubles(matrix),
        *shape,
        rows_apart,
        columns_apart,
        doubles(factors),
        doubles(through_ctypes),
    )
    cykernels.scale_columns(matrix, factors, through_cython)
    np.testing.assert_array_equal(through_ctypes, matrix * factors)
    np.testing.assert_array_equal(through_cython, matrix * factors)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("room", [0, 3])
def test_transpose_leaves_what_lies_behind_a_row_alone(shape: tuple[int, int], room: int) -> None:
    rows, cols = shape
    source = whole_numbers(rows, cols + room)
    through_ctypes, through_cython = (np.full((cols, rows + room), 7.5) for _ in range(2))
    kernels.cdemo_transpose(
        doubles(source), rows, cols, cols + room, doubles(through_ctypes), rows + room
    )
    cykernels.transpose(source[:, :cols], through_cython[:, :rows])
    for target in (through_ctypes, through_cython):
        np.testing.assert_array_equal(target[:, :rows], source[:, :cols].T)
        np.testing.assert_array_equal(target[:, rows:], 7.5)


@pytest.mark.parametrize("size", [1, 63, 64, 65, 1024, 3000])
def test_settle_yields_the_same_bits_at_any_address(size: int) -> None:
    inputs = np.random.default_rng(5).random(size)
    expected = np.zeros(size)
    for _ in range(7):
        expected += 0.25 * (inputs - expected)
    for x in (inputs, misaligned(inputs)):
        for answers in (np.full(size, np.nan), misaligned(inputs)):
            kernels.cdemo_settle(doubles(x), doubles(answers), size, 7, 0.25)
            np.testing.assert_array_equal(answers, expected)
            answers[...] = np.nan
            cykernels.settle(x, answers, 7, 0.25)
            np.testing.assert_array_equal(answers, expected)


# --- what they refuse


@pytest.mark.parametrize(
    "call",
    [
        lambda good, wrong: kernels.cdemo_sum(wrong, 4),
        lambda good, wrong: kernels.cdemo_dot(good, wrong, 4),
        lambda good, wrong: kernels.cdemo_dot(wrong, good, 4),
        lambda good, wrong: kernels.cdemo_peak(wrong, 4, 1),
        lambda good, wrong: kernels.cdemo_records_sum(ctypes.cast(wrong, RECORD_POINTER), 2),
    ],
    ids=["sum", "dot-second", "dot-first", "peak", "records_sum"],
)
def test_a_refused_reduction_is_nan(call: Callable[[Any, Any], float]) -> None:
    buffer = np.ones(4)
    assert math.isnan(call(doubles(buffer), None))
    assert math.isnan(call(doubles(buffer), doubles(misaligned(buffer))))
    assert not math.isnan(call(doubles(buffer), doubles(buffer)))


@pytest.mark.parametrize(
    "call",
    [
        lambda x, y: kernels.cdemo_axpy(1.0, x, y, 4),
        lambda x, y: kernels.cdemo_row_sweep(x, 2, 2, y),
        lambda x, y: kernels.cdemo_column_sweep(x, 2, 2, y),
        lambda x, y: kernels.cdemo_column_sweep_fortran(x, 2, 2, y),
        lambda x, y: kernels.cdemo_stencil(x, y, 2, 2, 0.25),
        lambda x, y: kernels.cdemo_transpose(x, 2, 2, 2, y, 2),
        lambda x, y: kernels.cdemo_scale_columns(x, 2, 2, 2, 1, doubles(np.ones(2)), y),
    ],
    ids=[
        "axpy",
        "row_sweep",
        "column_sweep",
        "column_sweep_fortran",
        "stencil",
        "transpose",
        "scale_columns",
    ],
)
def test_a_refused_kernel_raises_and_writes_nothing(call: Callable[[Any, Any], None]) -> None:
    x, y = np.ones(4), np.full(4, 7.0)
    for wrong, reason in ((None, "null"), (doubles(misaligned(x)), "not aligned")):
        with pytest.raises(ValueError, match=reason):
            call(wrong, doubles(y))
        with pytest.raises(ValueError, match=reason):
            call(doubles(x), wrong)
    np.testing.assert_array_equal(y, 7.0)
    call(doubles(x), doubles(y))
    assert not np.array_equal(y, np.full(4, 7.0))


def test_null_with_length_0_is_no_error() -> None:
    assert kernels.cdemo_sum(None, 0) == 0.0
    assert kernels.cdemo_dot(None, None, 0) == 0.0
    assert kernels.cdemo_records_sum(None, 0) == 0.0
    kernels.cdemo_axpy(1.0, None, None, 0)
    kernels.cdemo_stencil(None, None, 0, 5, 0.25)
    kernels.cdemo_stencil(None, None, 5, 0, 0.25)
    kernels.cdemo_settle(None, None, 0, 5, 0.25)


def test_every_status_has_a_sentence() -> None:
    sentences = {kernels.cdemo_describe(status) for status in (0, 1, 2, 99)}
    assert len(sentences) == 4
    assert kernels.cdemo_describe(99) == b"unknown status"


VECTOR, MATRIX = whole_numbers(4), whole_numbers(4, 4)


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (lambda: cykernels.sum(VECTOR.astype(np.float32)), "dtype mismatch"),
        (lambda: cykernels.sum(VECTOR[::2]), "not C-contiguous"),
        (lambda: cykernels.sum(MATRIX), "wrong number of dimensions"),
        (lambda: cykernels.sum(misaligned(VECTOR)), "not aligned"),
        (lambda: cykernels.dot(VECTOR, misaligned(VECTOR)), "not aligned"),
        (lambda: cykernels.dot(VECTOR, VECTOR[:3]), "y has 3 elements; 4 are needed"),
        (lambda: cykernels.axpy(1.0, VECTOR[:3], VECTOR.copy()), "y has 4 elements"),
        (lambda: cykernels.axpy(1.0, misaligned(VECTOR), VECTOR.copy()), "not aligned"),
        (lambda: cykernels.axpy(1.0, VECTOR, np.frombuffer(bytes(32))), "y is read-only"),
        (lambda: cykernels.row_sweep(np.asfortranarray(MATRIX), VECTOR), "not C-contiguous"),
        (lambda: cykernels.row_sweep(MATRIX, VECTOR[:3].copy()), "sums has 3 elements"),
        (lambda: cykernels.row_sweep(misaligned(MATRIX), VECTOR.copy()), "not aligned"),
        (lambda: cykernels.row_sweep(MATRIX, misaligned(VECTOR)), "not aligned"),
        (lambda: cykernels.row_sweep(MATRIX, np.frombuffer(bytes(32))), "read-only"),
        (lambda: cykernels.column_sweep_fortran(MATRIX, VECTOR), "not Fortran contiguous"),
        (lambda: cykernels.column_sweep_fortran(MATRIX[:2].T, VECTOR), "sums has 4 elements"),
        (lambda: cykernels.stencil(MATRIX, MATRIX[:3].copy(), 0.25), "first dimension of after"),
        (lambda: cykernels.stencil(MATRIX.T, MATRIX.copy(), 0.25), "not C.contiguous"),
        (lambda: cykernels.stencil(MATRIX, misaligned(MATRIX), 0.25), "not aligned"),
        (
            lambda: cykernels.stencil(MATRIX, np.frombuffer(bytes(128)).reshape(4, 4), 0.25),
            "after is read-only",
        ),
        (lambda: cykernels.peak(misaligned(VECTOR)), "not aligned"),
        (lambda: cykernels.peak(np.zeros(4, "i4,f8")["f1"]), "not aligned"),
        (lambda: cykernels.scale_columns(MATRIX, VECTOR[:3], MATRIX.copy()), "factors has 3"),
        (lambda: cykernels.scale_columns(MATRIX, VECTOR, MATRIX[:3].copy()), "first dimension"),
        (lambda: cykernels.scale_columns(MATRIX, VECTOR, MATRIX[:, :3].copy()), "second dim"),
        (lambda: cykernels.scale_columns(misaligned(MATRIX), VECTOR, MATRIX.copy()), "not aligned"),
        (lambda: cykernels.transpose(MATRIX[:3], MATRIX.copy()), "second dimension of target"),
        (lambda: cykernels.transpose(MATRIX[:, :3], MATRIX.copy()), "first dimension of target"),
        (lambda: cykernels.transpose(MATRIX, misaligned(MATRIX)), "not aligned"),
        (lambda: cykernels.settle(VECTOR, VECTOR[:3].copy(), 1, 0.5), "answers has 3"),
        (lambda: cykernels.settle(VECTOR, np.frombuffer(bytes(32)), 1, 0.5), "read-only"),
        (lambda: cykernels.records_sum(misaligned(records(4))), "not aligned"),
        (
            lambda: cykernels.records_sum(np.zeros(4, [("id", "i4"), ("value", "f8")])),
            "dtype mismatch",
        ),
    ],
)
def test_cython_refuses(call: Callable[[], object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        call()


def test_cython_refuses_none() -> None:
    nothing: Any = None
    with pytest.raises(TypeError):
        cykernels.sum(nothing)
    with pytest.raises(TypeError):
        cykernels.records_sum(nothing)
    with pytest.raises(TypeError):
        cykernels.axpy(1.0, nothing, nothing)


def test_cython_reads_read_only_arrays() -> None:
    frozen = np.ones((4, 4))
    frozen.flags.writeable = False
    sums, after = np.empty(4), np.empty((4, 4))
    assert cykernels.sum(frozen[0]) == 4.0
    cykernels.axpy(1.0, frozen[0], np.zeros(4))
    cykernels.row_sweep(frozen, sums)
    np.testing.assert_array_equal(sums, 4.0)
    cykernels.stencil(frozen, after, 0.25)
    np.testing.assert_array_equal(after, frozen)


@pytest.mark.parametrize("size", [0, 1, 2, 1000])
def test_longest_gap(size: int) -> None:
    steps = np.random.default_rng(4).integers(1, 100, size)
    times = np.cumsum(steps).astype(np.float32)
    expected = float(steps[1:].max(initial=0))
    assert kernels.cdemo_longest_gap(times.ctypes.data_as(FLOAT_POINTER), size) == expected
    assert cykernels.longest_gap(times) == expected
    assert cykernels.longest_gap(np.cumsum(steps)) == expected
    if size > 0:
        off = misaligned(times).ctypes.data_as(FLOAT_POINTER)
        assert np.isnan(kernels.cdemo_longest_gap(off, size))


@pytest.mark.parametrize("size", [0, 1, 2, 1000])
def test_saturation(size: int) -> None:
    x = np.random.default_rng(5).random(size)
    expected = 0.0
    for value in x.tolist():
        expected += value / (0.5 + value)
    assert kernels.cdemo_saturation(doubles(x), 0.5, size) == expected
    assert cykernels.saturation(x, 0.5) == expected
    if size > 0:
        assert np.isnan(kernels.cdemo_saturation(doubles(misaligned(x)), 0.5, size))
        with pytest.raises(ValueError, match="not aligned"):
            cykernels.saturation(misaligned(x), 0.5)


# --- declarations and header


def test_the_three_declarations_of_a_record_agree() -> None:
    fields = RECORD.fields
    assert fields is not None
    for name in ("id", "value"):
        assert fields[name][1] == getattr(cdemo.Record, name).offset
    assert RECORD.itemsize == ctypes.sizeof(cdemo.Record)
    assert RECORD.alignment == ctypes.alignment(cdemo.Record)
    assert RECORD.itemsize > np.dtype([("id", "i4"), ("value", "f8")]).itemsize


def prototypes() -> dict[str, tuple[Any, list[Any]]]:
    """Return type and argument types of each function that ``kernels.h`` declares."""
    header = resources.files("interprobe.cdemo").joinpath("kernels.h").read_text("ascii")
    header = re.sub(r"/\*.*?\*/", " ", header, flags=re.DOTALL)
    header = re.sub(r"^#.*$", " ", header, flags=re.MULTILINE)
    header = re.sub(r"\b(const|CDEMO_RESTRICT)\b", " ", header)
    found = {}
    for returned, star, name, taken in re.findall(
        r"\b(double|int|char)\s*(\*?)\s*(cdemo_\w+)\(([^)]*)\);", header
    ):
        arguments = []
        for argument in taken.split(","):
            kind, pointer = re.fullmatch(r"\s*(.*?)\s*(\*?)\s*\w+\s*", argument).groups()  # type: ignore[union-attr]
            arguments.append(C_TYPES[f"{kind} {pointer}".strip()])
        found[name] = (C_TYPES[f"{returned} {star}".strip()], arguments)
    return found


def test_ctypes_declares_what_the_header_does() -> None:
    declared = prototypes()
    assert set(declared) == {name for name in vars(kernels) if name.startswith("cdemo_")}
    for name, (returned, taken) in declared.items():
        function = vars(kernels)[name]
        assert function.restype is returned, name
        assert list(function.argtypes) == taken, name
