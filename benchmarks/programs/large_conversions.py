"""Conversions of 80 MB arrays: another order, another dtype, another byte order."""

import sys

import numpy as np
from block_timer import marked, write_times

RESULT, _, REPEATS, DECORATED = sys.argv[1:]

matrix = np.ones((3200, 3125))
swapped = np.ones(10_000_000, dtype=">f8")


def work():
    np.ascontiguousarray(matrix.T)
    matrix.astype("f4")
    swapped.astype("f8")
    np.require(matrix, requirements="F")


write_times(RESULT, marked(work, DECORATED), REPEATS)
