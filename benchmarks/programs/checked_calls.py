"""Times ctypes calls on small and large arrays, for the cost of looking at what they write.

``checked_calls.py RESULT BUILT BLOCKS`` writes the seconds of each block of each kind of work to
RESULT. BUILT is the folder of the compiled modules.
"""

import ctypes
import json
import sys
from time import perf_counter

import numpy as np

RESULT, BUILT, BLOCKS = sys.argv[1:]

kernels = ctypes.CDLL(f"{BUILT}/libkernels.so")
POINTER = ctypes.POINTER(ctypes.c_double)
first_value = kernels.first_value
first_value.restype = ctypes.c_double
first_value.argtypes = [POINTER, ctypes.c_int]
sum_values = kernels.sum_values
sum_values.restype = ctypes.c_double
sum_values.argtypes = [POINTER, ctypes.c_size_t]

small = np.arange(4.0)
pointer = small.ctypes.data_as(POINTER)
medium = np.ones(10_000)
large = np.ones(5_000_000)


def tiny_calls():
    for _ in range(5000):
        first_value(pointer, 4)


def medium_calls():
    for _ in range(300):
        sum_values(medium.ctypes.data_as(POINTER), medium.size)


def large_calls():
    for _ in range(5):
        sum_values(large.ctypes.data_as(POINTER), large.size)


WORK = [tiny_calls, medium_calls, large_calls]

measured = {work.__name__: [] for work in WORK}
for block in range(int(BLOCKS) + 1):
    for work in WORK:
        began = perf_counter()
        work()
        if block > 0:  # the first one warms up
            measured[work.__name__].append(perf_counter() - began)
with open(RESULT, "w") as file:
    json.dump(measured, file)
