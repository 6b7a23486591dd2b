"""C adds up into an array whose address was taken before the array was replaced.

``sums.ctypes.data`` is a mere number: it keeps nothing alive. ``sums = sums + OFFSET`` makes a new
array, and the one that the address belonged to is freed. The kernel goes on writing to where it
was: memory that belongs to nobody, or to whichever array NumPy gives it to next. Nothing is copied,
nothing complains, and the sums lack every sample. An array made over such an address, as with
``np.ctypeslib.as_array``, is no better: so the Cython function writes there too. The cure is to
take the pointer from the array that is meant, and to pass what ``data_as`` returns, which holds its
array.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interprobe.cdemo import DOUBLE_POINTER, cykernels, kernels

TITLE = "an address kept after its array was replaced: what C adds up there is lost"
EXPECTED = ("IP401",)
SAME_NUMBERS = False
SIZE = 8

COLUMNS = 100
"""Sums of 800 bytes. NumPy keeps freed data that small for the next array of the size, of which
there is none here: writing to them is wrong, but does no harm."""
MOST_ROWS = 1500
"""A call for each: many more would be a pitfall of their own, whatever the pointers lead to."""
OFFSET = 1.0


@dataclass(frozen=True)
class Inputs:
    """Samples in rows.

    Attributes:
        rows: float64, shape (n, 100), C order.
    """

    rows: NDArray[np.float64]


def prepare(size: int) -> Inputs:
    """Make samples that occupy ``size`` MiB, but no more than ``MOST_ROWS`` of them."""
    rows = min(size * 2**20 // (8 * COLUMNS), MOST_ROWS)
    return Inputs(np.random.default_rng(401).random((rows, COLUMNS)))


def bad(data: Inputs | None = None) -> tuple[float, ...]:
    """Replace the array between taking its address and using it."""
    data = prepare(SIZE) if data is None else data

    sums = np.zeros(COLUMNS)
    address = sums.ctypes.data
    sums = sums + OFFSET
    for row in data.rows:
        samples = row.ctypes.data_as(DOUBLE_POINTER)
        kernels.cdemo_axpy(1.0, samples, ctypes.cast(address, DOUBLE_POINTER), COLUMNS)
    through_ctypes = float(sums.sum())

    sums = np.zeros(COLUMNS)
    there = np.ctypeslib.as_array(ctypes.cast(sums.ctypes.data, DOUBLE_POINTER), (COLUMNS,))
    sums = sums + OFFSET
    for row in data.rows:
        cykernels.axpy(1.0, row, there)
    through_cython = float(sums.sum())

    return through_ctypes, through_cython


def good(data: Inputs | None = None) -> tuple[float, ...]:
    """Take the pointer of the array that is meant, in a form that holds it."""
    data = prepare(SIZE) if data is None else data

    sums = np.zeros(COLUMNS)
    sums = sums + OFFSET
    pointer = sums.ctypes.data_as(DOUBLE_POINTER)
    for row in data.rows:
        kernels.cdemo_axpy(1.0, row.ctypes.data_as(DOUBLE_POINTER), pointer, COLUMNS)
    through_ctypes = float(sums.sum())

    sums = np.zeros(COLUMNS)
    sums = sums + OFFSET
    for row in data.rows:
        cykernels.axpy(1.0, row, sums)
    through_cython = float(sums.sum())

    return through_ctypes, through_cython
