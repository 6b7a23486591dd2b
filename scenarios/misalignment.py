"""Records behind a header of 13 bytes lie at odd addresses, and must be moved before use.

C demands that a ``double`` lies at an address that 8 divides; compilers rely on it, and on some
processors a load from another address fails. A file format with a header of 13 bytes puts every
value behind it at an odd address. ``np.frombuffer(..., offset=13)`` opens such a file without a
copy, but the array is not aligned, and a program that honours the kernel's contract has to move
all of it with ``np.require(..., requirements=["ALIGNED"])`` first. (The kernels refuse a misaligned
pointer; Cython's typed memoryviews do not check.) The cure is a header padded to a multiple of 8
bytes: the records are then aligned as they lie. They are the same records in the same order, so
the numbers agree to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interprobe.cdemo import RECORD, RECORD_POINTER, cykernels, kernels

TITLE = "records at odd addresses, behind a header of 13 bytes"
EXPECTED = ("IP105",)
SAME_NUMBERS = True
SIZE = 64

HEADER = 13
PADDED_HEADER = 16


@dataclass(frozen=True)
class Inputs:
    """The content of two files that hold the same records.

    Attributes:
        file: uint8, shape (13 + 16 n,): the header, then n records of ``cdemo.RECORD``; the size
            asked for.
        padded_file: uint8, shape (16 + 16 n,): the same records behind a padded header.
    """

    file: NDArray[np.uint8]
    padded_file: NDArray[np.uint8]


def prepare(size: int) -> Inputs:
    """Make files of ``size`` MiB; every eighth record is void."""
    random = np.random.default_rng(105)
    records = np.zeros(size * 2**20 // RECORD.itemsize, dtype=RECORD)
    records["id"] = np.where(np.arange(records.size) % 8 == 0, -1, np.arange(records.size))
    records["value"] = random.random(records.size)
    return Inputs(_file(records, HEADER), _file(records, PADDED_HEADER))


def bad(data: Inputs | None = None) -> tuple[float, ...]:
    """Move the misaligned records to aligned memory for each kernel."""
    data = prepare(SIZE) if data is None else data
    records = np.frombuffer(data.file, dtype=RECORD, offset=HEADER)

    aligned = np.require(records, requirements=["ALIGNED"])
    through_ctypes = _sum_ctypes(aligned)

    aligned = np.require(records, requirements=["ALIGNED"])
    through_cython = cykernels.records_sum(aligned)

    return through_ctypes, through_cython


def good(data: Inputs | None = None) -> tuple[float, ...]:
    """Read the records where they lie, aligned by the padded header."""
    data = prepare(SIZE) if data is None else data
    records = np.frombuffer(data.padded_file, dtype=RECORD, offset=PADDED_HEADER)
    return _sum_ctypes(records), cykernels.records_sum(records)


def _file(records: NDArray[np.void], header: int) -> NDArray[np.uint8]:
    """The bytes of a file: ``header`` zero bytes, then the records."""
    content = np.zeros(header + records.nbytes, dtype=np.uint8)
    content[header:] = records.view(np.uint8)
    return content


def _sum_ctypes(records: NDArray[np.void]) -> float:
    records_pointer = records.ctypes.data_as(RECORD_POINTER)
    return float(kernels.cdemo_records_sum(records_pointer, records.size))
