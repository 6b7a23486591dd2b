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
function that takes contiguous arrays only, and those behind ctypes and cffi, cannot be given a
wider matrix without being told.
"""

from __future__ import annotations

from collections.abc import Iterator

from interprobe.cache_lines import SETS, sets_met, steps
from interprobe.call_arguments import argument_text, array_of, array_text, assigned_name
from interprobe.findings import Finding, Fix
from interprobe.layout import Layout
from interprobe.layout_replays import layout_finding, slow_layouts
from interprobe.leading_dimensions import crowded_step, roomier_shape
from interprobe.trace import Argument, Call, Trace
from interprobe.wording import counted

CODE = "IP203"
NAME = "power-of-two-stride"


def check(trace: Trace) -> Iterator[Finding]:
    """Yield a finding for each call that is slow because its rows compete for few cache sets."""
    for slow in slow_layouts(trace, "padded"):
        crowded = [
            (argument, argument.given, step, shape)
            for argument in slow.arguments
            if argument.given is not None
            and (step := crowded_step(argument.given)) is not None
            and (shape := roomier_shape(argument.given)) is not None
        ]
        if not crowded:
            continue
        argument, layout, (_, length, step), shape = crowded[0]
        sets = sets_met(step)
        run = _run_text(layout)
        name = array_text(array_of(slow.call, argument), "an array")
        yield layout_finding(
            CODE,
            NAME,
            slow,
            cause=f"{argument_text(slow.call, argument)} is {name}, whose {run} start "
            f"{step:,} bytes apart. Of the {SETS} sets of the fastest cache, the {length:,} "
            f"elements across all {run} meet {counted(sets, 'set', 'sets')}, which "
            f"{'keeps' if sets == 1 else 'keep'} some {sets * 8} lines: they push each other "
            f"out while the rest of the cache is empty. With a little room behind the {run} the "
            f"call is {slow.speedup:.2g} times as fast.",
            facts=f"steps of {step:,} bytes meet {sets} of {SETS} cache sets",
            fix=_fix(slow.call, argument, layout, shape),
        )


def _run_text(layout: Layout) -> str:
    """What lies side by side in memory."""
    return "rows" if _is_in_c_order(layout) else "columns"


def _is_in_c_order(layout: Layout) -> bool:
    """Whether the last axis has the smallest step."""
    axes = [axis for axis, _, _ in steps(layout)]
    return axes == sorted(axes, reverse=True)


def _fix(call: Call, argument: Argument, layout: Layout, shape: list[int]) -> Fix:
    """The same array as a part of a roomier one."""
    array = array_of(call, argument)
    variable = assigned_name(array, argument, "padded")
    source = array.text if array is not None else f"array_{argument.position + 1}"
    order = "" if _is_in_c_order(layout) else ', order="F"'
    cut = ", ".join(
        f":{length}" if room != length else ":"
        for length, room in zip(layout.shape, shape, strict=False)
    )
    return Fix(
        text="Make the array a part of a roomier one where it is created; the unused elements are "
        "never touched. The function must take strides, as it did here.",
        code=f"roomier = np.empty({tuple(shape)}, ({source}).dtype{order})[{cut}]\n"
        f"roomier[...] = {source}\n"
        f"{variable} = roomier",
    )
