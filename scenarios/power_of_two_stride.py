"""A matrix of 1024 columns is slower than one of 1032: its rows compete for a few places.

A cache keeps a line in one of a few places, which its address chooses; lines that are a multiple of
4096 bytes apart share them. The rows of a float64 matrix with 1024 columns are 8192 bytes apart, so
that all numbers of a column want the same few places. A transposition goes along the rows of one
matrix and down the columns of the other: whichever order they have, one of both pushes its own
lines out of the cache before their other numbers were used. The cure is a little room: the matrix
as a part of one with 8 more columns, whose rows are 8256 bytes apart. The function must take
strides; nothing is copied. Both sides write the same numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interprobe.cdemo import DOUBLE_POINTER, cykernels, kernels

TITLE = "a matrix whose rows start 8192 bytes apart, so that they compete in the cache"
EXPECTED = ("IP203",)
SAME_NUMBERS = True
SIZE = 4

COLUMNS = 1024
ROOM = 8
REPEATS = 10


@dataclass(frozen=True)
class Inputs:
    """A matrix and room for its transpose, tight and with unused elements behind each row.

    Attributes:
        matrix: float64, shape (n, 1024), C order; the size asked for.
        transposed: float64, shape (1024, n), C order; overwritten.
        roomy_matrix: The numbers of ``matrix``, in rows of 1032 of which 1024 are used.
        roomy_transposed: As ``transposed``, in rows that are 8 longer; overwritten.
    """

    matrix: NDArray[np.float64]
    transposed: NDArray[np.float64]
    roomy_matrix: NDArray[np.float64]
    roomy_transposed: NDArray[np.float64]


def prepare(size: int) -> Inputs:
    """Make a matrix of ``size`` MiB."""
    rows = size * 2**20 // 8 // COLUMNS
    matrix = np.random.default_rng(203).random((rows, COLUMNS))
    roomy_matrix = np.ones((rows, COLUMNS + ROOM))[:, :COLUMNS]
    roomy_matrix[...] = matrix
    return Inputs(
        matrix=matrix,
        transposed=np.ones((COLUMNS, rows)),
        roomy_matrix=roomy_matrix,
        roomy_transposed=np.ones((COLUMNS, rows + ROOM))[:, :rows],
    )


def bad(data: Inputs | None = None) -> tuple[float, ...]:
    """Transpose the tight matrix."""
    data = prepare(SIZE) if data is None else data
    return _transposed(data.matrix, data.transposed)


def good(data: Inputs | None = None) -> tuple[float, ...]:
    """Transpose the matrix with a little room behind its rows."""
    data = prepare(SIZE) if data is None else data
    return _transposed(data.roomy_matrix, data.roomy_transposed)


def _transposed(matrix: NDArray[np.float64], target: NDArray[np.float64]) -> tuple[float, float]:
    """A number of the transpose, through ctypes and through Cython."""
    for _ in range(REPEATS):
        kernels.cdemo_transpose(
            matrix.ctypes.data_as(DOUBLE_POINTER),
            matrix.shape[0],
            matrix.shape[1],
            matrix.strides[0] // matrix.itemsize,
            target.ctypes.data_as(DOUBLE_POINTER),
            target.strides[0] // target.itemsize,
        )
    through_ctypes = float(target[11, 7])

    for _ in range(REPEATS):
        cykernels.transpose(matrix, target)
    return through_ctypes, float(target[11, 7])
