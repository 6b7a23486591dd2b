"""Big-endian data go to kernels that read the processor's own byte order, so every value is turned.

FITS images, classic NetCDF and many instruments store numbers with the most significant byte first
(``>f8``). NumPy opens such data as they are and turns the bytes on the fly, but native code
cannot: the kernel needs them in the order of the processor, so the program rewrites the array at
each call. The cure is to turn the bytes once, where the file is read, and keep the array in native
order from then on. The values are the same, so the numbers agree to the last bit.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interprobe.cdemo import DOUBLE_POINTER, cykernels, kernels

TITLE = "data in foreign byte order, turned before each call"
EXPECTED = ("IP104",)
SAME_NUMBERS = True
SIZE = 64

FOREIGN = ">f8" if sys.byteorder == "little" else "<f8"
"""float64 with the bytes in the order that this processor does not use."""


@dataclass(frozen=True)
class Inputs:
    """The same grid in both byte orders.

    Attributes:
        foreign: float64 with its bytes swapped, shape (rows, cols), C order; the size asked for.
        native: float64, shape (rows, cols), C order: the values of ``foreign``.
    """

    foreign: NDArray[np.floating[Any]]
    native: NDArray[np.float64]


def prepare(size: int) -> Inputs:
    """Make a grid of ``size`` MiB with 1000 columns."""
    columns = 1000
    native = np.random.default_rng(104).random((size * 2**20 // (columns * 8), columns))
    return Inputs(native.astype(FOREIGN), native)


def bad(data: Inputs | None = None) -> tuple[float, ...]:
    """Turn the bytes of the whole grid for each kernel."""
    data = prepare(SIZE) if data is None else data

    grid = np.ascontiguousarray(data.foreign, dtype=np.float64)
    through_ctypes = _row_sums_ctypes(grid)

    grid = data.foreign.astype(np.float64)
    through_cython = _row_sums_cython(grid)

    return through_ctypes + through_cython


def good(data: Inputs | None = None) -> tuple[float, ...]:
    """Hand over a grid that was turned when it was read."""
    data = prepare(SIZE) if data is None else data
    return _row_sums_ctypes(data.native) + _row_sums_cython(data.native)


def _row_sums_ctypes(grid: NDArray[np.float64]) -> tuple[float, ...]:
    sums = np.empty(grid.shape[0])
    grid_pointer = grid.ctypes.data_as(DOUBLE_POINTER)
    sums_pointer = sums.ctypes.data_as(DOUBLE_POINTER)
    kernels.cdemo_row_sweep(grid_pointer, *grid.shape, sums_pointer)
    return tuple(sums.tolist())


def _row_sums_cython(grid: NDArray[np.float64]) -> tuple[float, ...]:
    sums = np.empty(grid.shape[0])
    cykernels.row_sweep(grid, sums)
    return tuple(sums.tolist())
