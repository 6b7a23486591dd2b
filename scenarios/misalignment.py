"""Doubles behind a header of 13 bytes lie at odd addresses, and must be moved before use.

C demands that a ``double`` lies at an address that 8 divides; compilers rely on it, and on some
processors a load from another address fails. A file format with a header of 13 bytes puts every
value behind it at an odd address. ``np.frombuffer(..., offset=13)`` opens such a block without a
copy, but the array is not aligned, and a program that honours the kernel's contract has to move
all of it with ``np.require(..., requirements=["ALIGNED"])`` first. (The kernels refuse a misaligned
pointer; Cython's typed memoryviews do not check.) The cure is a header padded to a multiple of 8
bytes: the block is then aligned as it lies. The same holds for records with an ``align=True``
dtype. The values are the same, so the numbers agree to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interprobe.cdemo import DOUBLE_POINTER, RECORD, RECORD_POINTER, cykernels, kernels

TITLE = "doubles at odd addresses, behind a header of 13 bytes"
EXPECTED = ("IP105",)
SAME_NUMBERS = True
SIZE = 64

HEADER = 13
PADDED_HEADER = 16


@dataclass(frozen=True)
class Inputs:
    """Two files in memory, each with an unpadded and with a padded header.

    Attributes:
        samples: uint8, shape (13 + 8 n,): the header, then n doubles.
        samples_padded: uint8, shape (16 + 8 n,): the same doubles behind a padded header.
        records: uint8, shape (13 + 16 m,): the header, then m records of ``cdemo.RECORD``.
        records_padded: uint8, shape (16 + 16 m,): the same records behind a padded header.
    """

    samples: NDArray[np.uint8]
    samples_padded: NDArray[np.uint8]
    records: NDArray[np.uint8]
    records_padded: NDArray[np.uint8]


def prepare(size: int) -> Inputs:
    """Make files of ``size`` MiB: half of it doubles, half of it records."""
    random = np.random.default_rng(105)
    samples = random.random(size * 2**20 // 2 // 8)
    records = np.zeros(size * 2**20 // 2 // RECORD.itemsize, dtype=RECORD)
    records["id"] = np.arange(records.size)
    records["value"] = random.random(records.size)
    return Inputs(
        _file(samples, HEADER),
        _file(samples, PADDED_HEADER),
        _file(records, HEADER),
        _file(records, PADDED_HEADER),
    )


def bad(data: Inputs | None = None) -> tuple[float, ...]:
    """Move the misaligned blocks to aligned memory for each kernel."""
    data = prepare(SIZE) if data is None else data
    samples = np.frombuffer(data.samples, dtype=np.float64, offset=HEADER)
    records = np.frombuffer(data.records, dtype=RECORD, offset=HEADER)

    aligned = np.require(samples, requirements=["ALIGNED"])
    aligned_records = np.require(records, requirements=["ALIGNED"])
    through_ctypes = _sums_ctypes(aligned, aligned_records)

    aligned = np.require(samples, requirements=["ALIGNED"])
    aligned_records = np.require(records, requirements=["ALIGNED"])
    through_cython = cykernels.sum(aligned), cykernels.records_sum(aligned_records)

    return through_ctypes + through_cython


def good(data: Inputs | None = None) -> tuple[float, ...]:
    """Read the blocks where they lie, aligned by the padded header."""
    data = prepare(SIZE) if data is None else data
    samples = np.frombuffer(data.samples_padded, dtype=np.float64, offset=PADDED_HEADER)
    records = np.frombuffer(data.records_padded, dtype=RECORD, offset=PADDED_HEADER)

    through_ctypes = _sums_ctypes(samples, records)
    through_cython = cykernels.sum(samples), cykernels.records_sum(records)

    return through_ctypes + through_cython


def _file(block: NDArray[np.float64] | NDArray[np.void], header: int) -> NDArray[np.uint8]:
    """The bytes of a file: ``header`` zero bytes, then the block."""
    content = np.zeros(header + block.nbytes, dtype=np.uint8)
    content[header:] = block.view(np.uint8)
    return content


def _sums_ctypes(samples: NDArray[np.float64], records: NDArray[np.void]) -> tuple[float, float]:
    samples_pointer = samples.ctypes.data_as(DOUBLE_POINTER)
    records_pointer = records.ctypes.data_as(RECORD_POINTER)
    return (
        float(kernels.cdemo_sum(samples_pointer, samples.size)),
        float(kernels.cdemo_records_sum(records_pointer, records.size)),
    )
