"""Arithmetic on 80 MB arrays, with temporaries and in place."""

import sys

import numpy as np
from block_timer import marked, write_times

RESULT, _, REPEATS, DECORATED = sys.argv[1:]

a = np.ones(10_000_000)
b = np.full(10_000_000, 0.5)
counts = np.ones(10_000_000, dtype="i8")


def work():
    c = a * b + a
    np.sqrt(c, out=c)
    c += counts
    np.exp(c, out=c)
    c.sum()


write_times(RESULT, marked(work, DECORATED), REPEATS)
