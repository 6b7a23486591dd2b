"""A column of a table is refused by the compiled kernel, and the slow way is taken in silence.

The kernel wants its numbers side by side. ``table[:, 0]`` is a view whose elements lie a whole row
apart, and both bindings say so: ctypes raises ``ArgumentError``, because ``ndpointer`` declares
``C_CONTIGUOUS``, and the Cython function raises ``ValueError: ndarray is not C-contiguous``. That
is as it should be: the alternative is a wrong number. But the program catches the exception and
computes the sum in another way, so the compiled kernel is never used, and nobody notices. The
exception names neither the argument nor the cure. The cure is to store the table by columns: each
column is then contiguous as it lies. Both sides add in the same order, so the numbers agree to the
last bit.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interprobe.cdemo import cykernels, kernels

TITLE = "columns of a table that the compiled kernel refuses, summed the slow way"
EXPECTED = ("IP315",)
SAME_NUMBERS = True
SIZE = 64

COLUMNS = 4

_checked_sum = kernels["cdemo_sum"]
_checked_sum.argtypes = (
    np.ctypeslib.ndpointer(dtype=np.float64, ndim=1, flags="C_CONTIGUOUS"),
    ctypes.c_size_t,
)
_checked_sum.restype = ctypes.c_double


@dataclass(frozen=True)
class Inputs:
    """The same table, stored row by row and column by column.

    Attributes:
        by_rows: float64, shape (rows, 4), C order; the size asked for.
        by_columns: float64, shape (4, rows), C order: the values of ``by_rows``.
    """

    by_rows: NDArray[np.float64]
    by_columns: NDArray[np.float64]


def prepare(size: int) -> Inputs:
    """Make a table of ``size`` MiB."""
    by_columns = np.random.default_rng(315).random((COLUMNS, size * 2**20 // (COLUMNS * 8)))
    return Inputs(np.ascontiguousarray(by_columns.T), by_columns)


def bad(data: Inputs | None = None) -> tuple[float, ...]:
    """Offer the kernel a column of rows, and go another way when it is refused."""
    data = prepare(SIZE) if data is None else data
    column = data.by_rows[:, 0]

    try:
        through_ctypes = float(_checked_sum(column, column.size))
    except ctypes.ArgumentError:
        through_ctypes = _sum_in_numpy(column)

    try:
        through_cython = float(cykernels.sum(column))
    except ValueError:
        through_cython = _sum_in_numpy(column)

    return through_ctypes, through_cython


def good(data: Inputs | None = None) -> tuple[float, ...]:
    """Hand over a column that lies in one block."""
    data = prepare(SIZE) if data is None else data
    column = data.by_columns[0]
    return float(_checked_sum(column, column.size)), float(cykernels.sum(column))


def _sum_in_numpy(values: NDArray[np.float64]) -> float:
    """Sum in the order of the index, as the kernel adds, but with every partial sum stored."""
    return float(np.cumsum(values)[-1])
