"""IP202 traversal-against-layout: native code walks a matrix across the order it has in memory.

## What it does

Reports calls that were measured to be faster with the same matrix in the other order: in Fortran
order where it is in C order, and the other way round. The measurement repeats the call itself, in a
copy of the process, with either matrix; what the function does inside is not looked at.

## Why is this bad?

In C order the numbers of a row are neighbours, in Fortran order those of a column. A loop that
runs down the columns of a matrix in C order jumps a whole row at each step: it fetches a line of 64
bytes for the 8 of one number, and comes back for the next number of that line when the cache has
long dropped it. The same loop on the same numbers, in the order in which it walks, reads them one
after another.

## Example

```python
import numpy as np

matrix = np.zeros((1000, 500))  # C order
down = matrix.strides[0]
down == matrix.itemsize  # False: from a number to the one below it are 4,000 bytes
```

## Use instead

Make the matrix in the order in which the function walks, or have the function's inner loop run
along the last axis.

```python
import numpy as np

matrix = np.zeros((1000, 500), order="F")
down = matrix.strides[0]
down == matrix.itemsize  # True: the numbers of a column are neighbours
```

## Limits

Only a measurement shows in which direction a function walks: where the call could not be repeated,
nothing is reported. A conversion before each call costs a walk over the whole matrix; it pays where
one serves several calls. A function that converts the matrix inside is reported by IP102.

Functions behind ctypes and cffi are told the order, and cannot see it. They are looked at only
where they are told each stride beyond doubt, as IP201 says; that is in bytes, since a stride of 1
element may be anything. The shortest stride is then as long as an element: only a function that
returns the same floating-point number with either order shows that it takes it for a stride.
"""

from __future__ import annotations

from collections.abc import Iterator

from interprobe.cache_lines import LINE, steps
from interprobe.findings import Finding, Fix
from interprobe.layout import Layout
from interprobe.layout_replays import SlowLayout, layout_finding, replaced_arrays, slow_layouts
from interprobe.trace import Trace
from interprobe.wording import bytes_text, item_size

CODE = "IP202"
NAME = "traversal-against-layout"


def check(trace: Trace) -> Iterator[Finding]:
    """Yield a finding for each call that is slow because it walks across its matrix's order."""
    for slow in slow_layouts(trace, "other-order"):
        order = _other_order(slow.given)
        farthest = max((step for _, _, step in steps(slow.given)), default=0)
        yield layout_finding(
            CODE,
            NAME,
            slow,
            cause=f"{slow.subject_text} is {slow.array_text}, {_order_text(slow.given)}. With the "
            f"same numbers in {'Fortran' if order == 'F' else 'C'} order the call is "
            f"{slow.speedup:.2g} times as fast: the function walks across the order in memory, "
            f"{_jump_text(slow.given, farthest)}",
            facts=f"steps of up to {bytes_text(farthest)}",
            fix=_fix(slow, order),
        )


def _other_order(layout: Layout) -> str:
    """The order that was tried, as ``native/what_if_transposed.c`` chooses it."""
    axes = [axis for axis, _, _ in steps(layout)]
    return "F" if axes == sorted(axes, reverse=True) else "C"


def _order_text(layout: Layout) -> str:
    """In which order the axes lie in memory."""
    axes = [axis for axis, _, _ in steps(layout)]
    if axes == sorted(axes, reverse=True):
        return "in C order: the elements of a row are neighbours"
    if axes == sorted(axes):
        return "in Fortran order: the elements of a column are neighbours"
    return "with its axes in neither C nor Fortran order"


def _jump_text(layout: Layout, farthest: int) -> str:
    """What a step across the order costs."""
    item = item_size(layout)
    if farthest >= LINE > item:
        return (
            f"and each step of up to {bytes_text(farthest)} fetches a cache line of {LINE} bytes "
            f"for an element of {bytes_text(item)}."
        )
    return f"in steps of up to {bytes_text(farthest)}."


def _fix(slow: SlowLayout, order: str) -> Fix:
    """The other order, where the matrices are made."""
    name = "Fortran" if order == "F" else "C"
    return Fix(
        text=f'Make the matrix in {name} order (order="{order}") where it is created, or convert '
        "it once for several calls. Or have the function's inner loop run along the axis whose "
        "elements are neighbours.",
        code=replaced_arrays(slow, "reordered", _code),
    )


def _code(variable: str, source: str, layout: Layout) -> str:
    """One matrix in its other order."""
    function = "asfortranarray" if _other_order(layout) == "F" else "ascontiguousarray"
    return f"{variable} = np.{function}({source})"
