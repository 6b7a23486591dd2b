"""Crosses into native code COUNT times, at 20 places, and says how much memory it holds then."""

import ctypes
import json
import os
import sys
from time import perf_counter

import numpy as np
from block_timer import marked

RESULT, BUILT, COUNT, DECORATED = sys.argv[1:]
sys.path.insert(0, BUILT)

import c_calls  # noqa: E402
import cython_calls  # noqa: E402

POINTER = ctypes.POINTER(ctypes.c_double)
first_value = ctypes.CDLL(f"{BUILT}/libkernels.so").first_value
first_value.restype = ctypes.c_double
first_value.argtypes = [POINTER, ctypes.c_int]
x = np.arange(4.0)
pointer = x.ctypes.data_as(POINTER)
halve = c_calls.halve
add = c_calls.add
cython_halve = cython_calls.halve


def work(rounds):
    for _ in range(rounds):
        first_value(pointer, 4)
        first_value(pointer, 3)
        first_value(pointer, 2)
        first_value(pointer, 1)
        first_value(pointer, 4)
        first_value(pointer, 3)
        first_value(pointer, 2)
        first_value(pointer, 1)
        halve(1.0)
        halve(2.0)
        halve(3.0)
        halve(4.0)
        add(1.0, 2.0)
        add(2.0, 3.0)
        add(3.0, 4.0)
        add(4.0, 5.0)
        cython_halve(1.0)
        cython_halve(2.0)
        cython_halve(3.0)
        cython_halve(4.0)


def resident_bytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


work = marked(work, DECORATED)
began = perf_counter()
work(int(COUNT) // 20)
seconds = perf_counter() - began
with open(RESULT, "w") as file:
    json.dump({"seconds": seconds, "resident_bytes": resident_bytes()}, file)
