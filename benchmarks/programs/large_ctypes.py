"""A C kernel over 80 MB, called through ctypes in whole and in parts."""

import ctypes
import sys

import numpy as np
from block_timer import marked, write_times

RESULT, BUILT, REPEATS, DECORATED = sys.argv[1:]

POINTER = ctypes.POINTER(ctypes.c_double)
sum_values = ctypes.CDLL(f"{BUILT}/libkernels.so").sum_values
sum_values.restype = ctypes.c_double
sum_values.argtypes = [POINTER, ctypes.c_size_t]
values = np.ones(10_000_000)
PART = 10_000


def work():
    for _ in range(5):
        sum_values(values.ctypes.data_as(POINTER), values.size)
    for begin in range(0, values.size, PART):
        sum_values(values[begin:].ctypes.data_as(POINTER), PART)


write_times(RESULT, marked(work, DECORATED), REPEATS)
