"""An expression on large arrays leaves every intermediate result in an array of its own.

``np.sqrt(vx * vx + vy * vy + vz * vz)`` looks like one pass over the data. NumPy makes six: each
product is written to memory as a whole before the next operation reads it, and memory for it is got
from the system at each turn. The cure is to give the operations arrays to write into
(``out=``), made once: the same operations in the same order, so the numbers agree to the last bit,
and no array comes or goes inside the loop. (numexpr goes further, and computes such an expression
in pieces that stay in the cache.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interprobe.cdemo import DOUBLE_POINTER, cykernels, kernels

TITLE = "speeds from velocities, with an array for each intermediate result"
EXPECTED = ("IP108",)
SAME_NUMBERS = True
SIZE = 120

STEPS = 2
"""How often the speeds are computed, as a simulation does at each step."""


@dataclass(frozen=True)
class Inputs:
    """The velocities of particles, one array for each component.

    Attributes:
        x: float64, shape (n,); the three together have the size asked for.
        y: As ``x``.
        z: As ``x``.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    z: NDArray[np.float64]


def prepare(size: int) -> Inputs:
    """Make three components of together ``size`` MiB."""
    x, y, z = np.random.default_rng(108).random((3, size * 2**20 // 24))
    return Inputs(x, y, z)


def bad(data: Inputs | None = None) -> tuple[float, ...]:
    """Write the formula as it stands in the book."""
    data = prepare(SIZE) if data is None else data
    through_ctypes = 0.0
    through_cython = 0.0
    for _ in range(STEPS):
        speeds = np.sqrt(data.x * data.x + data.y * data.y + data.z * data.z)
        through_ctypes += _sum_ctypes(speeds)
    for _ in range(STEPS):
        speeds = np.sqrt(data.x * data.x + data.y * data.y + data.z * data.z)
        through_cython += cykernels.sum(speeds)
    return through_ctypes, through_cython


def good(data: Inputs | None = None) -> tuple[float, ...]:
    """Compute the same in two arrays that are made once."""
    data = prepare(SIZE) if data is None else data
    speeds = np.empty(data.x.size)
    work = np.empty(data.x.size)
    through_ctypes = 0.0
    through_cython = 0.0
    for _ in range(STEPS):
        _speeds_into(speeds, work, data)
        through_ctypes += _sum_ctypes(speeds)
    for _ in range(STEPS):
        _speeds_into(speeds, work, data)
        through_cython += cykernels.sum(speeds)
    return through_ctypes, through_cython


def _speeds_into(speeds: NDArray[np.float64], work: NDArray[np.float64], data: Inputs) -> None:
    """Fill ``speeds``; ``work`` holds what is in between."""
    np.multiply(data.x, data.x, out=speeds)
    for component in (data.y, data.z):
        np.multiply(component, component, out=work)
        np.add(speeds, work, out=speeds)
    np.sqrt(speeds, out=speeds)


def _sum_ctypes(values: NDArray[np.float64]) -> float:
    return float(kernels.cdemo_sum(values.ctypes.data_as(DOUBLE_POINTER), values.size))
