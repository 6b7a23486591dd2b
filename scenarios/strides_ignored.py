"""Every second sample goes to C as a bare pointer: no copy, no error, and the sum of other samples.

A stereo recording keeps its channels interleaved: left, right, left, right. ``sound[::2]`` is the
left channel, and NumPy stores beside its address that the samples lie 16 bytes apart. A pointer is
the address alone: the kernel takes the samples for neighbours, 8 bytes apart, and sums the first
half of both channels. Nothing is slow and nothing complains, so here ``bad`` and ``good`` differ:
that is the point. The same walk in NumPy is ``sound[: left.size]``; the Cython function refuses
``left`` itself with a ``ValueError``, because a typed memoryview asks for the steps. The cure is an
array whose samples are neighbours, ``np.ascontiguousarray(left)``, or a function that takes steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interprobe.cdemo import DOUBLE_POINTER, cykernels, kernels

TITLE = "a strided view passed as a bare pointer, which yields the sum of other numbers"
EXPECTED = ("IP302",)
SAME_NUMBERS = False
SIZE = 64


@dataclass(frozen=True)
class Inputs:
    """A recording of two channels.

    Attributes:
        sound: float64, shape (2 * n,): left and right in turns; the size asked for.
        left: float64, shape (n,): the left channel, its samples side by side.
    """

    sound: NDArray[np.float64]
    left: NDArray[np.float64]


def prepare(size: int) -> Inputs:
    """Make a recording of ``size`` MiB."""
    sound = np.random.default_rng(302).random(size * 2**20 // 16 * 2)
    return Inputs(sound, np.ascontiguousarray(sound[::2]))


def bad(data: Inputs | None = None) -> tuple[float, ...]:
    """Hand over the address of the first left sample, and how many there are."""
    data = prepare(SIZE) if data is None else data

    left = data.sound[::2]
    through_ctypes = float(kernels.cdemo_sum(left.ctypes.data_as(DOUBLE_POINTER), left.size))

    through_cython = cykernels.sum(data.sound[: left.size])

    return through_ctypes, through_cython


def good(data: Inputs | None = None) -> tuple[float, ...]:
    """Hand over samples that are neighbours."""
    data = prepare(SIZE) if data is None else data

    left = data.left
    through_ctypes = float(kernels.cdemo_sum(left.ctypes.data_as(DOUBLE_POINTER), left.size))

    through_cython = cykernels.sum(left)

    return through_ctypes, through_cython
