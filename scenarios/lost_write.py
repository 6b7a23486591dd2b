"""A float32 array is converted in the call, and what the kernel adds is added to the copy.

``axpy`` adds to its last argument in place. It takes ``double *``, and the running total is
float32, so the program converts it where it passes it: ``np.ascontiguousarray(total,
dtype=np.float64)``. That makes a new array. The kernel adds to it, returns, and the new array is
gone: ``total`` is what it was before. Nothing complains, neither ctypes nor Cython, and with a
total that is float64 already the very same line works. Here ``bad`` and ``good`` differ: that is
the point. The cure is to keep the total in the type that the kernel writes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interprobe.cdemo import DOUBLE_POINTER, cykernels, kernels

TITLE = "a total converted in the call that adds to it, so that nothing is added"
EXPECTED = ("IP307", "IP103")
SAME_NUMBERS = False
SIZE = 64


@dataclass(frozen=True)
class Inputs:
    """What is added, and the totals to which it is added.

    Attributes:
        samples: float64, shape (n,); the size asked for.
        single: float32, shape (n,): zeros.
        double: float64, shape (n,): zeros.
    """

    samples: NDArray[np.float64]
    single: NDArray[np.float32]
    double: NDArray[np.float64]


def prepare(size: int) -> Inputs:
    """Make samples that occupy ``size`` MiB."""
    samples = np.random.default_rng(307).random(size * 2**20 // 8)
    return Inputs(samples, np.zeros(samples.size, np.float32), np.zeros(samples.size))


def bad(data: Inputs | None = None) -> tuple[float, ...]:
    """Convert the total in the call."""
    data = prepare(SIZE) if data is None else data
    total, n = data.single, data.single.size
    total.fill(0)

    added = data.samples.ctypes.data_as(DOUBLE_POINTER)
    kernels.cdemo_axpy(
        1.0, added, np.ascontiguousarray(total, dtype=np.float64).ctypes.data_as(DOUBLE_POINTER), n
    )
    through_ctypes = float(total.sum())

    total.fill(0)
    cykernels.axpy(1.0, data.samples, np.asarray(total, dtype=np.float64))
    return through_ctypes, float(total.sum())


def good(data: Inputs | None = None) -> tuple[float, ...]:
    """Keep the total in float64."""
    data = prepare(SIZE) if data is None else data
    total, n = data.double, data.double.size
    total.fill(0)

    added = data.samples.ctypes.data_as(DOUBLE_POINTER)
    kernels.cdemo_axpy(1.0, added, total.ctypes.data_as(DOUBLE_POINTER), n)
    through_ctypes = float(total.sum())

    total.fill(0)
    cykernels.axpy(1.0, data.samples, total)
    return through_ctypes, float(total.sum())
