"""A matrix is added to the transpose of another: one is walked along its memory, one across.

``field + step.T`` copies nothing, so that nothing seems wrong with it. But the rows of ``field``
lie side by side in memory, and of ``step.T`` the columns: whichever way NumPy walks, it fetches 64
bytes of one of the two for each element of 8, and fetches them again for the next row. The cure is
to keep both in one order, here from the start; an array that comes the other way round is converted
once, outside the loop. The additions are the same, so the numbers agree to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interprobe.cdemo import DOUBLE_POINTER, cykernels, kernels

TITLE = "a matrix and a transposed one added up, each walked another way"
EXPECTED = ("IP205",)
SAME_NUMBERS = True
SIZE = 32

STEPS = 8
"""How often the step is added."""

_ROWS = 1024
"""A power of two: the elements of a column then share few places of a cache."""


@dataclass(frozen=True)
class Inputs:
    """A field and what is added to it, in both orders.

    Attributes:
        field: float64, shape (1024, n), C order; the size asked for.
        step: float64, shape (n, 1024), C order: its transpose has the field's shape.
        step_by_rows: float64, shape (1024, n), C order: the values of that transpose.
    """

    field: NDArray[np.float64]
    step: NDArray[np.float64]
    step_by_rows: NDArray[np.float64]


def prepare(size: int) -> Inputs:
    """Make a field of ``size`` MiB."""
    random = np.random.default_rng(205)
    columns = size * 2**20 // 8 // _ROWS
    step = random.random((columns, _ROWS))
    return Inputs(random.random((_ROWS, columns)), step, np.ascontiguousarray(step.T))


def bad(data: Inputs | None = None) -> tuple[float, ...]:
    """Add the transpose."""
    data = prepare(SIZE) if data is None else data
    moved = np.empty_like(data.field)
    _add_transposed(data, moved)
    return _sum_ctypes(moved), cykernels.sum(moved.ravel())


def good(data: Inputs | None = None) -> tuple[float, ...]:
    """Add what lies as the field does."""
    data = prepare(SIZE) if data is None else data
    moved = np.empty_like(data.field)
    _add_by_rows(data, moved)
    return _sum_ctypes(moved), cykernels.sum(moved.ravel())


def _add_transposed(data: Inputs, moved: NDArray[np.float64]) -> None:
    for _ in range(STEPS):
        np.add(data.field, data.step.T, out=moved)


def _add_by_rows(data: Inputs, moved: NDArray[np.float64]) -> None:
    for _ in range(STEPS):
        np.add(data.field, data.step_by_rows, out=moved)


def _sum_ctypes(values: NDArray[np.float64]) -> float:
    return float(kernels.cdemo_sum(values.ctypes.data_as(DOUBLE_POINTER), values.size))
