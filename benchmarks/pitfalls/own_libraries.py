"""Conversions right before calls of a C library through ctypes and cffi."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.pitfalls import Pitfall, Sides

_DOUBLES = ctypes.POINTER(ctypes.c_double)


def _ctypes_total(built: Path, pointer: Any) -> Any:
    total = ctypes.CDLL(f"{built}/libpitfall_library.so").total
    total.restype = ctypes.c_double
    total.argtypes = [pointer, ctypes.c_size_t, ctypes.c_int]
    return total


def _column(rounds: int) -> Any:
    def prepare(built: Path) -> Sides:
        total = _ctypes_total(built, _DOUBLES)
        matrix = np.linspace(0.0, 1.0, 800_000).reshape(200_000, 4)
        column = np.ascontiguousarray(matrix[:, 1])

        def bad() -> float:
            values = np.ascontiguousarray(matrix[:, 1])
            return total(values.ctypes.data_as(_DOUBLES), values.size, rounds)

        def good() -> float:
            return total(column.ctypes.data_as(_DOUBLES), column.size, rounds)

        return Sides(bad, good)

    return prepare


def _prepare_address(built: Path) -> Sides:
    total = _ctypes_total(built, ctypes.c_void_p)
    singles = np.linspace(0.0, 1.0, 400_000, dtype="f4")
    doubles = singles.astype("f8")

    def bad() -> float:
        values = singles.astype("f8")
        return total(values.ctypes.data, values.size, 1)

    def good() -> float:
        return total(doubles.ctypes.data, doubles.size, 1)

    return Sides(bad, good)


def _prepare_small(built: Path) -> Sides:
    total = _ctypes_total(built, _DOUBLES)
    given = np.linspace(0.0, 1.0, 160_000)[::8]
    wanted = given.copy()

    def bad() -> float:
        values = np.ascontiguousarray(given)
        return total(values.ctypes.data_as(_DOUBLES), values.size, 2)

    def good() -> float:
        return total(wanted.ctypes.data_as(_DOUBLES), wanted.size, 2)

    return Sides(bad, good)


def _prepare_buffer(built: Path) -> Sides:
    import cffi

    ffi = cffi.FFI()
    ffi.cdef("double total(const double *values, size_t n, int rounds);")
    library = ffi.dlopen(f"{built}/libpitfall_library.so")
    matrix = np.linspace(0.0, 1.0, 360_000).reshape(600, 600)
    turned = matrix.T.copy()

    def bad() -> float:
        values = np.ascontiguousarray(matrix.T)
        return library.total(ffi.from_buffer("double[]", values), values.size, 1)

    def good() -> float:
        return library.total(ffi.from_buffer("double[]", turned), turned.size, 1)

    return Sides(bad, good)


def _prepare_cast(built: Path) -> Sides:
    import cffi

    ffi = cffi.FFI()
    ffi.cdef("double total(const double *values, size_t n, int rounds);")
    library = ffi.dlopen(f"{built}/libpitfall_library.so")
    whole = np.arange(300_000, dtype="i8")
    doubles = whole.astype("f8")

    def bad() -> float:
        values = whole.astype("f8")
        return library.total(ffi.cast("double *", values.ctypes.data), values.size, 4)

    def good() -> float:
        return library.total(ffi.cast("double *", doubles.ctypes.data), doubles.size, 4)

    return Sides(bad, good)


CASES = (
    Pitfall("ctypes-column", "ctypes", "a column, made contiguous first", _column(0), ()),
    Pitfall(
        "ctypes-column-heavy", "ctypes", "the same with much work in the kernel", _column(100), ()
    ),
    Pitfall("ctypes-address", "ctypes", "float32, made float64 first", _prepare_address, ()),
    Pitfall("ctypes-small", "ctypes", "160 kB of every 8th value", _prepare_small, ()),
    Pitfall("cffi-buffer", "cffi", "a transposed matrix", _prepare_buffer, ("cffi",)),
    Pitfall("cffi-cast", "cffi", "int64, made float64 first", _prepare_cast, ("cffi",)),
)
