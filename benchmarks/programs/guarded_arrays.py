"""Times work on arrays of several sizes, for the cost of guard mode.

``guarded_arrays.py RESULT BUILT BLOCKS`` writes the seconds of each block of each kind of work to
RESULT. BUILT is the folder of the compiled modules.
"""

import ctypes
import json
import sys
from time import perf_counter

import numpy as np

RESULT, BUILT, BLOCKS = sys.argv[1:]

kernels = ctypes.CDLL(f"{BUILT}/libkernels.so")
first_value = kernels.first_value
first_value.restype = ctypes.c_double
first_value.argtypes = [ctypes.POINTER(ctypes.c_double), ctypes.c_int]
POINTER = ctypes.POINTER(ctypes.c_double)

small = np.arange(100.0)
medium = np.arange(100_000.0)
large = np.ones(5_000_000)


def new_small_arrays():
    for _ in range(2000):
        small + small


def new_medium_arrays():
    for _ in range(50):
        medium + medium


def new_large_arrays():
    for _ in range(2):
        large + large


def in_place():
    for _ in range(4):
        np.multiply(large, 1.0, out=large)


def calls():
    for _ in range(1000):
        first_value(small.ctypes.data_as(POINTER), 4)


WORK = [new_small_arrays, new_medium_arrays, new_large_arrays, in_place, calls]

measured = {work.__name__: [] for work in WORK}
for block in range(int(BLOCKS) + 1):
    for work in WORK:
        began = perf_counter()
        work()
        if block > 0:  # the first one warms up
            measured[work.__name__].append(perf_counter() - began)
with open(RESULT, "w") as file:
    json.dump(measured, file)
