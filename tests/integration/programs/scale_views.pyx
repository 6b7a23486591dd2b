# cython: language_level=3
"""Cython functions that change arrays in place, convert them first, or work on a copy of their own."""

import numpy as np


def scale(double[:] values, double factor):
    """Scale in place."""
    cdef Py_ssize_t i
    for i in range(values.shape[0]):
        values[i] *= factor


def scale_converted(values, double factor):
    """Scale in place what fits; what does not is converted, and the copy is scaled."""
    cdef double[:] view = np.asarray(values, dtype=np.float64)
    cdef Py_ssize_t i
    for i in range(view.shape[0]):
        view[i] *= factor


def scale_written_back(values, double factor):
    """Scale in place, whatever the elements are."""
    converted = np.asarray(values, dtype=np.float64)
    cdef double[:] view = converted
    cdef Py_ssize_t i
    for i in range(view.shape[0]):
        view[i] *= factor
    if converted is not values:
        values[...] = converted


def scaled(values, double factor):
    """A scaled array."""
    result = np.asarray(values, dtype=np.float64)
    cdef double[:] view = result
    cdef Py_ssize_t i
    for i in range(view.shape[0]):
        view[i] *= factor
    return result


def median(values):
    """Sorts a copy of its own to find the middle."""
    own = np.asarray(values, dtype=np.float64)
    own.sort()
    return own[own.shape[0] // 2]


class Model:
    """Centres a copy of its own, and keeps a number that it computes of it."""

    def fit(self, values):
        """Keep the spread of the values."""
        own = np.array(values, dtype=np.float64)
        own -= own.mean()
        self.spread = float(own.max())


def first_index(values):
    """What an int32 array makes of the first value."""
    cdef int[:] indices = np.asarray(values, dtype=np.int32)
    return indices[0]
