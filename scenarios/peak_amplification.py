"""Distances of all pairs by broadcasting: the differences take 64 times the result's memory.

``((spectra[:, None] - spectra) ** 2).sum(axis=-1)`` is one line for all pairs, and computes the
difference of every pair in every channel before the sum over the channels begins: an array 64
times as large as the distances, which only the next step reads. What the data themselves take is a
fraction of it, and the program needs a machine for the peak. The cure computes some rows of the
result at a time: the same operations on the same numbers, with a piece of the differences in
memory that is used again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interprobe.cdemo import DOUBLE_POINTER, cykernels, kernels

TITLE = "distances of all pairs at once, at a peak of 64 times the result"
EXPECTED = ("IP602",)
SAME_NUMBERS = True
SIZE = 8

CHANNELS = 64
ROWS = 16
"""Rows of the result that the cure computes at a time."""


@dataclass(frozen=True)
class Inputs:
    """Measured spectra.

    Attributes:
        spectra: float64, shape (n, CHANNELS), n such that the distances of all pairs have the size
        asked
            for.
    """

    spectra: NDArray[np.float64]


def prepare(size: int) -> Inputs:
    """Make spectra whose distances take ``size`` MiB."""
    count = math.isqrt(size * 2**20 // 8)
    return Inputs(np.random.default_rng(602).random((count, CHANNELS)))


def bad(data: Inputs | None = None) -> tuple[float, ...]:
    """Subtract everything from everything."""
    data = prepare(SIZE) if data is None else data
    spectra = data.spectra
    distances = ((spectra[:, None] - spectra) ** 2).sum(axis=-1)
    return _sum_ctypes(distances), cykernels.sum(distances.reshape(-1))


def good(data: Inputs | None = None) -> tuple[float, ...]:
    """Compute some rows at a time, in memory that is made once."""
    data = prepare(SIZE) if data is None else data
    spectra = data.spectra
    distances = np.empty((len(spectra), len(spectra)))
    work = np.empty((ROWS, *spectra.shape))
    for start in range(0, len(spectra), ROWS):
        rows = spectra[start : start + ROWS]
        part = work[: len(rows)]
        np.subtract(rows[:, None], spectra, out=part)
        np.multiply(part, part, out=part)
        part.sum(axis=-1, out=distances[start : start + ROWS])
    return _sum_ctypes(distances), cykernels.sum(distances.reshape(-1))


def _sum_ctypes(values: NDArray[np.float64]) -> float:
    return float(kernels.cdemo_sum(values.ctypes.data_as(DOUBLE_POINTER), values.size))
