"""Loops around short calls with their cures, in pairs: each does the same work before and after.

``python short_calls.py`` times every pair, both sides in turns, and prints a line of JSON for each.
"""

from __future__ import annotations

import ctypes
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interprobe.cdemo import DOUBLE_POINTER, cykernels, kernels

CALLS = 20_000
STEPS = 120
"""Of an orbit: enough work for what is left of a call to be told."""
FEW_STEPS = 20
"""As little work for a call through Cython, which costs less."""
ROWS, COLUMNS = 64, 1000
"""Of a table that the caches hold."""

x = np.random.default_rng(5).random(CALLS)
vector, other = np.random.default_rng(6).random((2, 2000))
table = np.random.default_rng(7).random((ROWS, COLUMNS))
pointers = [row.ctypes.data_as(DOUBLE_POINTER) for row in table] * 400
rows = list(table) * 100


def declared(*argtypes: Any) -> Any:
    """The kernel ``cdemo_sum`` with a declaration of its own."""
    function = ctypes.CDLL(kernels._name)["cdemo_sum"]
    function.argtypes, function.restype = argtypes, ctypes.c_double
    return function


checked_sum = declared(np.ctypeslib.ndpointer(np.float64, 1, flags="C_CONTIGUOUS"), ctypes.c_size_t)
bare_sum = declared(ctypes.c_void_p, ctypes.c_size_t)


def tiny_calls_bad() -> object:
    return [kernels.cdemo_sum(pointer, 100) for pointer in pointers]


def tiny_calls_good() -> object:
    sums = np.empty(ROWS)
    target = sums.ctypes.data_as(DOUBLE_POINTER)
    source = table.ctypes.data_as(DOUBLE_POINTER)
    for _ in range(40):  # as many numbers
        kernels.cdemo_row_sweep(source, ROWS, COLUMNS, target)
    return sums


def addresses_in_loop_bad() -> object:
    total = 0.0
    for _ in range(CALLS):
        total += kernels.cdemo_sum(vector.ctypes.data_as(DOUBLE_POINTER), vector.size)
    return total


def addresses_in_loop_good() -> object:
    total = 0.0
    pointer = vector.ctypes.data_as(DOUBLE_POINTER)
    for _ in range(CALLS):
        total += kernels.cdemo_sum(pointer, vector.size)
    return total


def address_in_a_line_of_its_own_bad() -> object:
    total = 0.0
    for _ in range(CALLS):
        pointer = vector.ctypes.data_as(DOUBLE_POINTER)
        total += kernels.cdemo_sum(pointer, vector.size)
    return total


def address_in_a_line_of_its_own_good() -> object:
    return addresses_in_loop_good()


def rows_bad() -> object:
    return [kernels.cdemo_sum(row.ctypes.data_as(DOUBLE_POINTER), COLUMNS) for row in rows]


def rows_good() -> object:
    base, step = table.ctypes.data, table.strides[0]
    return [bare_sum(base + i % ROWS * step, COLUMNS) for i in range(len(rows))]


def ndpointer_bad() -> object:
    total = 0.0
    for _ in range(CALLS):
        total += checked_sum(vector, 1500)
    return total


def ndpointer_good() -> object:
    total = 0.0
    address = vector.ctypes.data
    for _ in range(CALLS):
        total += bare_sum(address, 1500)
    return total


def items_bad() -> object:
    total = 0.0
    for i in range(CALLS):
        total += kernels.cdemo_orbit(x[i], STEPS)
    return total


def items_good() -> object:
    ends = np.empty_like(x)
    source, target = x.ctypes.data_as(DOUBLE_POINTER), ends.ctypes.data_as(DOUBLE_POINTER)
    kernels.cdemo_orbits(source, target, CALLS, STEPS)
    return ends.sum()


def items_through_cython_bad() -> object:
    return [cykernels.orbit(value, FEW_STEPS) for value in x]


def items_through_cython_good() -> object:
    ends = np.empty_like(x)
    cykernels.orbits(x, ends, FEW_STEPS)
    return ends


def call_in_a_function(array: NDArray[np.float64]) -> float:
    return kernels.cdemo_sum(array.ctypes.data_as(DOUBLE_POINTER), array.size)  # type: ignore[no-any-return]


def addresses_in_a_function_bad() -> object:
    return [call_in_a_function(vector) for _ in range(CALLS)]


# Innocent: the work is most of a call, or there are few.


def long_calls() -> object:
    total = 0.0
    for _ in range(3000):
        total += cykernels.dot(x, x)
    return total


def long_calls_through_ctypes() -> object:
    total = 0.0
    pointer = x.ctypes.data_as(DOUBLE_POINTER)
    for _ in range(3000):
        total += kernels.cdemo_sum(pointer, CALLS)
    return total


def few_calls() -> object:
    return [kernels.cdemo_sum(pointer, 10) for pointer in pointers[:500]]


def calls_beside_other_work() -> object:
    image: NDArray[np.float64] = np.ones((400, 400))
    for pointer in pointers[:3000]:
        kernels.cdemo_sum(pointer, 10)
        image += 1.0
    return image


def long_items() -> object:
    return [cykernels.orbit(value, 5000) for value in x[:6000]]


PAIRS: dict[str, tuple[str, Callable[[], object], Callable[[], object]]] = {
    "tiny_calls": ("IP501", tiny_calls_bad, tiny_calls_good),
    "addresses_in_loop": ("IP502", addresses_in_loop_bad, addresses_in_loop_good),
    "address_in_a_line_of_its_own": (
        "IP502",
        address_in_a_line_of_its_own_bad,
        address_in_a_line_of_its_own_good,
    ),
    "rows": ("IP502", rows_bad, rows_good),
    "ndpointer": ("IP502", ndpointer_bad, ndpointer_good),
    "items": ("IP505", items_bad, items_good),
    "items_through_cython": ("IP505", items_through_cython_bad, items_through_cython_good),
}
"""The finding that the first of each pair makes, and both."""

INNOCENT: list[Callable[[], object]] = [
    long_calls,
    long_calls_through_ctypes,
    few_calls,
    calls_beside_other_work,
    long_items,
]


def seconds_of(function: Callable[[], object]) -> float:
    """Of the processor: other programs on the machine do not count."""
    started = time.process_time()
    function()
    return time.process_time() - started


def main() -> None:
    """Time each pair: the fastest of nine turns of either side."""
    for name, (rule, bad, good) in PAIRS.items():
        times = [(seconds_of(bad), seconds_of(good)) for _ in range(9)]
        before, after = (min(side) for side in zip(*times, strict=True))
        print(json.dumps({"name": name, "rule": rule, "bad": before, "good": after}))


if __name__ == "__main__":
    main()
