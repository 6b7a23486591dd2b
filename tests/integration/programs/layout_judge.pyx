# cython: language_level=3
"""Functions that take arrays of any strides, and see to it that these are as the test expects."""


def judge(array, expected, total):
    """Fail unless the array's layout is one of those expected, and its numbers add up to a total.

    Args:
        array: Any array.
        expected: Tuples of strides and whether the elements are aligned.
        total: Of all elements, exact.
    """
    if (array.strides, array.flags.aligned) not in expected:
        raise ValueError("another layout")
    if float(array.sum()) != total:
        raise ValueError("other numbers")


def compute(const double[:] values):
    """Work on each number for so long that it does not matter where it lies."""
    cdef Py_ssize_t i
    cdef int step
    cdef double each, total = 0.0
    for i in range(values.shape[0]):
        each = values[i]
        for step in range(50):
            each = each * 0.999 + 0.001
        total += each
    return total
