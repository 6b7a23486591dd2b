"""IP204 misaligned-access: native code loads elements that lie across two cache lines.

## What it does

Reports calls that take an array in place whose elements do not start at multiples of their
alignment (8 bytes for `float64`), and that were measured to be faster with the same array at an
aligned address. The measurement repeats the call itself, in a copy of the process, with either
array.

## Why is this bad?

Memory comes in lines of 64 bytes. A load of an aligned element never needs two of them. A
misaligned one does now and then, and a vector instruction that loads 16 or 32 bytes at once does so
in every fourth or second load; the processor then works twice. Functions that wait for memory hide
that, those whose numbers lie in a cache do not. And libraries keep vector code for aligned arrays:
others get a version that goes from element to element. Misaligned arrays come from headers whose
size is no multiple of the element's (`np.frombuffer(..., offset=13)`) and from packed records.

## Example

```python
import numpy as np

content = bytes(13 + 8000)  # a header of 13 bytes, then numbers
values = np.frombuffer(content, np.float64, offset=13)
values.flags.aligned  # False
```

## Use instead

```python
import numpy as np

content = bytes(16 + 8000)  # the header padded to a multiple of 8
values = np.frombuffer(content, np.float64, offset=16)
values.flags.aligned  # True
```

Where the header is given, one copy (`values = values.copy()`) serves all calls. For records, make
the dtype with `align=True`.

## Limits

On x86-64 most functions run as fast with misaligned arrays: nothing is reported unless the gain was
measured. In C, a pointer to elements at such an address is undefined behaviour whatever it costs;
on other processors it may crash.
"""

from __future__ import annotations

from collections.abc import Iterator

from interprobe.cache_lines import LINE, steps
from interprobe.findings import Finding, Fix
from interprobe.layout import Layout
from interprobe.layout_replays import (
    SlowLayout,
    as_receiver,
    layout_finding,
    replaced_arrays,
    slow_layouts,
)
from interprobe.trace import Trace
from interprobe.wording import bytes_text, element_text, item_size

CODE = "IP204"
NAME = "misaligned-access"


def check(trace: Trace) -> Iterator[Finding]:
    """Yield a finding for each call that is slow because its elements lie across cache lines."""
    for slow in slow_layouts(trace, "aligned"):
        if slow.given.aligned:
            continue
        yield layout_finding(
            CODE,
            NAME,
            slow,
            cause=f"{slow.subject_text} is {slow.array_text}, whose {element_text(slow.given)} "
            f"start at addresses at which C allows none{_reason_text(slow.given)}. At an aligned "
            f"address the call is {slow.speedup:.2g} times as fast: loads across two cache lines "
            f"of {LINE} bytes are work for two, and many a function keeps its vector code for "
            "aligned arrays.",
            facts="misaligned",
            fix=_fix(slow),
        )


def _reason_text(layout: Layout) -> str:
    """Why they do, where the steps between them are the reason."""
    known = steps(layout)
    item = item_size(layout)
    if known and item > 0 and known[0][2] % item != 0:
        return f": they lie {bytes_text(known[0][2])} apart, which is no multiple of {item}"
    return ", as behind a header of odd size"


def _fix(slow: SlowLayout) -> Fix:
    """One copy: NumPy aligns what it allocates."""
    return Fix(
        text="Pad the header, or the records (`align=True`), so that the elements are aligned as "
        "they lie. Or make one copy and use it for several calls: NumPy aligns what it allocates.",
        code=replaced_arrays(slow, "aligned", _code),
    )


def _code(variable: str, source: str, layout: Layout) -> str:
    """A copy with the axes in the order that they have."""
    order = 'order="K"' if len(layout.shape) > 1 else ""
    return f"{variable} = {as_receiver(source)}.copy({order})"
