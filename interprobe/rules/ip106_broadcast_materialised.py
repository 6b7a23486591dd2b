"""IP106 broadcast-materialised: a broadcast array, small in memory, was written out in full.

## What it does

Reports copies of an array that shows the same elements several times (a stride of 0), as
`np.broadcast_to`, `np.broadcast_arrays`, `np.meshgrid(copy=False)` and indexing followed by
broadcasting make it.

## Why is this bad?

A broadcast array costs nothing: a row of 1,000 numbers can stand for a matrix with a million rows.
Native code that needs contiguous elements gets them all written out, each row again. The copy is
larger than the data by the factor of the broadcasting, often by orders of magnitude.

## Example

```python
import numpy as np

row = np.linspace(0.0, 1.0, 300)
weights = np.broadcast_to(row, (400, 300))  # 2.4 kB of numbers
passed = np.ascontiguousarray(weights)  # 960 kB
np.shares_memory(passed, row)  # False: every row was written out
```

## Use instead

Pass the small array, and let the operation broadcast it:

```python
import numpy as np

row = np.linspace(0.0, 1.0, 300)
table = np.ones((400, 300))
weighted = table * row  # NumPy's own loops broadcast without a copy
passed = np.ascontiguousarray(row)  # native code: repeat the row in its loop
np.shares_memory(passed, row)  # True: nothing was copied
```

## Limits

Where the callee has no way to repeat a small array, the full one is needed; make it once.
"""

from __future__ import annotations

from collections.abc import Iterator

from interprobe.copy_groups import CopyGroup, copy_finding, group_copies
from interprobe.demands import conversion_code, demand_text, demanded_order
from interprobe.expressions import Operation
from interprobe.findings import Finding, Fix
from interprobe.trace import Copy, Trace
from interprobe.wording import (
    bytes_text,
    distinct_bytes,
    is_broadcast,
    quoted,
    requester_text,
    sentence,
)

CODE = "IP106"
NAME = "broadcast-materialised"


def check(trace: Trace) -> Iterator[Finding]:
    """Yield a finding for each place where broadcast arrays were written out."""
    for group in group_copies(trace, _applies):
        cause = (
            f"{sentence(group.array_text)} is broadcast: it shows {_content_text(group)} again and "
            f"again. {requester_text(group.lead)} asks for {demand_text(group.lead)}, "
            f"so NumPy wrote out {group.amount_text}{group.times_text}."
        )
        yield copy_finding(group, CODE, NAME, cause=cause, fix=_fix(group))


def _applies(copy: Copy) -> bool:
    """Whether a requirement that was not met made a broadcast array full."""
    if copy.explicit or not copy.unmet or copy.source is None:
        return False
    is_spread = is_broadcast(copy.source)
    return "broadcast" in copy.kind.split("+") or (is_spread and demanded_order(copy) is not None)


def _content_text(group: CopyGroup) -> str:
    """How much the array really has in memory."""
    own = distinct_bytes(group.source) if is_broadcast(group.source) else group.source.nbytes
    return f"the same {bytes_text(own)} of numbers" if own > 0 else "the same numbers"


def _fix(group: CopyGroup) -> Fix:
    """The small array passed as it is, or the full one made once."""
    array = group.array
    small = array.base if array is not None and array.operation is Operation.BROADCAST else None
    text = (
        f"Pass {quoted(small) if small is not None else 'the array as it was before broadcasting'} "
        "and repeat it in the native loop: a step of 0 bytes along an axis reads the same element "
        "again."
    )
    if group.repeated == 0:
        code = f"passed = {small}  # not broadcast" if small is not None else ""
        return Fix(text=text, code=code)
    text += " Where the callee cannot do that, write the full array out once, before the loop."
    return Fix(text=text, code=conversion_code(group, "once, before the loop"))
