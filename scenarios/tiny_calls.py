"""Each row of a matrix is summed by a call of its own: eight numbers, and a trip to C and back.

A call from Python into native code takes time however little is done there: arguments are packed
and converted, C is entered and left. Through ctypes that is some 500 ns, through Cython 100; C adds
eight numbers in about five. So nearly all of the loop's time goes into getting there. The cure is
one call that is handed the whole matrix: the loop over the rows then runs in C.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interprobe.cdemo import DOUBLE_POINTER, cykernels, kernels

TITLE = "one call for each short row of a matrix, where one call could do all rows"
EXPECTED = ("IP501",)
SAME_NUMBERS = True
SIZE = 4

COLUMNS = 8


@dataclass(frozen=True)
class Inputs:
    """A matrix, and its rows for those who take them one by one.

    Attributes:
        matrix: float64, shape (n, 8), C order; the size asked for.
        rows: Its rows: views of shape (8,).
        pointers: The address of each row, as ``double *``.
    """

    matrix: NDArray[np.float64]
    rows: list[NDArray[np.float64]]
    pointers: list[Any]


def prepare(size: int) -> Inputs:
    """Make a matrix of ``size`` MiB."""
    matrix = np.random.default_rng(501).random((size * 2**20 // 8 // COLUMNS, COLUMNS))
    rows = list(matrix)
    return Inputs(matrix, rows, [row.ctypes.data_as(DOUBLE_POINTER) for row in rows])


def bad(data: Inputs | None = None) -> tuple[float, ...]:
    """Call the kernel once for each row."""
    data = prepare(SIZE) if data is None else data

    sums = [kernels.cdemo_sum(pointer, COLUMNS) for pointer in data.pointers]
    through_ctypes = max(sums)

    sums = [cykernels.sum(row) for row in data.rows]
    through_cython = max(sums)

    return through_ctypes, through_cython


def good(data: Inputs | None = None) -> tuple[float, ...]:
    """Call a kernel that goes through the rows itself, once."""
    data = prepare(SIZE) if data is None else data

    sums = np.empty(len(data.matrix))
    matrix = data.matrix.ctypes.data_as(DOUBLE_POINTER)
    target = sums.ctypes.data_as(DOUBLE_POINTER)
    kernels.cdemo_row_sweep(matrix, len(sums), COLUMNS, target)
    through_ctypes = float(np.max(sums))

    cykernels.row_sweep(data.matrix, sums)
    through_cython = float(np.max(sums))

    return through_ctypes, through_cython
