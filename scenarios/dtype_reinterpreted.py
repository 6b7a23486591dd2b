"""A float32 array is handed over as ``double *``: no copy, no error, and a wrong number.

``array.ctypes.data_as(POINTER(c_double))`` converts nothing: it hands over the address and claims
that doubles lie there. If the array is float32, the kernel fuses each pair of values into one
double and sums garbage. Nothing is slow and nothing complains, so here ``bad`` and ``good`` differ:
that is the point. The same claim in NumPy is ``array.view(np.float64)``; it silences the
``ValueError`` with which the Cython function refuses a float32 array, and yields the same garbage.
``bad`` passes half the number of elements, so that it stays inside the array; a program that
passes ``array.size`` also reads as many bytes again behind the end. The cure is an array
of the dtype that the kernel declares, here from the start, else by ``array.astype(np.float64)``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interprobe.cdemo import DOUBLE_POINTER, cykernels, kernels

TITLE = "a float32 array passed off as double *, which yields a wrong sum"
EXPECTED = ("IP301",)
SAME_NUMBERS = False
SIZE = 64


@dataclass(frozen=True)
class Inputs:
    """The same samples in both dtypes.

    Attributes:
        single: float32, shape (n,), n even.
        double: float64, shape (n,): the values of ``single``; the size asked for.
    """

    single: NDArray[np.float32]
    double: NDArray[np.float64]


def prepare(size: int) -> Inputs:
    """Make samples that occupy ``size`` MiB as float64."""
    # From 1 to 2: fused in pairs they make finite doubles, so that the wrong sum is a number.
    single = np.random.default_rng(301).random(size * 2**20 // 8, dtype=np.float32) + np.float32(1)
    return Inputs(single, single.astype(np.float64))


def bad(data: Inputs | None = None) -> tuple[float, ...]:
    """Claim that the float32 array holds doubles."""
    data = prepare(SIZE) if data is None else data

    pointer = data.single.ctypes.data_as(DOUBLE_POINTER)
    through_ctypes = float(kernels.cdemo_sum(pointer, data.single.size // 2))

    through_cython = cykernels.sum(data.single.view(np.float64))

    return through_ctypes, through_cython


def good(data: Inputs | None = None) -> tuple[float, ...]:
    """Hand over an array that does hold doubles."""
    data = prepare(SIZE) if data is None else data

    pointer = data.double.ctypes.data_as(DOUBLE_POINTER)
    through_ctypes = float(kernels.cdemo_sum(pointer, data.double.size))

    through_cython = cykernels.sum(data.double)

    return through_ctypes, through_cython
