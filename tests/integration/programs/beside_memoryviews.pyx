# cython: language_level=3, boundscheck=False, wraparound=False
"""Kernels that touch what they are told to, beside arrays as well."""

cdef double *remembered = NULL


def sum_of(const double[::1] x, long n):
    cdef double total = 0
    cdef long i
    with nogil:
        for i in range(n):
            total += x[i]  # read past the end
    return total


def set_element(double[::1] x, long i, double value):
    with nogil:
        x[i] = value  # written beside


def remember(double[::1] x):
    global remembered
    remembered = &x[0]


def set_remembered(long i, double value):
    remembered[i] = value  # through a stale pointer


def get_remembered(long i):
    return remembered[i]  # of a freed array
