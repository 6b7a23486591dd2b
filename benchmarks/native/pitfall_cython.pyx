# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""The pitfalls' kernels in Cython: memoryviews that take any strides, and one that converts."""

import numpy as np


cdef extern from "pitfall_kernels.h":
    double total_of(const double *values, size_t n, int rounds) nogil


def total(array, int rounds):
    """The sum of all values, after so many steps with each; of whatever makes a float64 array."""
    cdef const double[::1] values = np.ascontiguousarray(array, dtype=np.float64).reshape(-1)
    return total_of(&values[0], values.shape[0], rounds)


def total_of_view(const double[:] values):
    """The sum of float64 values of shape (n,), with any stride."""
    cdef double sum = 0.0
    cdef Py_ssize_t i
    for i in range(values.shape[0]):
        sum += values[i]
    return sum


def total_by_rows(const double[:, :] matrix):
    """The sum of a float64 matrix of shape (m, n), row by row."""
    cdef double sum = 0.0
    cdef Py_ssize_t i, j
    for i in range(matrix.shape[0]):
        for j in range(matrix.shape[1]):
            sum += matrix[i, j]
    return sum


def total_by_columns(const double[:, :] matrix, int columns):
    """The sum of the first columns of a float64 matrix of shape (m, n), column by column, 8 times."""
    cdef double sum = 0.0
    cdef Py_ssize_t i, j
    for _ in range(8):
        for j in range(columns):
            for i in range(matrix.shape[0]):
                sum += matrix[i, j]
    return sum
