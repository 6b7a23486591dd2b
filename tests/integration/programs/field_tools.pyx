# cython: language_level=3
"""Cython functions of all kinds: of a module, of a cdef class, and one without binding."""

cimport cython


def total(const double[:] values, double scale=1.0):
    """Sum of the values."""
    cdef double sum = 0.0
    cdef Py_ssize_t i
    for i in range(values.shape[0]):
        sum += values[i]
    return sum * scale


def fail(message):
    raise ValueError(message)


@cython.binding(False)
def unbound(values):
    return len(values)


def outer(values):
    return total(values)


cdef class Field:
    cdef double value

    def __init__(self, value):
        self.value = value

    def scaled(self, factor):
        return self.value * factor

    @staticmethod
    def unit():
        return 1.0
