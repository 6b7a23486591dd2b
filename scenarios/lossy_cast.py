"""Times in seconds since 1970 go to a function that computes in float32, which cannot hold them.

A binding that takes any array and converts it to the type of its C code is convenient, and silent.
``longest_gap`` computes in float32; so does the C kernel, behind a ctypes parameter that converts.
Seconds since 1970 are about 1.7e9; a float32 has 24 bits, so at that size it holds only every 128th
integer. Measurements one second apart become equal, and then jump by 128: the longest gap is
reported as 128 seconds where it was 3. Here ``bad`` and ``good`` differ: that is the point. The
cure is to give the function numbers that its type holds: seconds since a time close by, as float32.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interprobe.cdemo import cykernels, kernels

TITLE = "int64 times converted to float32 on the way, which rounds them to 128 s"
EXPECTED = ("IP311", "IP103")
SAME_NUMBERS = False
SIZE = 64

EPOCH = 1_700_000_000
"""The first measurement, in seconds since 1970."""

_longest_gap = kernels["cdemo_longest_gap"]  # a function of its own, with another prototype
# ctypes takes any class with a from_param, which its type hints do not say.
_longest_gap.argtypes = (cykernels.AnyTimes, ctypes.c_size_t)  # type: ignore[assignment]
_longest_gap.restype = ctypes.c_double


@dataclass(frozen=True)
class Inputs:
    """The same times twice.

    Attributes:
        since_1970: int64, shape (n,), seconds, ascending; the size asked for.
        elapsed: float32, shape (n,), seconds since the last multiple of 2**20 of them, so that each
            is exact.
    """

    since_1970: NDArray[np.int64]
    elapsed: NDArray[np.float32]


def prepare(size: int) -> Inputs:
    """Make times that occupy ``size`` MiB as int64, one to three seconds apart."""
    steps = np.random.default_rng(311).integers(1, 4, size * 2**20 // 8)
    times = np.cumsum(steps)
    return Inputs(EPOCH + times, (times % 2**20).astype(np.float32))


def bad(data: Inputs | None = None) -> tuple[float, ...]:
    """Hand over the integers."""
    data = prepare(SIZE) if data is None else data
    times = data.since_1970
    return float(_longest_gap(times, times.size)), cykernels.longest_gap(times)


def good(data: Inputs | None = None) -> tuple[float, ...]:
    """Hand over float32 numbers that are what they were."""
    data = prepare(SIZE) if data is None else data
    times = data.elapsed
    return float(_longest_gap(times, times.size)), cykernels.longest_gap(times)
