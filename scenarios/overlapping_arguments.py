"""A kernel reads ``x[:-1]`` and writes ``x[1:]``: it reads what it has just written.

To add to each value the one before it, a program hands over two views of one array. The loop writes
``x[1]``, and then reads it as the input for ``x[2]``: instead of the sums of neighbours come sums
of sums, and which ones depends on how the compiler unrolled the loop. NumPy's ``x[1:] += x[:-1]``
notices that its operands overlap and works on a copy; a C function is told two addresses, and
trusts that they have nothing to do with each other (``restrict`` even promises it). The cure is an
input of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interprobe.cdemo import DOUBLE_POINTER, cykernels, kernels

TITLE = "input and output that share memory, so that C reads what it has just written"
EXPECTED = ("IP309",)
SAME_NUMBERS = False
SIZE = 64


@dataclass(frozen=True)
class Inputs:
    """The values, and an array of the same length to work in.

    Attributes:
        values: float64, shape (n,): half of the size asked for.
        work: As ``values``; each side begins by making it equal to them.
    """

    values: NDArray[np.float64]
    work: NDArray[np.float64]


def prepare(size: int) -> Inputs:
    """Make two arrays of ``size`` MiB in all."""
    values = np.random.default_rng(309).random(size * 2**20 // 16)
    return Inputs(values, np.empty_like(values))


def bad(data: Inputs | None = None) -> tuple[float, ...]:
    """Read and write the same array, one element apart."""
    data = prepare(SIZE) if data is None else data
    work, count = data.work, data.work.size - 1

    np.add(data.values, 0.0, out=work)
    source = work[:-1].ctypes.data_as(DOUBLE_POINTER)
    kernels.cdemo_axpy(1.0, source, work[1:].ctypes.data_as(DOUBLE_POINTER), count)
    through_ctypes = float(work[-1])

    np.add(data.values, 0.0, out=work)
    cykernels.axpy(1.0, work[:-1], work[1:])
    through_cython = float(work[-1])

    return through_ctypes, through_cython


def good(data: Inputs | None = None) -> tuple[float, ...]:
    """Read one array and write the other."""
    data = prepare(SIZE) if data is None else data
    work, count = data.work, data.work.size - 1

    np.add(data.values, 0.0, out=work)
    source = data.values[:-1].ctypes.data_as(DOUBLE_POINTER)
    kernels.cdemo_axpy(1.0, source, work[1:].ctypes.data_as(DOUBLE_POINTER), count)
    through_ctypes = float(work[-1])

    np.add(data.values, 0.0, out=work)
    cykernels.axpy(1.0, data.values[:-1], work[1:])
    through_cython = float(work[-1])

    return through_ctypes, through_cython
