"""IP102 order-mismatch: a matrix was rewritten because it is contiguous in the other order.

## What it does

Reports copies of an array that is contiguous in Fortran order where the callee demands C order, or
in C order where it demands Fortran order.

## Why is this bad?

C order stores a matrix row after row, Fortran order column after column. The numbers are the same,
but every one of them has to move to get from one order to the other, and large strides make that
the slowest of all copies. A transpose (`x.T`) changes the order without moving anything, as do
`np.asfortranarray`, many file formats (MATLAB, HDF5 written by Fortran) and pandas, whose blocks
hold columns: an array can be in the "wrong" order without a trace of that in the program.

## Example

```python
import numpy as np

field = np.zeros((400, 300))
rows = np.ascontiguousarray(field.T)  # what a C function with `double *` needs
np.shares_memory(rows, field)  # False: every element was moved
```

## Use instead

Make the array in the order in which it is used; its transpose is then in the other one, for free:

```python
import numpy as np

field = np.zeros((400, 300), order="F")
rows = np.ascontiguousarray(field.T)
np.shares_memory(rows, field)  # True: field.T already is in C order
```

The callee's order is the right one, and that need not be C: LAPACK and BLAS, code wrapped by f2py
and scikit-learn's coordinate descent want Fortran order, and there the cure is the reverse:

```python
import numpy as np

matrix = np.zeros((400, 300), order="F")
columns = np.asfortranarray(matrix)
np.shares_memory(columns, matrix)  # True: nothing was copied
```

## Limits

An array that is contiguous in neither order is IP101. Where two callees want different orders of
one array, one copy is the price; take it once.
"""

from __future__ import annotations

from collections.abc import Iterator

from interprobe.copy_groups import CopyGroup, copy_finding, group_copies
from interprobe.cures import ORDER_NAMES, fix_for_several_causes, made_to_fit
from interprobe.demands import demand_text, demanded_order, variable_order
from interprobe.expressions import Operation
from interprobe.findings import Finding, Fix
from interprobe.trace import Copy, Trace
from interprobe.wording import quoted, requester_text, sentence

CODE = "IP102"
NAME = "order-mismatch"


def check(trace: Trace) -> Iterator[Finding]:
    """Yield a finding for each place where arrays were rewritten in the other order."""
    for group in group_copies(trace, _applies):
        cause = (
            f"{sentence(group.array_text)} is {_order_text(group)}. "
            f"{requester_text(group.lead)} asks for {demand_text(group.lead)}, "
            f"so NumPy rewrote {group.amount_text}{group.times_text}."
        )
        fix = fix_for_several_causes(group) or _fix(group)
        yield copy_finding(group, CODE, NAME, cause=cause, fix=fix)


def _applies(copy: Copy) -> bool:
    """Whether a copy turned one contiguous order into the other."""
    orders = (copy.source.order if copy.source is not None else None, demanded_order(copy))
    return not copy.explicit and orders in {("F", "C"), ("C", "F")}


def _order_text(group: CopyGroup) -> str:
    """What the order of the source means for the matrix."""
    is_fortran = group.source.order == "F"
    name = "Fortran-ordered" if is_fortran else "C-ordered"
    if len(group.source.shape) == 2:
        near, far = ("columns", "rows") if is_fortran else ("rows", "columns")
        return f"{name}: its {near}, not its {far}, lie side by side"
    near, far = ("first", "last") if is_fortran else ("last", "first")
    return f"{name}: neighbours along its {near} axis, not its {far}, lie side by side"


def _fix(group: CopyGroup) -> Fix:
    """The array made in the demanded order, or converted once."""
    wanted = ORDER_NAMES[demanded_order(group.lead) or "C"]
    made = variable_order(group)
    array = group.array
    if array is None or array.base is None or made is None or made == "unknown":
        text = f"Create the array in {wanted}: NumPy's functions that make arrays take `order`."
    elif array.operation is Operation.TRANSPOSED:
        text = (
            f"Create {quoted(array.base)} in {ORDER_NAMES[made]}: "
            f"{quoted(array.text)} is then in {wanted} and is taken as it is."
        )
    else:
        text = f"Create {quoted(array.base)} in {wanted}: it is then taken as it is."
    return made_to_fit(group, text)
