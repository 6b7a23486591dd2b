"""A short script that meets native code at 20 places, with copies of several causes."""

import ctypes
import json
import sys

import numpy as np
from block_timer import marked

RESULT, BUILT, DECORATED = sys.argv[1:]
sys.path.insert(0, BUILT)

import c_calls  # noqa: E402
import cython_calls  # noqa: E402

POINTER = ctypes.POINTER(ctypes.c_double)
library = ctypes.CDLL(f"{BUILT}/libkernels.so")
library.first_value.restype = ctypes.c_double
library.first_value.argtypes = [POINTER, ctypes.c_int]
library.sum_values.restype = ctypes.c_double
library.sum_values.argtypes = [POINTER, ctypes.c_size_t]

grid = np.arange(40_000.0).reshape(200, 200)
column = grid[:, 3]
single = grid.astype("f4")
swapped = grid.astype(">f8")
whole = grid.astype("i4")


def work():
    library.first_value(grid.ctypes.data_as(POINTER), 4)
    library.sum_values(grid.ctypes.data_as(POINTER), grid.size)
    library.sum_values(np.ascontiguousarray(column).ctypes.data_as(POINTER), column.size)
    library.sum_values(np.ascontiguousarray(grid.T).ctypes.data_as(POINTER), grid.size)
    library.sum_values(single.astype("f8").ctypes.data_as(POINTER), single.size)
    library.sum_values(np.require(whole, "f8", "C").ctypes.data_as(POINTER), whole.size)
    library.sum_values(np.asarray(swapped, "=f8").ctypes.data_as(POINTER), swapped.size)
    np.asfortranarray(grid)
    np.ravel(grid.T)
    grid[::2].copy()
    np.array([1.0, 2.0, 3.0])
    np.dot(grid[::2, ::2], grid[::2, ::2])
    np.concatenate([grid, grid])
    memoryview(grid)
    c_calls.halve(1.0)
    c_calls.add(1.0, 2.0)
    cython_calls.halve(1.0)
    cython_calls.first_value(grid[0])
    grid.tobytes()
    grid.T.reshape(-1)


work = marked(work, DECORATED)
for _ in range(5):
    work()
with open(RESULT, "w") as file:
    json.dump(None, file)
