"""Tells which operands of one of NumPy's operations lie in memory otherwise than the others."""

from __future__ import annotations

from typing import Literal

from interprobe.layout import Layout
from interprobe.trace import Operation
from interprobe.wording import is_broadcast, item_size

Axes = Literal["C", "F", "other"]
"""The axis that varies fastest in memory: the last, the first, neither as a whole."""

LINE = 64
"""Bytes that memory hands over at a time."""

_LEAST_BYTES = 65536
"""Less lies in the first caches, whatever its order."""


def axes_of(layout: Layout) -> Axes | None:
    """The order of an array's axes in memory; None where one at most has several elements."""
    steps = [step for step, _ in _walked(layout)]
    if len(steps) < 2:
        return None
    if steps == sorted(steps, reverse=True):
        return "C"
    return "F" if steps == sorted(steps) else "other"


def gap_of(layout: Layout) -> int | None:
    """Bytes from an element to the nearest one, where each has a cache line to itself."""
    least = min((step for step, _ in _walked(layout)), default=0)
    return least if least >= max(LINE, 2 * item_size(layout)) else None


def common_order(operation: Operation) -> Axes:
    """The order that the others are to have: that of the output, else the one of most bytes."""
    votes = {"C": 0, "F": 0}
    for position, layout in zip(operation.positions, operation.operands, strict=False):
        axes = axes_of(layout)
        if position < 0 and axes is not None:
            return "F" if axes == "F" else "C"
        if axes in ("C", "F"):
            votes[axes] += layout.nbytes
    return "F" if votes["F"] > votes["C"] else "C"


def odd_operands(operation: Operation) -> list[int]:
    """Indices of large inputs in another order than the common one, or with gaps."""
    wanted = common_order(operation)
    return [
        index
        for index, (position, layout) in enumerate(
            zip(operation.positions, operation.operands, strict=False)
        )
        if position >= 0
        and layout.nbytes >= _LEAST_BYTES
        and not is_broadcast(layout)
        and (axes_of(layout) not in {None, wanted} or gap_of(layout) is not None)
    ]


def is_mixed(operation: Operation) -> bool:
    """Whether its large operands lie in several orders."""
    found = {
        axes_of(layout)
        for layout in operation.operands
        if layout.nbytes >= _LEAST_BYTES and not is_broadcast(layout)
    }
    return len(found - {None}) > 1


def _walked(layout: Layout) -> list[tuple[int, int]]:
    """(step in bytes, length) of the axes along which there is something to walk."""
    return [
        (abs(stride), length)
        for length, stride in zip(layout.shape, layout.strides, strict=False)
        if length > 1 and stride != 0
    ]
