"""Two threads share the work, and a kernel that keeps Python's lock lets one compute at a time.

Only the thread that holds the global interpreter lock (GIL) runs Python code, so native code has to
let go of it while it computes. ``ctypes.CDLL`` does that around each call and ``ctypes.PyDLL`` does
not; in Cython it is what ``with nogil`` is for. Where a kernel keeps the lock, a pool of threads is
as fast as one thread. Both sides compute the same numbers; on two cores the cure takes half the
time.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interprobe.cdemo import DOUBLE_POINTER, cykernels, kernels

TITLE = "threads that take turns, since a kernel keeps Python's lock while it computes"
EXPECTED = ("IP503",)
SAME_NUMBERS = True
SIZE = 4

THREADS = 2
PIECES = 6
STEPS = 100

_Kernel = Callable[[NDArray[np.float64], NDArray[np.float64]], object]


def prepare(size: int) -> NDArray[np.float64]:
    """Make ``size`` MiB of starting points: float64, shape (n,), from 0 to 1."""
    return np.random.default_rng(503).random(size * 2**20 // 8)


def bad(data: NDArray[np.float64] | None = None) -> tuple[float, ...]:
    """Compute in threads with kernels that keep the lock."""
    x = prepare(SIZE) if data is None else data
    with_lock = ctypes.PyDLL(kernels._name)["cdemo_orbits"]
    with_lock.argtypes = kernels.cdemo_orbits.argtypes

    def through_ctypes(x: NDArray[np.float64], ends: NDArray[np.float64]) -> None:
        with_lock(_pointer(x), _pointer(ends), x.size, STEPS)

    def through_cython(x: NDArray[np.float64], ends: NDArray[np.float64]) -> None:
        cykernels.orbits_with_lock(x, ends, STEPS)

    return _in_threads(through_ctypes, x), _in_threads(through_cython, x)


def good(data: NDArray[np.float64] | None = None) -> tuple[float, ...]:
    """Compute in threads with kernels that let go of it."""
    x = prepare(SIZE) if data is None else data

    def through_ctypes(x: NDArray[np.float64], ends: NDArray[np.float64]) -> None:
        kernels.cdemo_orbits(_pointer(x), _pointer(ends), x.size, STEPS)

    def through_cython(x: NDArray[np.float64], ends: NDArray[np.float64]) -> None:
        cykernels.orbits(x, ends, STEPS)

    return _in_threads(through_ctypes, x), _in_threads(through_cython, x)


def _in_threads(kernel: _Kernel, x: NDArray[np.float64]) -> float:
    """The mean of where all starting points end."""
    ends = np.empty_like(x)
    with ThreadPoolExecutor(THREADS) as pool:
        for done in [pool.submit(kernel, x[piece], ends[piece]) for piece in _pieces(x.size)]:
            done.result()
    return float(ends.mean())


def _pointer(array: NDArray[np.float64]) -> Any:
    return array.ctypes.data_as(DOUBLE_POINTER)


def _pieces(size: int) -> list[slice]:
    """Parts of a vector of so many numbers."""
    bounds = [size * number // PIECES for number in range(PIECES + 1)]
    return [slice(first, end) for first, end in pairwise(bounds)]
