"""The size in bytes is passed for the number of elements: C sums eight arrays instead of one.

C is told where an array begins and how many elements it has, and can check neither. Here the call
passes ``samples.nbytes`` where the kernel counts elements, so it reads eight times as far. The
array is a part of a larger pool, as in programs that allocate once: what lies behind it are the
other parts, all of them good numbers, and so is the sum, but not that of the array. At the end of
the pool the same call reads memory that is nobody's. The same claim in NumPy is a longer slice of
the pool. The cure is ``samples.size``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interprobe.cdemo import DOUBLE_POINTER, cykernels, kernels

TITLE = "bytes passed for elements, so that C reads past the end of the array"
EXPECTED = ("IP306",)
SAME_NUMBERS = False
SIZE = 64


@dataclass(frozen=True)
class Inputs:
    """A pool of measurements, and the first of the arrays in it.

    Attributes:
        pool: float64, shape (10 * n,): the size asked for.
        samples: float64, shape (n,), a view of the first part of ``pool``.
    """

    pool: NDArray[np.float64]
    samples: NDArray[np.float64]


def prepare(size: int) -> Inputs:
    """Make a pool of ``size`` MiB with ten arrays in it."""
    pool = np.random.default_rng(306).random(size * 2**20 // 8)
    return Inputs(pool, pool[: pool.size // 10])


def bad(data: Inputs | None = None) -> tuple[float, ...]:
    """Say how many bytes the array has."""
    data = prepare(SIZE) if data is None else data

    pointer = data.samples.ctypes.data_as(DOUBLE_POINTER)
    through_ctypes = float(kernels.cdemo_sum(pointer, data.samples.nbytes))

    through_cython = cykernels.sum(data.pool[: data.samples.nbytes])

    return through_ctypes, through_cython


def good(data: Inputs | None = None) -> tuple[float, ...]:
    """Say how many elements the array has."""
    data = prepare(SIZE) if data is None else data

    pointer = data.samples.ctypes.data_as(DOUBLE_POINTER)
    through_ctypes = float(kernels.cdemo_sum(pointer, data.samples.size))

    through_cython = cykernels.sum(data.samples)

    return through_ctypes, through_cython
