"""A matrix in one storage order goes to a kernel that was written for the other.

NumPy stores a matrix row after row (C order) unless it is told otherwise; LAPACK, MATLAB files,
R, and a transpose store it column after column (Fortran order). A kernel is written for one of the
two. Handed the other, the program has to rearrange the whole matrix first: the slowest copy there
is, because either the reads or the writes jump a whole row each time. It happens in both
directions, and C order is not always the cure: the callee's order is the right one. Here ``bad``
rearranges a Fortran-ordered matrix for a kernel that wants C order (and then sums columns against
the layout), and a C-ordered one for a kernel that wants Fortran order. ``good`` sums the columns of
the Fortran-ordered matrix with the kernel written for that order. Each column is summed from top to
bottom on both sides, so the numbers agree to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interprobe.cdemo import DOUBLE_POINTER, cykernels, kernels

TITLE = "a matrix in the storage order that the kernel was not written for"
EXPECTED = ("IP102",)
SAME_NUMBERS = True
SIZE = 64


@dataclass(frozen=True)
class Inputs:
    """The same matrix in both orders.

    Attributes:
        c_ordered: float64, shape (rows, cols), row after row; the size asked for.
        fortran_ordered: float64, shape (rows, cols), column after column.
    """

    c_ordered: NDArray[np.float64]
    fortran_ordered: NDArray[np.float64]


def prepare(size: int) -> Inputs:
    """Make a matrix of ``size`` MiB with 1000 columns."""
    # 1000 and no power of two: rows 2**n bytes apart would share a few cache sets, which is a
    # pitfall of its own.
    columns = 1000
    rows = size * 2**20 // (columns * 8)
    c_ordered = np.random.default_rng(102).random((rows, columns))
    return Inputs(c_ordered, np.asfortranarray(c_ordered))


def bad(data: Inputs | None = None) -> tuple[float, ...]:
    """Rearrange the matrix for the kernel, in either direction."""
    data = prepare(SIZE) if data is None else data
    rows, columns = data.c_ordered.shape

    by_rows = np.ascontiguousarray(data.fortran_ordered)
    sums = np.empty(columns)
    matrix_pointer = by_rows.ctypes.data_as(DOUBLE_POINTER)
    sums_pointer = sums.ctypes.data_as(DOUBLE_POINTER)
    kernels.cdemo_column_sweep(matrix_pointer, rows, columns, sums_pointer)
    through_ctypes = tuple(sums.tolist())

    by_columns = np.asfortranarray(data.c_ordered)
    cykernels.column_sweep_fortran(by_columns, sums)
    through_cython = tuple(sums.tolist())

    return through_ctypes + through_cython


def good(data: Inputs | None = None) -> tuple[float, ...]:
    """Sum the columns of the Fortran-ordered matrix with the kernel for that order."""
    data = prepare(SIZE) if data is None else data
    rows, columns = data.fortran_ordered.shape

    sums = np.empty(columns)
    matrix_pointer = data.fortran_ordered.ctypes.data_as(DOUBLE_POINTER)
    sums_pointer = sums.ctypes.data_as(DOUBLE_POINTER)
    kernels.cdemo_column_sweep_fortran(matrix_pointer, rows, columns, sums_pointer)
    through_ctypes = tuple(sums.tolist())

    cykernels.column_sweep_fortran(data.fortran_ordered, sums)
    through_cython = tuple(sums.tolist())

    return through_ctypes + through_cython
