"""IP502 marshalling-dominates: turning arrays into addresses costs more than what C does with them.

## What it does

Reports foreign functions, through ctypes or cffi, that are called thousands of times with addresses
made anew each time, where making them takes longer than the function itself: `x.ctypes.data_as(P)`,
`ffi.from_buffer(x)`, or arrays given to `ndpointer` in `argtypes`, which checks them in Python at
each call. The time is sampled: from the first address that an array is asked for to the call.
`ndpointer` is weighed against a call with bare addresses.

## Why is this bad?

`x.ctypes` makes a Python object, `data_as` another and a conversion: 1 to 3 us together. In that
time C adds thousands of numbers. An array's address does not change while the array lives and is
not resized, so once is enough.

## Example

```python
import ctypes

import numpy as np

P = ctypes.POINTER(ctypes.c_double)
x = np.ones(8)
pointers = [x.ctypes.data_as(P) for _ in range(1000)]  # a thousand times the same address
len({ctypes.addressof(p.contents) for p in pointers}) == 1000  # False
```

## Use instead

```python
import ctypes

import numpy as np

P = ctypes.POINTER(ctypes.c_double)
x = np.ones(8)
pointer = x.ctypes.data_as(P)  # once, before the loop; it keeps x alive
ctypes.addressof(pointer.contents) == x.ctypes.data  # True
```

Where each call gets another row of one array, count on from the address of the first:
`base + i * x.strides[0]`, with `c_void_p` in `argtypes`.

## Limits

An address in a variable is of no use any more when the array is resized or made anew. `byref` and
`ctypes.cast` alone are not seen. Where other statements lie between the address and the call,
nothing is said.
"""

from __future__ import annotations

from collections.abc import Iterator

from interprobe.calling_code import addresses_once_code, changes_in_loop
from interprobe.calling_costs import (
    CallingCost,
    calling_costs,
    cost_of,
    estimated_saving,
    records_of,
    verdict,
)
from interprobe.findings import Finding, Fix
from interprobe.trace import Trace
from interprobe.wording import counted, file_name, seconds_text, sentence

CODE = "IP502"
NAME = "marshalling-dominates"

_LEAST_CALLS = 2000


def check(trace: Trace) -> Iterator[Finding]:
    """Yield a finding for each place where addresses cost more than what C does with them."""
    for calls in calling_costs(trace, _LEAST_CALLS):
        weighed = cost_of(trace, calls, calls.marshalling) if verdict(calls) == CODE else None
        if weighed is None:
            continue
        cost, severity = weighed
        call = calls.call
        yield Finding(
            rule=CODE,
            name=NAME,
            severity=severity,
            user_site=call.user_site,
            site=call.site,
            subject=call.function,
            cause=_cause(calls),
            evidence=_evidence(calls),
            records=records_of(calls),
            cost=cost,
            fix=Fix(text=_fix_text(calls), code=addresses_once_code(calls)),
            saving=estimated_saving(
                calls,
                calls.whole - calls.marshalling,
                "the call and what comes before it were timed apart",
            ),
        )


def _cause(calls: CallingCost) -> str:
    inside = calls.conversion > calls.addresses
    how = (
        "ndpointer checks each array in Python, inside the call"
        if inside
        else "objects are made in Python that hold the address"
    )
    if calls.work is None:
        kernel = f"the call itself takes {seconds_text(calls.turn.call)}"
    else:
        kernel = f"the work in C takes about {seconds_text(calls.work)}"
    return (
        f"Turning arrays into addresses takes {seconds_text(calls.marshalling)} at each of "
        f"{calls.count:,} calls: {how}. {sentence(kernel)}."
    )


def _evidence(calls: CallingCost) -> str:
    library = f" in {file_name(calls.call.library)}" if calls.call.library else ""
    times = counted(calls.count, "call", "calls")
    parts = []
    if calls.addresses > 0:
        parts.append(f"{seconds_text(calls.addresses)} from the first address to the call")
    if calls.conversion > 0:
        parts.append(f"{seconds_text(calls.conversion)} of conversion inside it")
    return (
        f"{times} of {calls.call.function}{library}, {seconds_text(calls.turn.call)} each, and "
        f"{' and '.join(parts)}"
    )


def _fix_text(calls: CallingCost) -> str:
    if changes_in_loop(calls):
        return (
            "Take the address of the whole array once, before the loop, and count on from there; "
            "better still, have C run the loop in one call."
        )
    if calls.loop is None:
        return (
            "Take the address once for each array, outside the loop that calls this line, and keep "
            "it as long as the array lives."
        )
    return "Take the address once, before the loop, and use it as long as the array lives."
