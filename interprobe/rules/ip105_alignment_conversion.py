"""IP105 alignment-conversion: an array was copied because its elements start at odd addresses.

## What it does

Reports copies of an array whose elements do not start at multiples of their alignment (8 bytes for
`float64`), made because the callee demands aligned elements.

## Why is this bad?

C compilers assume that a `double` starts at a multiple of 8 bytes. Code that is given anything
else may be slow or crash, so careful callees ask for aligned data, and NumPy copies what is not.
Misaligned arrays come from packed records (NumPy packs the fields of a record without padding) and
from buffers whose header is not a multiple of the element's size.

## Example

```python
import numpy as np

events = np.zeros(100_000, dtype=[("kind", "u1"), ("energy", "f8")])  # 9 bytes a record
energy = events["energy"]
passed = np.require(energy, requirements=["ALIGNED"])
np.shares_memory(passed, events)  # False: a copy
```

## Use instead

Let NumPy pad the records as a C compiler does:

```python
import numpy as np

fields = np.dtype([("kind", "u1"), ("energy", "f8")], align=True)  # 16 bytes a record
events = np.zeros(100_000, dtype=fields)
energy = events["energy"]
passed = np.require(energy, requirements=["ALIGNED"])
np.shares_memory(passed, events)  # True: nothing was copied
```

For a buffer with a header, pad the header to a multiple of the element's size.

## Limits

Padding makes the records larger, and a file must be written with the same padding to be read so.
A field of an aligned record still has gaps: where the callee also demands contiguous elements,
IP101 says so, and an array for each field is the better cure.
"""

from __future__ import annotations

from collections.abc import Iterator

from interprobe.copy_groups import CopyGroup, copy_finding, group_copies
from interprobe.cures import fix_for_several_causes, made_to_fit
from interprobe.demands import demand_text, dtype_code
from interprobe.expressions import Operation
from interprobe.findings import Finding, Fix
from interprobe.trace import Copy, Trace
from interprobe.wording import bytes_text, element_text, item_size, quoted, requester_text, sentence

CODE = "IP105"
NAME = "alignment-conversion"


def check(trace: Trace) -> Iterator[Finding]:
    """Yield a finding for each place where misaligned arrays were copied."""
    for group in group_copies(trace, _applies):
        cause = (
            f"{sentence(group.array_text)} is misaligned: its {element_text(group.source)} start "
            "at addresses at which C allows none. "
            f"{requester_text(group.lead)} asks for {demand_text(group.lead)}, "
            f"so NumPy copied {group.amount_text}{group.times_text}."
        )
        fix = fix_for_several_causes(group) or _fix(group)
        yield copy_finding(group, CODE, NAME, cause=cause, fix=fix)


def _applies(copy: Copy) -> bool:
    """Whether a copy moved elements to aligned addresses."""
    return not copy.explicit and "ALIGNED" in copy.unmet


def _fix(group: CopyGroup) -> Fix:
    """Padded records, a padded header, or an array of its own."""
    array = group.array
    if array is not None and array.operation is Operation.FIELD:
        records = quoted(array.base) if array.base is not None else "the records"
        text = (
            f"Give {records} an aligned dtype, which pads the fields as a C compiler does, "
            "or keep each field in an array of its own."
        )
        variable = array.base if array.base is not None else "records"
        code = f"{variable} = np.empty(count, dtype=np.dtype(fields, align=True))"
        return made_to_fit(group, text, code)
    variable = array.base if array is not None and array.base is not None else "array"
    item = bytes_text(item_size(group.source))
    return made_to_fit(
        group,
        "Start the data at a multiple of the element's size: pad the header of the buffer, or pad "
        "packed records with `np.dtype(fields, align=True)`. Arrays that NumPy allocates itself "
        "are always aligned.",
        f"{variable} = np.frombuffer(buffer, dtype={dtype_code(group.source)}, offset=header)"
        f"  # header: a multiple of {item}",
    )
