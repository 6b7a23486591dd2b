"""Leading dimensions that keep the rows of a matrix from starting a power of two apart."""

from __future__ import annotations

from interprobe.cache_lines import LINE, steps
from interprobe.layout import Layout
from interprobe.wording import item_size

FEW_SETS_STEP = 2048
"""Steps of a multiple of that many bytes meet two of the 64 sets of a cache at most."""


def crowded_step(layout: Layout) -> tuple[int, int, int] | None:
    """Axis, length and step of the longest walk in steps of 2048 bytes or multiples, if any."""
    crowded = [each for each in steps(layout)[1:] if each[2] % FEW_SETS_STEP == 0]
    return max(crowded, key=lambda each: each[1], default=None)


def roomier_shape(layout: Layout) -> list[int] | None:
    """The shape of an array of which a part has this shape and no step of such a multiple.

    The same is computed, for the measurement, in ``native/what_if_padded.c``.

    Returns:
        None where the array's memory is neither in C nor in Fortran order of its axes.
    """
    known = steps(layout)
    axes = [axis for axis, _, _ in known]
    if len(known) < 2 or axes not in (sorted(axes), sorted(axes, reverse=True)):
        return None
    shape = list(layout.shape)
    step = item_size(layout)
    for axis, length, _ in known[:-1]:
        if step * length % FEW_SETS_STEP == 0:
            shape[axis] = length + (-(-LINE // step) if step < LINE else 1)
        step *= shape[axis]
    return shape
