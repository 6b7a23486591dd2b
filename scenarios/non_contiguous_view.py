"""One channel of an interleaved picture is a view with gaps, and must be gathered before use.

A picture of shape (rows, columns, 3) stores the three channels of a pixel side by side.
``picture[:, :, 0]`` costs nothing, but it is a view with gaps: its neighbours are 24 bytes apart
instead of 8. A kernel that walks plain ``double *`` memory, or a Cython function that declares
``double[:, ::1]``, wants them side by side, so the program gathers each channel into a new array
first, reading all three channels to copy one. The cure is to store the picture by channel,
with shape (3, rows, columns): each channel is then contiguous as it lies. The kernels see the same
values in the same order, so the numbers agree to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interprobe.cdemo import DOUBLE_POINTER, cykernels, kernels

TITLE = "one channel of an interleaved picture, gathered before each call"
EXPECTED = ("IP101",)
SAME_NUMBERS = True
SIZE = 60

CHANNELS = 3
DIFFUSION = 0.2


@dataclass(frozen=True)
class Inputs:
    """The same picture, stored pixel by pixel and channel by channel.

    Attributes:
        interleaved: float64, shape (rows, columns, 3), C order; the size asked for.
        planar: float64, shape (3, rows, columns), C order: the values of ``interleaved``.
    """

    interleaved: NDArray[np.float64]
    planar: NDArray[np.float64]


def prepare(size: int) -> Inputs:
    """Make a picture of ``size`` MiB, 512 columns wide."""
    columns = 512
    rows = size * 2**20 // (columns * CHANNELS * 8)
    planar = np.random.default_rng(101).random((CHANNELS, rows, columns))
    interleaved = np.ascontiguousarray(np.moveaxis(planar, 0, -1))
    return Inputs(interleaved, planar)


def bad(data: Inputs | None = None) -> tuple[float, ...]:
    """Gather each channel of the interleaved picture into an array of its own."""
    data = prepare(SIZE) if data is None else data
    through_ctypes = []
    through_cython = []
    for channel in range(CHANNELS):
        plane = np.ascontiguousarray(data.interleaved[:, :, channel])
        through_ctypes.append(_smooth_ctypes(plane))

        plane = np.array(data.interleaved[:, :, channel], order="C", copy=None)
        through_cython.append(_smooth_cython(plane))
    return (*through_ctypes, *through_cython)


def good(data: Inputs | None = None) -> tuple[float, ...]:
    """Hand over each channel of the planar picture as it lies."""
    data = prepare(SIZE) if data is None else data
    through_ctypes = [_smooth_ctypes(plane) for plane in data.planar]
    through_cython = [_smooth_cython(plane) for plane in data.planar]
    return (*through_ctypes, *through_cython)


def _smooth_ctypes(plane: NDArray[np.float64]) -> float:
    """Sum of the plane after one step of the heat equation, through ctypes."""
    smooth = np.empty(plane.shape)
    before = plane.ctypes.data_as(DOUBLE_POINTER)
    after = smooth.ctypes.data_as(DOUBLE_POINTER)
    kernels.cdemo_stencil(before, after, *plane.shape, DIFFUSION)
    return float(kernels.cdemo_sum(after, smooth.size))


def _smooth_cython(plane: NDArray[np.float64]) -> float:
    """Sum of the plane after one step of the heat equation, through Cython."""
    smooth = np.empty(plane.shape)
    cykernels.stencil(plane, smooth, DIFFUSION)
    return cykernels.sum(smooth.reshape(-1))
