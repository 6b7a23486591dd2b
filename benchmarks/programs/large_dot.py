"""Products of 80 MB arrays: vectors, a matrix and a vector, and operands with gaps."""

import sys

import numpy as np
from block_timer import marked, write_times

RESULT, _, REPEATS, DECORATED = sys.argv[1:]

vector = np.ones(10_000_000)
matrix = vector.reshape(3200, 3125)
with_gaps = np.ones((3125, 6))[:, ::2]


def work():
    for _ in range(4):
        np.dot(vector, vector)
        np.dot(matrix, with_gaps)
    np.dot(matrix[:, ::5], with_gaps[::5])


write_times(RESULT, marked(work, DECORATED), REPEATS)
