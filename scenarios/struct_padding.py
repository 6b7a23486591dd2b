"""Packed records go to C as padded structs: no copy, no error, and members made of two others.

``struct cdemo_record`` is an ``int32_t`` and a ``double``. C leaves 4 bytes free between them, so
that the double lies at a multiple of 8: 16 bytes a record. NumPy packs the same members into 12, as
files often have them, unless the dtype says ``align=True``. The kernel then reads each value half
from one member and half from the next, and its second record begins inside the array's second one.
Nothing complains, so here ``bad`` and ``good`` differ: that is the point. The same claim in NumPy
is to view the bytes as the padded dtype; the Cython function refuses ``packed`` itself with a
``ValueError``. ``bad`` passes only as many records as lie inside the array; a program that passes
``packed.size`` also reads a third more behind its end. The cure is a dtype that pads as C does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interprobe.cdemo import RECORD, RECORD_POINTER, cykernels, kernels

TITLE = "packed records passed off as a C struct with padding, which yields a wrong sum"
EXPECTED = ("IP310",)
SAME_NUMBERS = False
SIZE = 64

PACKED = np.dtype([("id", np.int32), ("value", np.float64)])
"""The members of the struct without its padding: 12 bytes."""


@dataclass(frozen=True)
class Inputs:
    """The same measurements in both layouts.

    Attributes:
        packed: Records of 12 bytes, shape (n,).
        padded: Records as in C, shape (n,): the values of ``packed``; the size asked for.
    """

    packed: NDArray[Any]
    padded: NDArray[Any]


def prepare(size: int) -> Inputs:
    """Make measurements that occupy ``size`` MiB as C has them."""
    count = size * 2**20 // RECORD.itemsize
    padded = np.zeros(count, RECORD)
    padded["id"] = np.arange(count)
    # Whole numbers of few digits: half of one and half of an id make a tiny number, and no NaN.
    padded["value"] = np.random.default_rng(310).integers(1, 1000, count)
    return Inputs(padded.astype(PACKED), padded)


def bad(data: Inputs | None = None) -> tuple[float, ...]:
    """Claim that the packed records are the struct's."""
    data = prepare(SIZE) if data is None else data

    count = data.packed.nbytes // RECORD.itemsize
    pointer = data.packed.ctypes.data_as(RECORD_POINTER)
    through_ctypes = float(kernels.cdemo_records_sum(pointer, count))

    taken = data.packed.view(np.uint8)[: count * RECORD.itemsize].view(RECORD)
    through_cython = cykernels.records_sum(taken)

    return through_ctypes, through_cython


def good(data: Inputs | None = None) -> tuple[float, ...]:
    """Hand over records that are padded as in C."""
    data = prepare(SIZE) if data is None else data

    pointer = data.padded.ctypes.data_as(RECORD_POINTER)
    through_ctypes = float(kernels.cdemo_records_sum(pointer, data.padded.size))

    through_cython = cykernels.records_sum(data.padded)

    return through_ctypes, through_cython
