"""IP103 dtype-conversion: an array of another element type than demanded was converted.

## What it does

Reports copies that NumPy made to change the element type of an array: `float32` data given to code
that computes in `float64`, the `int64` of `np.arange` given to code that takes `int32`.

## Why is this bad?

Another element type means another size or another pattern of bits, so the whole array is written
anew. The copy of `float32` data as `float64` takes twice the memory of the original, on top of it.
A conversion to a smaller type also rounds or cuts off, without a warning.

## Example

```python
import numpy as np

weights = np.zeros(100_000, dtype=np.float32)
passed = np.asarray(weights, dtype=np.float64)  # what a function of `double *` needs
np.shares_memory(passed, weights)  # False: every element was converted
```

## Use instead

Use the callee's type from the start, or call the version of the function that takes yours:

```python
import numpy as np

weights = np.zeros(100_000, dtype=np.float64)
passed = np.asarray(weights, dtype=np.float64)
np.shares_memory(passed, weights)  # True: nothing was converted
```

## Limits

Where the data arrive in one type and are needed in another, one conversion is the price. It is
worth acting on where it happens more than once, or where nobody meant it to happen. A conversion
of byte order alone is IP104.
"""

from __future__ import annotations

from collections.abc import Iterator

from interprobe.copy_groups import CopyGroup, copy_finding, group_copies
from interprobe.cures import fix_for_several_causes, made_to_fit
from interprobe.demands import demand_text, only_byte_order_differs
from interprobe.findings import Finding, Fix
from interprobe.trace import Copy, Trace
from interprobe.wording import bytes_text, element_text, item_size, requester_text, sentence

CODE = "IP103"
NAME = "dtype-conversion"


def check(trace: Trace) -> Iterator[Finding]:
    """Yield a finding for each place where the element type of arrays was converted."""
    for group in group_copies(trace, _applies):
        cause = (
            f"{sentence(group.array_text)} holds {_types_text(group)}. "
            f"{requester_text(group.lead)} asks for {demand_text(group.lead)}, "
            f"so NumPy converted {group.amount_text}{group.times_text}."
        )
        fix = fix_for_several_causes(group) or _fix(group)
        yield copy_finding(group, CODE, NAME, cause=cause, fix=fix)


def _applies(copy: Copy) -> bool:
    """Whether a copy changed the element type, and not only its byte order."""
    return not copy.explicit and "dtype" in copy.unmet and not only_byte_order_differs(copy)


def _types_text(group: CopyGroup) -> str:
    """The source's element type and how its size compares with the result's."""
    source, result = group.source, group.lead.result
    if source.dtype == result.dtype:
        # What a dtype's name does not tell is the fields of a record, or text's encoding.
        fields = " with other fields" if source.dtype.startswith("void") else " of another kind"
        return f"{element_text(source)}{fields}"
    before, after = item_size(source), item_size(result)
    if 0 in {before, after} or before == after:
        return source.dtype
    return f"{source.dtype}, {bytes_text(before)} an element where {result.dtype} takes {after}"


def _fix(group: CopyGroup) -> Fix:
    """The array made with the demanded element type, or converted once."""
    source, result = group.source, group.lead.result
    subject = group.array_text if group.array is not None else f"the {source.dtype} array"
    return made_to_fit(
        group,
        f"Create {subject} as {result.dtype} from the start, or call a version of the function "
        f"that takes {source.dtype}.",
    )
