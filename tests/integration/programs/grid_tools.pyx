# cython: language_level=3
"""An extension of somebody else's: converts what it is given in three ways."""

import numpy as np
cimport numpy as cnp

cnp.import_array()


def mean_of_rows(grid):
    """Through np.ascontiguousarray and a typed memoryview."""
    cdef double[:, ::1] cells = np.ascontiguousarray(grid, dtype=np.float64)
    cdef double total = 0.0
    cdef Py_ssize_t i, j
    for i in range(cells.shape[0]):
        for j in range(cells.shape[1]):
            total += cells[i, j]
    return total / (cells.shape[0] * cells.shape[1])


def corner(grid):
    """Through NumPy's C API: aligned, C order, doubles."""
    cdef cnp.ndarray cells = cnp.PyArray_FROMANY(
        grid, cnp.NPY_DOUBLE, 2, 2, cnp.NPY_ARRAY_C_CONTIGUOUS | cnp.NPY_ARRAY_ALIGNED)
    return cells[0, 0]


def refill(cnp.ndarray target, cnp.ndarray source):
    """Into an array that exists."""
    cnp.PyArray_CopyInto(target, source)


def total_in_place(const double[:, :] grid):
    """Borrows: takes any strides, copies nothing."""
    cdef double total = 0.0
    cdef Py_ssize_t i, j
    for i in range(grid.shape[0]):
        for j in range(grid.shape[1]):
            total += grid[i, j]
    return total
