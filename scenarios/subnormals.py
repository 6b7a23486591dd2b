"""Concentrations that have decayed to 1e-310 instead of to zero: the same sum takes far longer.

A substance wears off, by a factor in each step. In exact arithmetic it is never quite gone, and
after a while most of the array holds numbers below 2.2e-308, which a double can only hold with some
of its digits missing: subnormal numbers. Nothing is wrong with them, but many processors compute
with them in slow steps of their own, some a hundred times slower, for amounts that mean nothing
beside the others. The cure is to put zeros in their place, as in
``x[np.abs(x) < np.finfo(x.dtype).tiny] = 0``, or to have the processor take them for zeros. The
sums are the same to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interprobe.cdemo import DOUBLE_POINTER, cykernels, kernels

TITLE = "numbers so near to zero that the processor slows down"
EXPECTED = ("IP506",)
SAME_NUMBERS = True
SIZE = 64

_HALF = 0.5
_DOSES = 5


@dataclass(frozen=True)
class Inputs:
    """The same concentrations, with and without subnormal numbers.

    Attributes:
        decayed: float64, shape (n,): every 16th is between 1 and 2, the others are about 1e-310.
        cleaned: The same with zeros in place of the latter; the size asked for.
    """

    decayed: NDArray[np.float64]
    cleaned: NDArray[np.float64]


def prepare(size: int) -> Inputs:
    """Make concentrations that occupy ``size`` MiB."""
    decayed = np.random.default_rng(506).random(size * 2**20 // 8) + 1.0
    kept = decayed[::16].copy()
    decayed *= 1e-310
    decayed[::16] = kept
    cleaned = np.where(np.abs(decayed) < np.finfo(np.float64).tiny, 0.0, decayed)
    return Inputs(decayed, cleaned)


def bad(data: Inputs | None = None) -> tuple[float, ...]:
    """Sum the responses to the concentrations as they have decayed."""
    data = prepare(SIZE) if data is None else data
    return _responses(data.decayed)


def good(data: Inputs | None = None) -> tuple[float, ...]:
    """Sum the responses to the same with zeros where they mean nothing."""
    data = prepare(SIZE) if data is None else data
    return _responses(data.cleaned)


def _responses(x: NDArray[np.float64]) -> tuple[float, ...]:
    """The summed response to each dose."""
    through_ctypes = []
    for dose in range(_DOSES):
        pointer = x.ctypes.data_as(DOUBLE_POINTER)
        response = kernels.cdemo_saturation(pointer, _HALF + dose, x.size)
        through_ctypes.append(float(response))

    through_cython = [cykernels.saturation(x, _HALF + dose) for dose in range(_DOSES)]

    return (*through_ctypes, *through_cython)
