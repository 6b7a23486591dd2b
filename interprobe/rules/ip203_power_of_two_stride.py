"""IP203 power-of-two-stride: the rows of a matrix start a multiple of 2048 bytes apart.

## What it does

Reports calls that take a matrix in place whose rows (or columns, in Fortran order) start 2048, 4096
or another multiple of 2048 bytes apart, and that were measured to be faster with a few unused
elements behind each row. The measurement repeats the call itself, in a copy of the process, with
either matrix.

## Why is this bad?

A cache cannot keep a line of memory anywhere: some bits of its address choose one of (usually) 64
sets, each with room for 8 to 12 lines. Addresses that are 4096 bytes apart choose the same set. A
function that goes down a column of such a matrix puts all its lines into one set, which holds the
last 8: when it comes to the next column, whose numbers lie in the same lines, they are gone,
although the cache is nearly empty. A matrix with 513 columns is then faster than one with 512.

## Example

```python
import numpy as np

matrix = np.zeros((512, 512))
len({row * matrix.strides[0] % 4096 for row in range(512)}) > 8  # False: one set for all rows
```

## Use instead

Make the matrix a part of a slightly wider one. The function must take strides, as typed memoryviews
(`double[:, :]`), `py::array`, `nb::ndarray` and BLAS (`lda`) do.

```python
import numpy as np

matrix = np.zeros((512, 512 + 8))[:, :512]
len({row * matrix.strides[0] % 4096 for row in range(512)}) > 8  # True
```

## Limits

Nothing is reported where the call could not be repeated: whether a function goes down the columns,
only a measurement shows. Where the other order of axes gains as much, IP202 reports that instead. A
function that takes contiguous arrays only cannot be given a wider matrix; one behind ctypes or cffi
must be told the stride beyond doubt, as IP201 says, which it is not where the stride is also the
number of columns.
"""

from __future__ import annotations

from collections.abc import Iterator

from interprobe.cache_lines import SETS, sets_met, steps
from interprobe.call_arguments import argument_text, array_of, array_text
from interprobe.findings import Finding, Fix
from interprobe.layout import Layout
from interprobe.layout_replays import (
    SlowLayout,
    as_receiver,
    layout_finding,
    replaced_arrays,
    slow_layouts,
)
from interprobe.leading_dimensions import crowded_step, roomier_shape
from interprobe.trace import Trace
from interprobe.wording import counted

CODE = "IP203"
NAME = "power-of-two-stride"


def check(trace: Trace) -> Iterator[Finding]:
    """Yield a finding for each call that is slow because its rows compete for few cache sets."""
    for slow in slow_layouts(trace, "padded"):
        for argument, layout in slow.arguments:
            step = crowded_step(layout)
            if step is not None and roomier_shape(layout) is not None:
                name = array_text(array_of(slow.call, argument), "an array")
                subject = f"{argument_text(slow.call, argument)} is {name}"
                yield _finding(slow, subject, layout, *step[1:])
                break


def _finding(slow: SlowLayout, subject: str, layout: Layout, length: int, step: int) -> Finding:
    """The finding about a call, told of the largest array that it is about."""
    sets = sets_met(step)
    run = _run_text(layout)
    return layout_finding(
        CODE,
        NAME,
        slow,
        cause=f"{subject}, whose {run} start {step:,} bytes apart. Of the {SETS} sets of the "
        f"fastest cache, the {length:,} elements across all {run} meet "
        f"{counted(sets, 'set', 'sets')}, with room for some {sets * 8} lines: they push each "
        "other out while the rest of the cache is empty. With a little room behind the "
        f"{run} the call is {slow.speedup:.2g} times as fast.",
        facts=f"steps of {step:,} bytes meet {sets} of {SETS} cache sets",
        fix=Fix(
            text="Make the array a part of a roomier one where it is created; the unused elements "
            "are never touched. The function must take strides, as it did here.",
            code=replaced_arrays(slow, "padded", _code),
        ),
    )


def _code(variable: str, source: str, layout: Layout) -> str:
    """The same array as a part of a roomier one."""
    shape = roomier_shape(layout)
    if shape is None:
        return f"{variable} = {source}"
    order = "" if _is_in_c_order(layout) else ', order="F"'
    cut = ", ".join(
        f":{length}" if room != length else ":"
        for length, room in zip(layout.shape, shape, strict=False)
    )
    return (
        f"roomier = np.empty({tuple(shape)}, {as_receiver(source)}.dtype{order})[{cut}]\n"
        f"roomier[...] = {source}\n"
        f"{variable} = roomier"
    )


def _run_text(layout: Layout) -> str:
    """What lies side by side in memory."""
    return "rows" if _is_in_c_order(layout) else "columns"


def _is_in_c_order(layout: Layout) -> bool:
    """Whether the last axis has the smallest step."""
    axes = [axis for axis, _, _ in steps(layout)]
    return axes == sorted(axes, reverse=True)
