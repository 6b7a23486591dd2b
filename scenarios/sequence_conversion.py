"""A list of numbers goes to kernels that want arrays, and is unpacked number by number each time.

A wrapper that begins with ``np.asarray(values, dtype=np.float64)`` takes a list as willingly as an
array, which hides what it does to a list: every item is a Python object somewhere in memory, to be
looked at twice and unpacked. That takes many times as long as the kernel itself, at each
call. The cure is to keep the numbers in an array from where they are made: ``np.asarray`` then
hands it through. The kernels see the same values, so the numbers agree to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interprobe.cdemo import DOUBLE_POINTER, cykernels, kernels

TITLE = "a list of numbers, made an array at each call"
EXPECTED = ("IP110",)
SAME_NUMBERS = True
SIZE = 8

PASSES = 3
"""How often each kernel is called."""


@dataclass(frozen=True)
class Inputs:
    """The same numbers as a list and as an array.

    Attributes:
        values: Python floats, n of them.
        array: float64, shape (n,): the numbers of ``values``; the size asked for.
    """

    values: list[float]
    array: NDArray[np.float64]


def prepare(size: int) -> Inputs:
    """Make as many numbers as an array of ``size`` MiB holds."""
    array = np.random.default_rng(110).random(size * 2**20 // 8)
    return Inputs(array.tolist(), array)


def bad(data: Inputs | None = None) -> tuple[float, ...]:
    """Hand over the list."""
    data = prepare(SIZE) if data is None else data
    return _sums(data.values)


def good(data: Inputs | None = None) -> tuple[float, ...]:
    """Hand over the array."""
    data = prepare(SIZE) if data is None else data
    return _sums(data.array)


def _sums(values: Sequence[float] | NDArray[np.float64]) -> tuple[float, ...]:
    through_ctypes = 0.0
    through_cython = 0.0
    for _ in range(PASSES):
        through_ctypes += _sum_ctypes(values)
        through_cython += _sum_cython(values)
    return through_ctypes, through_cython


def _sum_ctypes(values: Sequence[float] | NDArray[np.float64]) -> float:
    array = np.asarray(values, dtype=np.float64)
    return float(kernels.cdemo_sum(array.ctypes.data_as(DOUBLE_POINTER), array.size))


def _sum_cython(values: Sequence[float] | NDArray[np.float64]) -> float:
    return cykernels.sum(np.asarray(values, dtype=np.float64))
