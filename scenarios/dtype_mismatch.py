"""A float32 array goes to a kernel that reads doubles, so every value is converted first.

Measurements often arrive as ``float32``: from an image, a file, a neural network. A C kernel that
declares ``const double *`` cannot read them, and a Cython function that declares ``const
double[::1]`` refuses them, so the program widens the array at the call. That writes a second
array of twice the size, each time. The cure is to choose the dtype once, where the data are made
or read: the kernels then read the array where it lies. A float32 value is exact in float64, so
both sides compute the same numbers to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interprobe.cdemo import DOUBLE_POINTER, cykernels, kernels

TITLE = "a float32 array handed to kernels that read float64"
EXPECTED = ("IP103",)
SAME_NUMBERS = True
SIZE = 64


@dataclass(frozen=True)
class Inputs:
    """The same samples in both dtypes, and the weights that they are multiplied with.

    Attributes:
        single: float32, shape (n,).
        double: float64, shape (n,): the values of ``single``; the size asked for.
        weights: float64, shape (n,).
    """

    single: NDArray[np.float32]
    double: NDArray[np.float64]
    weights: NDArray[np.float64]


def prepare(size: int) -> Inputs:
    """Make samples that occupy ``size`` MiB as float64."""
    random = np.random.default_rng(103)
    single = random.random(size * 2**20 // 8, dtype=np.float32)
    return Inputs(single, single.astype(np.float64), random.random(single.size))


def bad(data: Inputs | None = None) -> tuple[float, ...]:
    """Widen the samples at each call."""
    data = prepare(SIZE) if data is None else data

    samples = np.ascontiguousarray(data.single, dtype=np.float64)
    through_ctypes = _dot(samples, data.weights)

    samples = data.single.astype(np.float64)
    through_cython = cykernels.dot(samples, data.weights)

    return through_ctypes, through_cython


def good(data: Inputs | None = None) -> tuple[float, ...]:
    """Hand over samples that were float64 from the start."""
    data = prepare(SIZE) if data is None else data
    return _dot(data.double, data.weights), cykernels.dot(data.double, data.weights)


def _dot(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    x_pointer = x.ctypes.data_as(DOUBLE_POINTER)
    y_pointer = y.ctypes.data_as(DOUBLE_POINTER)
    return float(kernels.cdemo_dot(x_pointer, y_pointer, x.size))
