"""The addresses of the same two arrays are taken anew at each call, at more than its cost.

``x.ctypes`` makes a Python object, ``data_as`` a second one and a conversion, which is 1 to 3 us
for each array and each call; the kernel needs about 3 us for both. An array stays where it is as
long as it lives and is not resized: the pointer can be made once, before the loop. It keeps its
array alive. Cython's typed memoryviews are made anew at each call as well, but in C, in a tenth of
that time: there ``bad`` and ``good`` are the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interprobe.cdemo import DOUBLE_POINTER, cykernels, kernels

TITLE = "x.ctypes.data_as(...) in a loop, which costs more than the kernel"
EXPECTED = ("IP502",)
SAME_NUMBERS = True
SIZE = 4

LENGTH = 4096
CALLS_PER_MEBIBYTE = 4000


@dataclass(frozen=True)
class Inputs:
    """Two short vectors and how often their product is taken.

    Attributes:
        x: float64, shape (4096,).
        y: As ``x``.
        calls: 4,000 for each MiB of the size asked for: the vectors stay in the cache.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    calls: int


def prepare(size: int) -> Inputs:
    """Make the vectors."""
    x, y = np.random.default_rng(502).random((2, LENGTH))
    return Inputs(x, y, size * CALLS_PER_MEBIBYTE)


def bad(data: Inputs | None = None) -> tuple[float, ...]:
    """Make both pointers at each call."""
    data = prepare(SIZE) if data is None else data
    x, y, n = data.x, data.y, data.x.size

    total = 0.0
    for _ in range(data.calls):
        total += kernels.cdemo_dot(
            x.ctypes.data_as(DOUBLE_POINTER), y.ctypes.data_as(DOUBLE_POINTER), n
        )
    through_ctypes = total

    total = 0.0
    for _ in range(data.calls):
        total += cykernels.dot(x, y)
    through_cython = total

    return through_ctypes, through_cython


def good(data: Inputs | None = None) -> tuple[float, ...]:
    """Make both pointers once."""
    data = prepare(SIZE) if data is None else data
    x, y, n = data.x, data.y, data.x.size

    first, second = x.ctypes.data_as(DOUBLE_POINTER), y.ctypes.data_as(DOUBLE_POINTER)
    total = 0.0
    for _ in range(data.calls):
        total += kernels.cdemo_dot(first, second, n)
    through_ctypes = total

    total = 0.0
    for _ in range(data.calls):
        total += cykernels.dot(x, y)
    through_cython = total

    return through_ctypes, through_cython
