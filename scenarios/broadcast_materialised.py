"""One row, stretched to a whole grid by broadcasting, is written out in full for a kernel.

``np.broadcast_to(row, grid.shape)`` makes one row look like a grid without using memory: every row
of it is the same row, because its stride is 0. Native code that walks plain ``double *`` memory
knows no strides, so the program writes the grid out, here 256 equal rows for one. The cure is
to keep the row and let the loop over the grid use it again and again: one call per row of the grid,
all with the same small vector, which stays in the cache. Each element gets the same sum, so the
numbers agree to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interprobe.cdemo import DOUBLE_POINTER, cykernels, kernels

TITLE = "one row, written out as a whole grid because a kernel knows no broadcasting"
EXPECTED = ("IP106",)
SAME_NUMBERS = True
SIZE = 32

ROWS = 256
GAIN = 0.75


@dataclass(frozen=True)
class Inputs:
    """A grid of readings and the profile that belongs to each of its rows.

    Attributes:
        readings: float64, shape (256, cols), C order; the size asked for.
        profile: float64, shape (cols,).
    """

    readings: NDArray[np.float64]
    profile: NDArray[np.float64]


def prepare(size: int) -> Inputs:
    """Make a grid of ``size`` MiB and one row."""
    random = np.random.default_rng(106)
    columns = size * 2**20 // (ROWS * 8)
    return Inputs(random.random((ROWS, columns)), random.random(columns))


def bad(data: Inputs | None = None) -> tuple[float, ...]:
    """Write the stretched row out, once for each kernel."""
    data = prepare(SIZE) if data is None else data
    stretched = np.broadcast_to(data.profile, data.readings.shape)

    full = np.ascontiguousarray(stretched)
    model = np.zeros(full.shape)
    full_pointer = full.ctypes.data_as(DOUBLE_POINTER)
    model_pointer = model.ctypes.data_as(DOUBLE_POINTER)
    kernels.cdemo_axpy(GAIN, full_pointer, model_pointer, model.size)
    through_ctypes = _correlation(data.readings, model)

    full = np.array(stretched, order="C", copy=None)
    model = np.zeros(full.shape)
    cykernels.axpy(GAIN, full.reshape(-1), model.reshape(-1))
    through_cython = _correlation(data.readings, model)

    return through_ctypes, through_cython


def good(data: Inputs | None = None) -> tuple[float, ...]:
    """Use the one row again for each row of the grid."""
    data = prepare(SIZE) if data is None else data

    model = np.zeros(data.readings.shape)
    profile_pointer = data.profile.ctypes.data_as(DOUBLE_POINTER)
    for row in model:
        row_pointer = row.ctypes.data_as(DOUBLE_POINTER)
        kernels.cdemo_axpy(GAIN, profile_pointer, row_pointer, row.size)
    through_ctypes = _correlation(data.readings, model)

    model = np.zeros(data.readings.shape)
    for row in model:
        cykernels.axpy(GAIN, data.profile, row)
    through_cython = _correlation(data.readings, model)

    return through_ctypes, through_cython


def _correlation(readings: NDArray[np.float64], model: NDArray[np.float64]) -> float:
    return cykernels.dot(readings.reshape(-1), model.reshape(-1))
