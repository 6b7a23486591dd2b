"""float32 arrays go to kernels that read doubles, so every value is converted first.

Measurements often arrive as ``float32``: from a camera, a file, a neural network. A C kernel that
declares ``const double *`` cannot read them, and a Cython function that declares ``const
double[::1]`` refuses them, so the program widens each frame at the call. That writes a second
array of twice the size, each time. The cure is to choose the dtype once, where the data are made
or read: the kernels then read each frame where it lies. A float32 value is exact in float64, so
both sides compute the same numbers to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interprobe.cdemo import DOUBLE_POINTER, cykernels, kernels

TITLE = "float32 arrays handed to kernels that read float64"
EXPECTED = ("IP103",)
SAME_NUMBERS = True
SIZE = 64

FRAMES = 8


@dataclass(frozen=True)
class Inputs:
    """The same frames in both dtypes, and the weights that each is multiplied with.

    Attributes:
        single: float32, shape (8, n), C order.
        double: float64, shape (8, n), C order: the values of ``single``; the size asked for.
        weights: float64, shape (n,).
    """

    single: NDArray[np.float32]
    double: NDArray[np.float64]
    weights: NDArray[np.float64]


def prepare(size: int) -> Inputs:
    """Make frames that occupy ``size`` MiB as float64."""
    random = np.random.default_rng(103)
    samples = size * 2**20 // (FRAMES * 8)
    single = random.random((FRAMES, samples), dtype=np.float32)
    return Inputs(single, single.astype(np.float64), random.random(samples))


def bad(data: Inputs | None = None) -> tuple[float, ...]:
    """Widen each frame at the call."""
    data = prepare(SIZE) if data is None else data
    through_ctypes = []
    through_cython = []
    for frame in data.single:
        samples = np.ascontiguousarray(frame, dtype=np.float64)
        through_ctypes.append(_dot(samples, data.weights))

        samples = frame.astype(np.float64)
        through_cython.append(cykernels.dot(samples, data.weights))
    return (*through_ctypes, *through_cython)


def good(data: Inputs | None = None) -> tuple[float, ...]:
    """Hand over frames that were float64 from the start."""
    data = prepare(SIZE) if data is None else data
    through_ctypes = [_dot(frame, data.weights) for frame in data.double]
    through_cython = [cykernels.dot(frame, data.weights) for frame in data.double]
    return (*through_ctypes, *through_cython)


def _dot(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    x_pointer = x.ctypes.data_as(DOUBLE_POINTER)
    y_pointer = y.ctypes.data_as(DOUBLE_POINTER)
    return float(kernels.cdemo_dot(x_pointer, y_pointer, x.size))
