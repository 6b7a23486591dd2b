"""A smoothing step writes into the array that it reads, which costs a hidden copy each time.

``x[1:] += x[:-1]`` reads each element after the one before it was written. NumPy promises the
result that the old elements give: it sees that the two views share memory, adds into a temporary,
and copies that back as a whole. The line does not show it. The cure is a second array: read one,
write the other, and exchange them after each step. The additions are the same, so the numbers agree
to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interprobe.cdemo import DOUBLE_POINTER, cykernels, kernels

TITLE = "a step in place on overlapping views, with a hidden copy each time"
EXPECTED = ("IP109",)
SAME_NUMBERS = True
SIZE = 32

STEPS = 6
"""How often neighbours are added up."""


@dataclass(frozen=True)
class Inputs:
    """The signal to smooth.

    Attributes:
        signal: float64, shape (n,); the size asked for.
    """

    signal: NDArray[np.float64]


def prepare(size: int) -> Inputs:
    """Make a signal of ``size`` MiB."""
    return Inputs(np.random.default_rng(109).random(size * 2**20 // 8))


def bad(data: Inputs | None = None) -> tuple[float, ...]:
    """Add the neighbours in place."""
    data = prepare(SIZE) if data is None else data
    smooth = _smoothed_in_place(data.signal)
    through_ctypes = _sum_ctypes(smooth)
    smooth = _smoothed_in_place(data.signal)
    return through_ctypes, cykernels.sum(smooth)


def good(data: Inputs | None = None) -> tuple[float, ...]:
    """Read one array and write the other."""
    data = prepare(SIZE) if data is None else data
    smooth = _smoothed_in_turns(data.signal)
    through_ctypes = _sum_ctypes(smooth)
    smooth = _smoothed_in_turns(data.signal)
    return through_ctypes, cykernels.sum(smooth)


def _smoothed_in_place(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    x = signal.copy()
    for _ in range(STEPS):
        x[1:] += x[:-1]
    return x


def _smoothed_in_turns(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    x, following, spare = signal, np.empty_like(signal), np.empty_like(signal)
    for _ in range(STEPS):
        following[0] = x[0]
        np.add(x[1:], x[:-1], out=following[1:])
        x, following, spare = following, spare, following
    return x


def _sum_ctypes(values: NDArray[np.float64]) -> float:
    return float(kernels.cdemo_sum(values.ctypes.data_as(DOUBLE_POINTER), values.size))
