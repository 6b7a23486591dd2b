"""IP505 per-item-boxing: an array is handed to native code item by item, each as a Python object.

## What it does

Reports places from which a native function is called thousands of times with items of an array:
`for i in range(n): total += f(x[i])`. Each `x[i]` makes a Python object, an `np.float64`, of eight
bytes that lie ready in memory; the call takes the number out of it again. Reported is only what
costs more than the function's own work, which is told from calls of a function that does nothing.

Only calls on lines of your own are meant, and only where they cost at least 5 % of the run.

## Why is this bad?

Indexing, boxing, calling and unboxing take some 300 ns for each item; C reads an item of an array
in less than one.

## Example

```python
import math

import numpy as np

x = np.linspace(0.0, 1.0, 1000)
roots = np.empty_like(x)
for i in range(len(x)):
    roots[i] = math.sqrt(x[i])  # an object for each number, there and back
type(x[3]) is float  # False: it is a numpy.float64, made for this one use
```

## Use instead

```python
import numpy as np

x = np.linspace(0.0, 1.0, 1000)
roots = np.sqrt(x)  # one call; no number becomes an object
bool(roots[-1] == 1.0)  # True
```

Where the function knows single numbers only, give it a companion in C or Cython that takes the
array. If that cannot be, `for value in x.tolist()` at least boxes all items in one go.

## Limits

Arithmetic on items in Python passes no function of native code and is not seen; neither are calls
of functions of NumPy and of the standard library. The gain is estimated, as with IP501.
"""

from __future__ import annotations

from collections.abc import Iterator

from interprobe.calling_code import whole_array_code
from interprobe.calling_costs import (
    CallingCost,
    batched_saving,
    calling_costs,
    cost_of,
    records_of,
    verdict,
    work_text,
)
from interprobe.findings import Finding, Fix
from interprobe.trace import Trace
from interprobe.wording import counted, file_name, quoted, seconds_text

CODE = "IP505"
NAME = "per-item-boxing"

_LEAST_CALLS = 5000


def check(trace: Trace) -> Iterator[Finding]:
    """Yield a finding for each place where the items of an array are handed over one by one."""
    for calls in calling_costs(trace, _LEAST_CALLS):
        work, item = calls.work, calls.item
        if work is None or item is None or verdict(calls) != CODE:
            continue
        weighed = cost_of(trace, calls, calls.whole - work)
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
            cause=(
                f"{call.function} gets the numbers of {quoted(item)} one by one: {calls.count:,} "
                f"times an item is made into a Python object ({_types(calls)}), handed over, and "
                f"unpacked again. A turn takes {seconds_text(calls.whole)}; the function's own "
                f"work is {work_text(calls)} of it."
            ),
            evidence=_evidence(calls),
            records=records_of(calls),
            cost=cost,
            fix=Fix(
                text=f"Hand over {quoted(item)} as a whole: one call, and the loop runs in C.",
                code=whole_array_code(calls, item),
            ),
            saving=batched_saving(calls),
        )


def _types(calls: CallingCost) -> str:
    boxed = [name for name in calls.turn.given if name.startswith("numpy.")]
    return ", ".join(dict.fromkeys(boxed or calls.turn.given))


def _evidence(calls: CallingCost) -> str:
    library = f" in {file_name(calls.call.library)}" if calls.call.library else ""
    times = counted(calls.count, "call", "calls")
    between = calls.whole - calls.turn.call
    loop = f", and {seconds_text(between)} from one call to the next" if between > 0 else ""
    return (
        f"{times} of {calls.call.function}{library} with {_types(calls)}, "
        f"{seconds_text(calls.turn.call)} each{loop}; a function that does nothing, called the "
        f"same way, takes {seconds_text(calls.empty or 0.0)}"
    )
