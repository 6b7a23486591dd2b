"""What a layout means to the caches: what is fetched for nothing, and which sets a step meets."""

from __future__ import annotations

import math

from interprobe.layout import Layout
from interprobe.wording import item_size

LINE = 64
"""Bytes that a cache fetches at a time, on x86-64 and on nearly all ARM processors."""

SETS = 64
"""Sets of the fastest cache of most processors: bits 6 to 11 of an address choose one."""


def steps(layout: Layout) -> list[tuple[int, int, int]]:
    """Axis, length and step in bytes of the axes of more than one element, smallest step first.

    Returns:
        Nothing where the array repeats elements (a stride of 0): it has fewer than it shows.
    """
    known = [
        (axis, length, abs(stride))
        for axis, (length, stride) in enumerate(zip(layout.shape, layout.strides, strict=False))
        if length > 1
    ]
    if any(step == 0 for _, _, step in known):
        return []
    # Of equal steps the last axis comes first, as in memory.
    return sorted(known, key=lambda each: (each[2], -each[0]))


def fetched_bytes(layout: Layout) -> int:
    """About how many bytes a walk through all elements fetches, each cache line counted once.

    Returns:
        0 where that cannot be told: the array is empty, or repeats elements.
    """
    size = item_size(layout)
    known = steps(layout)
    if size <= 0 or not known:
        return 0
    extent = size
    lines = -(-size // LINE)
    for _, length, step in known:
        extent += (length - 1) * step
        # Neighbours share lines; what lies further apart does not.
        lines = min(lines * length, -(-extent // LINE))
    return lines * LINE


def share_used(layout: Layout) -> float:
    """The array's own share of what is fetched, 0 to 1; 1 where that cannot be told."""
    fetched = fetched_bytes(layout)
    return min(1.0, layout.nbytes / fetched) if fetched > 0 else 1.0


def sets_met(step: int) -> int:
    """How many of the fastest cache's 64 sets a walk in equal steps meets.

    Args:
        step: Bytes from one element to the next.
    """
    whole = LINE * SETS
    return min(SETS, whole // math.gcd(step, whole)) if step % whole else 1
