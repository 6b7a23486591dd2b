"""IP101 non-contiguous-view: an array with gaps was copied to close them.

## What it does

Reports copies that NumPy made of a view that is contiguous in neither order: every second element,
one column of a C-ordered matrix, one field of a record array, a cut-out of an image, a reversed
array.

## Why is this bad?

Slicing is free: a view shares the memory of the array that it was taken from. Native code that
walks along a plain pointer cannot skip the gaps, so each call that gets the view first gathers its
elements into a new, contiguous array. That costs memory and time in proportion to the array, it is
slower than an ordinary copy because the reads are scattered, and what the native code writes into
the copy never reaches the original.

## Example

```python
import numpy as np

samples = np.zeros((100_000, 8))  # eight channels, interleaved
channel = np.ascontiguousarray(samples[:, 2])  # gathers 100,000 numbers
np.shares_memory(channel, samples)  # False: a copy
```

## Use instead

Lay out the data so that what is passed together lies together:

```python
import numpy as np

samples = np.zeros((8, 100_000))  # one channel is one row
channel = np.ascontiguousarray(samples[2])
np.shares_memory(channel, samples)  # True: nothing was copied
```

Where the layout cannot be changed, take the part out once and use it often, or let the native code
accept strides (in Cython `double[:]` instead of `double[::1]`).

## Limits

If the part is needed only once, gathering it is the work itself, wherever it happens. A broadcast
array is IP106, an array that is contiguous in the other order IP102.
"""

from __future__ import annotations

from collections.abc import Iterator

from interprobe.copy_groups import CopyGroup, copy_finding, group_copies
from interprobe.cures import FIELD_TEXT, fix_for_several_causes, made_to_fit
from interprobe.demands import demand_text, demanded_order
from interprobe.expressions import Operation
from interprobe.findings import Finding, Fix
from interprobe.trace import Copy, Trace
from interprobe.wording import gaps_text, is_broadcast, quoted, requester_text, sentence

CODE = "IP101"
NAME = "non-contiguous-view"


def check(trace: Trace) -> Iterator[Finding]:
    """Yield a finding for each place where views with gaps were copied."""
    for group in group_copies(trace, _applies):
        cause = (
            f"{sentence(group.array_text)} {gaps_text(group.source)}. "
            f"{requester_text(group.lead)} asks for {demand_text(group.lead)}, "
            f"so NumPy gathered {group.amount_text} into a new array{group.times_text}."
        )
        fix = fix_for_several_causes(group) or _fix(group)
        yield copy_finding(group, CODE, NAME, cause=cause, fix=fix)


def _applies(copy: Copy) -> bool:
    """Whether a copy closed gaps that the callee could not accept."""
    source = copy.source
    return (
        not copy.explicit
        and demanded_order(copy) is not None
        and source is not None
        and source.order == "strided"
        and not is_broadcast(source)
    )


def _fix(group: CopyGroup) -> Fix:
    """Data laid out so that the part is contiguous, or gathered once."""
    array = group.array
    operation = array.operation if array is not None else Operation.OTHER
    base = quoted(array.base) if array is not None and array.base is not None else "the array"
    if operation is Operation.FIELD:
        text = FIELD_TEXT
    elif operation is Operation.COLUMN and len(group.source.shape) == 1:
        text = (
            f"Make {base} in Fortran order, where each column lies side by side, "
            "or store its columns as rows."
        )
    elif operation is Operation.TRANSPOSED:
        text = f"Create {base} with its axes in the order in which they are passed."
    elif operation is Operation.NAMED:
        text = f"{base} is a view that was taken elsewhere: make it contiguous where it is made."
    else:
        text = (
            "Keep the elements that are passed together side by side from the start, "
            "or let the native code accept strides."
        )
    return made_to_fit(group, sentence(text))
