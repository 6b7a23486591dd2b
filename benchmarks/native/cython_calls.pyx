# cython: language_level=3, boundscheck=False, wraparound=False
"""Cython functions with no work: one takes a number, one a typed memoryview."""


def halve(double number):
    """Half of a number."""
    return number / 2.0


def first_value(const double[::1] values not None):
    """The first of the values, float64, shape (n,) with n > 0."""
    return values[0]
