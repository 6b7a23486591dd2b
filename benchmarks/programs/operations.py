"""Times small operations at the border to native code, each in a fresh frame at depth 30.

``operations.py RESULT BUILT BLOCKS COUNT DECORATED timed`` writes nanoseconds per call, a number
per block and operation, to RESULT. BUILT is the folder of the compiled modules. With ``marked`` in
the place of ``timed``, callgrind's counts are cut between COUNT and 3 COUNT calls instead.
"""

import ctypes
import gc
import json
import sys
from time import perf_counter_ns

import numpy as np
from block_timer import marked

RESULT, BUILT, BLOCKS, COUNT, DECORATED, HOW = sys.argv[1:]
sys.path.insert(0, BUILT)

import c_calls  # noqa: E402
import cython_calls  # noqa: E402

try:
    import pybind11_calls
except ImportError:
    pybind11_calls = None

DEPTH = 30
WARM_UP = 100

kernels = ctypes.CDLL(f"{BUILT}/libkernels.so")
POINTER = ctypes.POINTER(ctypes.c_double)
first_value = kernels.first_value
first_value.restype = ctypes.c_double
first_value.argtypes = [POINTER, ctypes.c_int]
first_value_at = ctypes.CDLL(f"{BUILT}/libkernels.so").first_value
first_value_at.restype = ctypes.c_double
first_value_at.argtypes = [ctypes.c_void_p, ctypes.c_int]

x = np.arange(4.0)
pointer = x.ctypes.data_as(POINTER)
address = x.ctypes.data
strided = np.arange(8.0)[::2]
matrix = np.arange(64.0).reshape(8, 8)[::2, ::2]


def empty_call():
    pass


def ctypes_data_as():
    first_value(x.ctypes.data_as(POINTER), 4)


def ctypes_hoisted_pointer():
    first_value(pointer, 4)


def ctypes_integer_address():
    first_value_at(address, 4)


def array_allocation():
    np.empty(4)


def buffer_request():
    memoryview(x)


def raw_address():
    x.ctypes.data  # noqa: B018


def call_c_api():
    c_calls.halve(1.0)


def call_c_api_two_arguments():
    c_calls.add(1.0, 2.0)


def call_cython():
    cython_calls.halve(1.0)


def call_cython_memoryview():
    cython_calls.first_value(x)


def call_pybind11():
    pybind11_calls.halve(1.0)


def copy_ascontiguousarray():
    np.ascontiguousarray(strided)


def copy_astype():
    x.astype("f4")


def copy_dot():
    np.dot(matrix, matrix)


def no_copy_asarray():
    np.asarray(x)


OPERATIONS = [
    empty_call,
    ctypes_data_as,
    ctypes_hoisted_pointer,
    ctypes_integer_address,
    array_allocation,
    buffer_request,
    raw_address,
    call_c_api,
    call_c_api_two_arguments,
    call_cython,
    call_cython_memoryview,
    *([call_pybind11] if pybind11_calls else []),
    copy_ascontiguousarray,
    copy_astype,
    copy_dot,
    no_copy_asarray,
]
NAMES = [operation.__name__ for operation in OPERATIONS]
OPERATIONS = [marked(operation, DECORATED) for operation in OPERATIONS]


def at_depth(depth, function):
    """Call ``function`` with ``depth`` frames more on the stack."""
    if depth:
        return at_depth(depth - 1, function)
    return function()


def run(operation, count):
    for _ in range(count):
        operation()


def timed_blocks():
    """Nanoseconds per call of each operation; neighbouring blocks are of different operations."""
    count = int(COUNT)
    results = {name: [] for name in NAMES}
    for operation in OPERATIONS:
        run(operation, min(WARM_UP, count))
    for _ in range(int(BLOCKS)):
        for name, operation in zip(NAMES, OPERATIONS, strict=True):
            began = perf_counter_ns()
            run(operation, count)
            results[name].append((perf_counter_ns() - began) / count)
    return results


def marked_blocks():
    """The names of the operations in the order in which callgrind's dumps hold them."""
    count = int(COUNT)
    mark = kernels.benchmark_mark
    kernels.benchmark_count(1)
    for operation in OPERATIONS:
        run(operation, min(WARM_UP, count))
        mark()
        run(operation, count)
        mark()
        run(operation, 3 * count)
        mark()
    kernels.benchmark_count(0)
    return NAMES


# What was loaded so far is no garbage: collections during the blocks need not look at it again.
gc.freeze()
if HOW == "marked":
    gc.disable()
measured = at_depth(DEPTH, marked_blocks if HOW == "marked" else timed_blocks)
with open(RESULT, "w") as file:
    json.dump(measured, file)
