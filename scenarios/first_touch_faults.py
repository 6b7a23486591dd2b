"""Every frame is calibrated into an array of its own, in memory that the kernel has to clear first.

``np.multiply(counts, GAIN)`` returns a new array. A large one gets fresh memory from the system,
whose pages do not exist yet: the first touch of each stops the program until the kernel has found
and cleared one. When the frame is dropped the pages go back, and the next frame begins anew. For
such cheap arithmetic that is a good part of the time. The cure is one array, made before the loop,
that each frame is calibrated into (``out=calibrated``): the same operation on the same numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interprobe.cdemo import DOUBLE_POINTER, cykernels, kernels

TITLE = "frames calibrated one after the other, each into fresh memory"
EXPECTED = ("IP601",)
SAME_NUMBERS = True
SIZE = 8

FRAMES = 8
GAIN = 0.25


@dataclass(frozen=True)
class Inputs:
    """What a detector counted.

    Attributes:
        counts: uint8, shape (n,): the size asked for. Calibrated it takes eight times as much.
    """

    counts: NDArray[np.uint8]


def prepare(size: int) -> Inputs:
    """Make ``size`` MiB of counts."""
    return Inputs(np.random.default_rng(601).integers(0, 256, size * 2**20, dtype=np.uint8))


def bad(data: Inputs | None = None) -> tuple[float, ...]:
    """Let each frame have an array of its own."""
    data = prepare(SIZE) if data is None else data
    through_ctypes = 0.0
    through_cython = 0.0
    for _ in range(FRAMES):
        calibrated = np.multiply(data.counts, GAIN)
        through_ctypes += _sum_ctypes(calibrated)
    for _ in range(FRAMES):
        calibrated = np.multiply(data.counts, GAIN)
        through_cython += cykernels.sum(calibrated)
    return through_ctypes, through_cython


def good(data: Inputs | None = None) -> tuple[float, ...]:
    """Calibrate all frames into one array."""
    data = prepare(SIZE) if data is None else data
    calibrated = np.empty(data.counts.size)
    through_ctypes = 0.0
    through_cython = 0.0
    for _ in range(FRAMES):
        np.multiply(data.counts, GAIN, out=calibrated)
        through_ctypes += _sum_ctypes(calibrated)
    for _ in range(FRAMES):
        np.multiply(data.counts, GAIN, out=calibrated)
        through_cython += cykernels.sum(calibrated)
    return through_ctypes, through_cython


def _sum_ctypes(values: NDArray[np.float64]) -> float:
    return float(kernels.cdemo_sum(values.ctypes.data_as(DOUBLE_POINTER), values.size))
