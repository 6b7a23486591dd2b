"""IP104 byte-order-conversion: an array was copied to reverse the bytes of its elements.

## What it does

Reports copies of an array whose elements are stored in the byte order of another kind of machine,
such as `>f8` on x86 and ARM, made because the callee takes only the machine's own order.

## Why is this bad?

FITS, netCDF-3, many network protocols and old binary formats are big-endian, and `np.frombuffer`,
`np.fromfile` and `np.memmap` keep what they find. Such an array works everywhere in NumPy, only
slowly: every operation swaps each element again, and every call into native code first makes a
swapped copy of the whole array.

## Example

```python
import numpy as np

record = np.arange(100_000.0).astype(">f8").tobytes()  # as read from a file
samples = np.frombuffer(record, dtype=">f8")
passed = np.asarray(samples, dtype=np.float64)  # at each call into native code
np.shares_memory(passed, samples)  # False: all bytes were swapped
```

## Use instead

Swap once, right where the data come in:

```python
import numpy as np

record = np.arange(100_000.0).astype(">f8").tobytes()
samples = np.frombuffer(record, dtype=">f8").astype(np.float64)
passed = np.asarray(samples, dtype=np.float64)
np.shares_memory(passed, samples)  # True: nothing is left to swap
```

## Limits

Foreign data need one swap. A single conversion right after reading is that one, and nothing can be
gained but by another file format.
"""

from __future__ import annotations

from collections.abc import Iterator

from interprobe.copy_groups import CopyGroup, copy_finding, group_copies
from interprobe.cures import fix_for_several_causes
from interprobe.demands import conversion_code, only_byte_order_differs
from interprobe.findings import Finding, Fix
from interprobe.trace import Copy, Trace
from interprobe.wording import byte_order_text, requester_text, sentence

CODE = "IP104"
NAME = "byte-order-conversion"


def check(trace: Trace) -> Iterator[Finding]:
    """Yield a finding for each place where arrays were copied to swap their bytes."""
    for group in group_copies(trace, _applies):
        before, after = group.source.byteorder, group.lead.result.byteorder
        end = "most" if before == ">" else "least"
        cause = (
            f"{sentence(group.array_text)} is {byte_order_text(before)}: the {end} significant "
            f"byte of each element comes first. {requester_text(group.lead)} asks for "
            f"{byte_order_text(after)} {group.lead.result.dtype}, "
            f"so NumPy swapped {group.amount_text}{group.times_text}."
        )
        fix = fix_for_several_causes(group) or _fix(group)
        yield copy_finding(group, CODE, NAME, cause=cause, fix=fix)


def _applies(copy: Copy) -> bool:
    """Whether a copy was made because of the source's byte order."""
    if copy.explicit:
        return False
    is_type_of_same_name = "dtype" in copy.unmet and only_byte_order_differs(copy)
    return "NOTSWAPPED" in copy.unmet or is_type_of_same_name


def _fix(group: CopyGroup) -> Fix:
    """One swap, where the data come in or go out."""
    if group.lead.result.byteorder == ">":
        text = "Change to the foreign byte order once, where the data are written out."
        return Fix(text=text, code=conversion_code(group, "once, where it is written"))
    array = group.array
    variable = array.base if array is not None and array.base is not None else "array"
    text = "Swap the bytes once, right after the data are read, and use that array from then on."
    if group.count == 1:
        text = (
            "Swap the bytes right after the data are read, if they are used more than here. "
            "Foreign data need one swap; only data in the machine's own order need none."
        )
    code = f'{variable} = {variable}.astype({variable}.dtype.newbyteorder("="))'
    return Fix(text=text, code=f"{code}  # once, where it is read")
