"""A function goes down the columns of a matrix whose rows lie side by side.

The function scales each column by a factor of its own, column after column. In C order, which NumPy
makes by default, the numbers of a row are neighbours: down a column, each step jumps a whole row
and lands in another line of the cache, of which 8 bytes of 64 are used before the next ones push it
out. The same function on the same matrix in Fortran order, where the numbers of a column are
neighbours, takes a fraction of the time. It takes strides, so that both orders are right, and
nothing is copied either way: no profile shows more than a slow call. Both sides compute the same
numbers, to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interprobe.cdemo import DOUBLE_POINTER, cykernels, kernels

TITLE = "a matrix in C order that a function walks column by column"
EXPECTED = ("IP202",)
SAME_NUMBERS = True
SIZE = 4

ROWS = 1500
REPEATS = 10


@dataclass(frozen=True)
class Inputs:
    """The same matrix in both orders, and room for the result in both.

    Attributes:
        rows_first: float64, shape (1500, n), C order; the size asked for.
        columns_first: The same in Fortran order.
        factors: float64, shape (n,).
        scaled_rows_first: As ``rows_first``; overwritten.
        scaled_columns_first: As ``columns_first``; overwritten.
    """

    rows_first: NDArray[np.float64]
    columns_first: NDArray[np.float64]
    factors: NDArray[np.float64]
    scaled_rows_first: NDArray[np.float64]
    scaled_columns_first: NDArray[np.float64]


def prepare(size: int) -> Inputs:
    """Make a matrix of ``size`` MiB."""
    random = np.random.default_rng(202)
    matrix = random.random((ROWS, size * 2**20 // 8 // ROWS))
    columns_first = np.asfortranarray(matrix)
    return Inputs(
        rows_first=matrix,
        columns_first=columns_first,
        factors=random.random((matrix.shape[1],)),
        scaled_rows_first=np.ones_like(matrix),
        scaled_columns_first=np.ones_like(columns_first),
    )


def bad(data: Inputs | None = None) -> tuple[float, ...]:
    """Hand over the matrix in C order."""
    data = prepare(SIZE) if data is None else data
    return _scaled(data.rows_first, data.factors, data.scaled_rows_first)


def good(data: Inputs | None = None) -> tuple[float, ...]:
    """Hand over the matrix in the order in which the function walks."""
    data = prepare(SIZE) if data is None else data
    return _scaled(data.columns_first, data.factors, data.scaled_columns_first)


def _scaled(
    matrix: NDArray[np.float64], factors: NDArray[np.float64], scaled: NDArray[np.float64]
) -> tuple[float, float]:
    """A number of the result, through ctypes and through Cython."""
    row_step, column_step = (step // matrix.itemsize for step in matrix.strides)
    for _ in range(REPEATS):
        kernels.cdemo_scale_columns(
            matrix.ctypes.data_as(DOUBLE_POINTER),
            matrix.shape[0],
            matrix.shape[1],
            row_step,
            column_step,
            factors.ctypes.data_as(DOUBLE_POINTER),
            scaled.ctypes.data_as(DOUBLE_POINTER),
        )
    through_ctypes = float(scaled[7, 11])

    for _ in range(REPEATS):
        cykernels.scale_columns(matrix, factors, scaled)
    return through_ctypes, float(scaled[7, 11])
