"""A wrapper copies its argument on every pass of a loop, although the argument never changes.

``np.array(x, dtype=np.float64, order="C")`` looks like a check, and is a copy: ``np.array`` copies
by default, also an array that already has the dtype and order asked for. Put in the wrapper
of a kernel, it repeats the whole copy at each call. Here eight passes over one unchanged vector
copy it eight times. The cure is ``np.asarray``, which hands a conforming array through as it is, or
to convert once before the loop and let the wrapper take what the kernel takes. The kernels get the
same values either way, so the numbers agree to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interprobe.cdemo import DOUBLE_POINTER, cykernels, kernels

TITLE = "one unchanged array, copied anew on every pass of a loop"
EXPECTED = ("IP107",)
SAME_NUMBERS = True
SIZE = 32

STEPS = (0.5, 0.25, 0.125, 0.0625, -0.5, -0.25, -0.125, 0.03125)
"""The factor of each pass."""


@dataclass(frozen=True)
class Inputs:
    """The direction that every pass adds a multiple of.

    Attributes:
        direction: float64, shape (n,), as the kernels want it; the size asked for.
    """

    direction: NDArray[np.float64]


def prepare(size: int) -> Inputs:
    """Make a vector of ``size`` MiB."""
    return Inputs(np.random.default_rng(107).random(size * 2**20 // 8))


def bad(data: Inputs | None = None) -> tuple[float, ...]:
    """Call wrappers that copy on every pass."""
    data = prepare(SIZE) if data is None else data

    position = np.zeros(data.direction.size)
    for step in STEPS:
        _advance_ctypes_copying(step, data.direction, position)
    through_ctypes = cykernels.sum(position)

    position = np.zeros(data.direction.size)
    for step in STEPS:
        _advance_cython_copying(step, data.direction, position)
    through_cython = cykernels.sum(position)

    return through_ctypes, through_cython


def good(data: Inputs | None = None) -> tuple[float, ...]:
    """Call wrappers that hand a conforming array through as it is."""
    data = prepare(SIZE) if data is None else data

    position = np.zeros(data.direction.size)
    for step in STEPS:
        _advance_ctypes(step, data.direction, position)
    through_ctypes = cykernels.sum(position)

    position = np.zeros(data.direction.size)
    for step in STEPS:
        _advance_cython(step, data.direction, position)
    through_cython = cykernels.sum(position)

    return through_ctypes, through_cython


def _advance_ctypes_copying(
    step: float, direction: NDArray[np.float64], position: NDArray[np.float64]
) -> None:
    direction = np.array(direction, dtype=np.float64, order="C")
    direction_pointer = direction.ctypes.data_as(DOUBLE_POINTER)
    position_pointer = position.ctypes.data_as(DOUBLE_POINTER)
    kernels.cdemo_axpy(step, direction_pointer, position_pointer, direction.size)


def _advance_cython_copying(
    step: float, direction: NDArray[np.float64], position: NDArray[np.float64]
) -> None:
    direction = np.array(direction, dtype=np.float64, order="C")
    cykernels.axpy(step, direction, position)


def _advance_ctypes(
    step: float, direction: NDArray[np.float64], position: NDArray[np.float64]
) -> None:
    direction = np.asarray(direction, dtype=np.float64, order="C")
    direction_pointer = direction.ctypes.data_as(DOUBLE_POINTER)
    position_pointer = position.ctypes.data_as(DOUBLE_POINTER)
    kernels.cdemo_axpy(step, direction_pointer, position_pointer, direction.size)


def _advance_cython(
    step: float, direction: NDArray[np.float64], position: NDArray[np.float64]
) -> None:
    direction = np.asarray(direction, dtype=np.float64, order="C")
    cykernels.axpy(step, direction, position)
