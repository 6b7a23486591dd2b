"""A pool of sixteen threads computes where the program may use two cores.

Pools are made as large as the machine is, or as a default says, and a container, a batch system or
``taskset`` leaves the program fewer cores. Here both sides may use two. Sixteen threads that all
want to compute stand in a queue for them, push each other's data out of the caches, and none is
done before nearly all are. With as many threads as cores each has one to itself, and the work is
done as soon. Both sides compute the same numbers.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from interprobe.cdemo import DOUBLE_POINTER, cykernels, kernels

TITLE = "a pool of threads, eight for each core that the program may use"
EXPECTED = ("IP504",)
SAME_NUMBERS = True
SIZE = 4

CORES = 2
THREADS_OF_A_CORE = 8
PIECES = 16
STEPS = 200


def prepare(size: int) -> NDArray[np.float64]:
    """Make ``size`` MiB of starting points: float64, shape (n,), from 0 to 1."""
    return np.random.default_rng(504).random(size * 2**20 // 8)


def bad(data: NDArray[np.float64] | None = None) -> tuple[float, ...]:
    """Compute in eight threads for each core."""
    return _in_threads(prepare(SIZE) if data is None else data, THREADS_OF_A_CORE)


def good(data: NDArray[np.float64] | None = None) -> tuple[float, ...]:
    """Compute in as many threads as there are cores."""
    return _in_threads(prepare(SIZE) if data is None else data, 1)


@contextmanager
def _few_cores() -> Iterator[int]:
    """Let this thread, and those that it starts, use two cores at most; yields how many."""
    if not hasattr(os, "sched_setaffinity"):
        yield CORES
        return
    before = os.sched_getaffinity(0)
    few = sorted(before)[:CORES]
    os.sched_setaffinity(0, few)
    try:
        yield len(few)
    finally:
        os.sched_setaffinity(0, before)


def _in_threads(x: NDArray[np.float64], of_a_core: int) -> tuple[float, float]:
    """The means of where all starting points end, through ctypes and through Cython."""

    def through_ctypes(x: NDArray[np.float64], ends: NDArray[np.float64]) -> None:
        source, target = x.ctypes.data_as(DOUBLE_POINTER), ends.ctypes.data_as(DOUBLE_POINTER)
        kernels.cdemo_orbits(source, target, x.size, STEPS)

    def through_cython(x: NDArray[np.float64], ends: NDArray[np.float64]) -> None:
        cykernels.orbits(x, ends, STEPS)

    means = []
    for kernel in (through_ctypes, through_cython):
        ends = np.empty_like(x)
        with _few_cores() as cores, ThreadPoolExecutor(of_a_core * cores) as pool:
            started = [pool.submit(kernel, x[piece], ends[piece]) for piece in _pieces(x.size)]
            for each in started:
                each.result()
        means.append(float(ends.mean()))
    return means[0], means[1]


def _pieces(size: int) -> list[slice]:
    """Parts of a vector of so many numbers."""
    bounds = [size * number // PIECES for number in range(PIECES + 1)]
    return [slice(first, end) for first, end in pairwise(bounds)]
