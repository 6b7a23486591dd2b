# cython: language_level=3
"""Functions of a package whose modules share the types of Cython's functions."""

cimport cython


def total(const double[:] values):
    return values[0] + values[values.shape[0] - 1]


def first(const cython.floating[:] values):
    return values[0]


cdef class Field:
    def scaled(self, const double[:] values):
        return 2 * values[0]

    def fused(self, const cython.floating[:] values):
        return 3 * values[0]
