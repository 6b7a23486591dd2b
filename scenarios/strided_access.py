"""A sensor's readings are a column of a table: 64 bytes are fetched for each 8 that are used.

A logger writes a row for each moment, 16 sensors side by side. One sensor's readings are then 128
bytes apart, and memory comes in lines of 64 bytes: to look at one sensor, a function fetches a line
for each reading and uses an eighth of it. ``table[:, k]`` copies nothing, the function takes it in
place, strides and all, and takes several times as long. The cure is a table with a row for each
sensor, whose readings are neighbours. (A contiguous copy before each call would walk over the same
lines, and gain nothing.) Both sides find the same peaks, to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interprobe.cdemo import DOUBLE_POINTER, cykernels, kernels

TITLE = "columns of a table, of which each number lies in a cache line of its own"
EXPECTED = ("IP201",)
SAME_NUMBERS = True
SIZE = 16

SENSORS = 16
REPEATS = 20


@dataclass(frozen=True)
class Inputs:
    """The same readings twice.

    Attributes:
        by_moment: float64, shape (n, 16), C order: a row for each moment; the size asked for.
        by_sensor: float64, shape (16, n), C order: a row for each sensor.
    """

    by_moment: NDArray[np.float64]
    by_sensor: NDArray[np.float64]


def prepare(size: int) -> Inputs:
    """Make readings that occupy ``size`` MiB."""
    by_moment = np.random.default_rng(201).random((size * 2**20 // 8 // SENSORS, SENSORS))
    return Inputs(by_moment, np.ascontiguousarray(by_moment.T))


def bad(data: Inputs | None = None) -> tuple[float, ...]:
    """Look at the columns of the table."""
    data = prepare(SIZE) if data is None else data

    through_ctypes = through_cython = 0.0
    for sensor in list(range(SENSORS)) * REPEATS:
        readings = data.by_moment[:, sensor]
        through_ctypes += _peak_ctypes(readings)
        through_cython += cykernels.peak(readings)

    return through_ctypes, through_cython


def good(data: Inputs | None = None) -> tuple[float, ...]:
    """Look at the rows of a table that keeps each sensor's readings together."""
    data = prepare(SIZE) if data is None else data

    through_ctypes = through_cython = 0.0
    for sensor in list(range(SENSORS)) * REPEATS:
        readings = data.by_sensor[sensor]
        through_ctypes += _peak_ctypes(readings)
        through_cython += cykernels.peak(readings)

    return through_ctypes, through_cython


def _peak_ctypes(readings: NDArray[np.float64]) -> float:
    step = readings.strides[0] // readings.itemsize
    pointer = readings.ctypes.data_as(DOUBLE_POINTER)
    return float(kernels.cdemo_peak(pointer, readings.size, step))
