"""A masked array goes to C, which sums what lies under the mask as if it had been measured.

``np.ma.masked_equal(readings, -9999.0)`` keeps the numbers as they are, and beside them a mask that
says which of them count as missing. Every operation of NumPy looks at it. A pointer, and the buffer
that a Cython function reads, are the numbers alone: each -9999 is summed. Nothing complains, so
here ``bad`` and ``good`` differ: that is the point. The cure is to hand over what counts,
``readings.compressed()``, or to fill the gaps with a number that the function knows as missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interprobe.cdemo import DOUBLE_POINTER, cykernels, kernels

TITLE = "a masked array whose mask C never sees, which sums the missing values"
EXPECTED = ("IP313",)
SAME_NUMBERS = False
SIZE = 64

MISSING = -9999.0
"""What the instrument writes where it has measured nothing."""


@dataclass(frozen=True)
class Inputs:
    """Readings of which every hundredth is missing.

    Attributes:
        readings: Masked float64, shape (n,); the size asked for.
        valid: float64, shape (m,), m < n: those that are not missing.
    """

    readings: np.ma.MaskedArray[Any, np.dtype[np.float64]]
    valid: NDArray[np.float64]


def prepare(size: int) -> Inputs:
    """Make readings of ``size`` MiB."""
    values = np.random.default_rng(313).random(size * 2**20 // 8)
    values[::100] = MISSING
    readings = np.ma.masked_equal(values, MISSING)
    return Inputs(readings, readings.compressed())


def bad(data: Inputs | None = None) -> tuple[float, ...]:
    """Hand over the masked array."""
    data = prepare(SIZE) if data is None else data

    pointer = data.readings.ctypes.data_as(DOUBLE_POINTER)
    through_ctypes = float(kernels.cdemo_sum(pointer, data.readings.size))

    through_cython = cykernels.sum(data.readings)

    return through_ctypes, through_cython


def good(data: Inputs | None = None) -> tuple[float, ...]:
    """Hand over what was measured."""
    data = prepare(SIZE) if data is None else data

    pointer = data.valid.ctypes.data_as(DOUBLE_POINTER)
    through_ctypes = float(kernels.cdemo_sum(pointer, data.valid.size))

    through_cython = cykernels.sum(data.valid)

    return through_ctypes, through_cython
