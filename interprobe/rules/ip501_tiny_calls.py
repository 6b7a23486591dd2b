"""IP501 tiny-calls: a function is called so often for so little that calling it costs the most.

## What it does

Reports places from which one native function is called thousands of times, each time for less work
than the call itself takes: Python finds the function, packs the arguments, the binding converts
them, C runs for some nanoseconds, and all of it back. What a call takes is sampled; what it takes
without any work is measured with a function that does nothing and is called the same way. The loop
around the calls counts where it holds nothing else.

Only calls on lines of your own are meant, and only where they cost at least 5 % of the run.

## Why is this bad?

A call through ctypes costs some 300 to 600 ns, through Cython 50 to 150. In that time C adds a few
hundred numbers. A loop in Python that calls C for each element spends nearly all its time between
the two.

## Example

```python
import numpy as np

rows = np.ones((1000, 3))
calls = 0
for row in rows:
    row.sum()  # 1,000 calls, three numbers each
    calls += 1
calls == 1  # False: one for each row
```

## Use instead

```python
import numpy as np

rows = np.ones((1000, 3))
sums = rows.sum(axis=1)  # one call for all
sums.shape == (1000,)  # True
```

Where C has no function for many, write one: the loop costs next to nothing there.

## Limits

The gain is estimated: what is left is the call's own time without that of an empty call. Where that
difference is too small to be told, the gain is at least what is said. What a call costs without its
work is known of ctypes and of Cython; of other bindings only the least that it can be.
"""

from __future__ import annotations

from collections.abc import Iterator

from interprobe.calling_code import called_once_code
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
from interprobe.wording import counted, file_name, seconds_text

CODE = "IP501"
NAME = "tiny-calls"

_LEAST_CALLS = 2000


def check(trace: Trace) -> Iterator[Finding]:
    """Yield a finding for each place where calling costs more than the work that is called for."""
    for calls in calling_costs(trace, _LEAST_CALLS):
        work = calls.work
        if work is None or verdict(calls) != CODE:
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
            cause=_cause(calls),
            evidence=_evidence(calls),
            records=records_of(calls),
            cost=cost,
            fix=Fix(
                text=f"Call native code once for all {calls.count:,}: hand over the whole array, "
                "and have C, or Cython, run the loop.",
                code=called_once_code(calls),
            ),
            saving=batched_saving(calls),
        )


def _cause(calls: CallingCost) -> str:
    loop = calls.whole - calls.turn.call
    around = f", and the loop around it {seconds_text(loop)}" if loop > 0 else ""
    return (
        f"{calls.call.function} is called {calls.count:,} times for very little: the work inside "
        f"takes {work_text(calls)} of a call. Calling it, that is converting arguments, entering C "
        f"and coming back, takes {seconds_text(calls.empty or 0.0)} each time{around}."
    )


def _evidence(calls: CallingCost) -> str:
    library = f" in {file_name(calls.call.library)}" if calls.call.library else ""
    times = counted(calls.count, "call", "calls")
    return (
        f"{times} of {calls.call.function}{library} through {calls.call.binding}, "
        f"{seconds_text(calls.turn.call)} each; a function that does nothing, called the same way, "
        f"takes {seconds_text(calls.empty or 0.0)}"
    )
