# cython: language_level=3, boundscheck=False, wraparound=False
"""Methods of an extension type, of a Python class and of neither that read memoryviews in place."""


cdef class Fixed:
    """An extension type."""

    cdef readonly double factor

    def __cinit__(self):
        self.factor = 2.0

    def total(self, double[:] values):
        """The sum, times a number of the object's own."""
        return self.factor * total(values)

    @staticmethod
    def sum(double[:] values):
        """The sum."""
        return total(values)


class Plain:
    """A Python class."""

    factor = 3.0

    def total(self, double[:] values):
        """The sum, times a number of the class's own."""
        return self.factor * total(values)


def total(double[:] values):
    """The sum."""
    cdef Py_ssize_t i
    cdef double result = 0
    for i in range(values.shape[0]):
        result += values[i]
    return result
