"""An array's numbers are handed to native code one by one, each packed into a Python object.

``x[i]`` makes an ``np.float64``: an object of 32 bytes for 8 that lie ready in memory. The binding
takes the number out again, C works on it for some nanoseconds, and what it returns is packed in
turn. That is some 600 ns a number through ctypes and 200 through Cython, ten times what the kernel
needs. The cure is a kernel that takes the array: no number becomes an object.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from interprobe.cdemo import DOUBLE_POINTER, cykernels, kernels

TITLE = "a function called for x[i] in a loop, each item boxed as an object"
EXPECTED = ("IP505",)
SAME_NUMBERS = True
SIZE = 1

STEPS = 4


def prepare(size: int) -> NDArray[np.float64]:
    """Make ``size`` MiB of starting points: float64, shape (n,), from 0 to 1."""
    return np.random.default_rng(505).random(size * 2**20 // 8)


def bad(data: NDArray[np.float64] | None = None) -> tuple[float, ...]:
    """Call the kernel for each number."""
    x = prepare(SIZE) if data is None else data

    through_ctypes = 0.0
    for i in range(x.size):
        through_ctypes += kernels.cdemo_orbit(x[i], STEPS)

    through_cython = 0.0
    for i in range(x.size):
        through_cython += cykernels.orbit(x[i], STEPS)

    return through_ctypes, through_cython


def good(data: NDArray[np.float64] | None = None) -> tuple[float, ...]:
    """Hand over the array."""
    x = prepare(SIZE) if data is None else data
    ends = np.empty_like(x)

    source, target = x.ctypes.data_as(DOUBLE_POINTER), ends.ctypes.data_as(DOUBLE_POINTER)
    kernels.cdemo_orbits(source, target, x.size, STEPS)
    through_ctypes = float(np.add.accumulate(ends)[-1])  # in the order of the index, as bad adds

    cykernels.orbits(x, ends, STEPS)
    through_cython = float(np.add.accumulate(ends)[-1])

    return through_ctypes, through_cython
