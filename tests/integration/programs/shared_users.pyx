# cython: language_level=3
"""Another module of that package: passes on functions of the first, and has two of its own."""

cimport cython

from shared_tools import first, total


def last(const double[:] values):
    return values[values.shape[0] - 1]


def second(const cython.floating[:] values):
    return values[1]
