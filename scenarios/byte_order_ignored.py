"""Big-endian data go to C as they were read: no copy, no error, and numbers of another world.

FITS images, classic NetCDF and many instruments store numbers with the most significant byte first
(``>f8``). NumPy turns the bytes whenever it reads such an array; a pointer to it is the address
alone. The kernel takes the least significant byte for the most significant one, and 1.0 for 3e-319.
Nothing complains, so here ``bad`` and ``good`` differ: that is the point. The same claim in NumPy
is ``foreign.view(np.float64)``; the Cython function refuses ``foreign`` itself with a
``ValueError``. The cure is to turn the bytes once, where the data are read:
``foreign.astype(np.float64)``.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interprobe.cdemo import DOUBLE_POINTER, cykernels, kernels

TITLE = "data in foreign byte order passed as double *, which yields a wrong sum"
EXPECTED = ("IP303",)
SAME_NUMBERS = False
SIZE = 64

FOREIGN = ">f8" if sys.byteorder == "little" else "<f8"
"""float64 with the bytes in the order that this processor does not use."""


@dataclass(frozen=True)
class Inputs:
    """The same counts in both byte orders.

    Attributes:
        foreign: float64 with its bytes swapped, shape (n,); the size asked for.
        native: float64, shape (n,): the values of ``foreign``.
    """

    foreign: NDArray[np.floating[Any]]
    native: NDArray[np.float64]


def prepare(size: int) -> Inputs:
    """Make counts of ``size`` MiB."""
    # Small whole numbers have zeros in all but two bytes: turned, they are tiny, and no NaN.
    native = np.random.default_rng(303).integers(1, 16, size * 2**20 // 8).astype(np.float64)
    return Inputs(native.astype(FOREIGN), native)


def bad(data: Inputs | None = None) -> tuple[float, ...]:
    """Claim that the array holds doubles of this processor."""
    data = prepare(SIZE) if data is None else data

    pointer = data.foreign.ctypes.data_as(DOUBLE_POINTER)
    through_ctypes = float(kernels.cdemo_sum(pointer, data.foreign.size))

    through_cython = cykernels.sum(data.foreign.view(np.float64))

    return through_ctypes, through_cython


def good(data: Inputs | None = None) -> tuple[float, ...]:
    """Hand over an array whose bytes were turned when it was read."""
    data = prepare(SIZE) if data is None else data

    pointer = data.native.ctypes.data_as(DOUBLE_POINTER)
    through_ctypes = float(kernels.cdemo_sum(pointer, data.native.size))

    through_cython = cykernels.sum(data.native)

    return through_ctypes, through_cython
