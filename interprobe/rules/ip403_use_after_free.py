"""IP403 use-after-free: native code touched the data of an array that was gone.

## What it does

Reports reads and writes of freed array data that were seen under `interprobe run --guard`. There,
the data of a freed array become memory that nobody may touch, and stay so for a while: who still
uses a pointer to them is stopped at that very instruction. The report names the function and its
line of C where there is debug information, the array, where it was made, where it was freed, and
which call was given it last: the one that has kept the pointer, if no argument leads there.

## Why is this bad?

NumPy gives the memory of a freed array to the next one of that size at once. A read then gives
numbers of some other array, a write changes them, and no exception says so.

## Example

A pointer does not keep the array alive that it was taken from. The next array of that size often
gets the same memory; then the pointer leads into it:

```python
import numpy as np

samples = np.ones(1000)
address = samples.ctypes.data  # a number, as C gets it
keeps_alive = hasattr(address, "_arr")
keeps_alive  # False: once `samples` is gone, the address leads to freed memory
```

## Use instead

Keep the array as long as anything may use its address:

```python
import ctypes

import numpy as np

samples = np.ones(1000)
pointer = samples.ctypes.data_as(ctypes.POINTER(ctypes.c_double))  # holds the array
del samples
pointer[999] == 1.0  # True
```

Where C itself keeps the pointer after the call has returned, nothing on Python's side holds the
array: keep it in an attribute or a module's variable until C has let go of it.

## Limits

Only array data that NumPy allocates while guard mode is on are watched, and not more than some
65,000 blocks at one time, or 16,000 where the kernel is older than Linux 6.13; the report says how
many were not.
The memory of some 8,000 freed arrays stays closed, the latest ones; older memory is used again, and
what leads there then reads a living array.
"""

from __future__ import annotations

from collections.abc import Iterator

from interprobe import accesses
from interprobe.findings import Cost, Finding, Fix, RecordIndex, Severity
from interprobe.trace import Trace, Violation
from interprobe.wording import bytes_text, quoted, sentence

CODE = "IP403"
NAME = "use-after-free"


def check(trace: Trace) -> Iterator[Finding]:
    """Yield a finding for each use of freed array data, by function and argument."""
    for index, violation in enumerate(trace.violations):
        if violation.kind == "after-free":
            yield Finding(
                rule=CODE,
                name=NAME,
                severity=Severity.ERROR,
                user_site=accesses.user_site(violation),
                site=accesses.site(violation),
                subject=accesses.subject(violation),
                cause=_cause(violation),
                evidence=_evidence(violation),
                records=[RecordIndex(list="violations", index=index)],
                cost=Cost(seconds=0.0, bytes=0, share=0.0),
                fix=_fix(violation),
            )


def _cause(violation: Violation) -> str:
    """Who touched what, since when it was gone, and how it could still lead there."""
    verb = {"read": "read", "write": "wrote to", "unknown": "touched"}[violation.access]
    array = accesses.array_text(violation)
    freed = violation.freed
    gone = f", freed in {accesses.line_text(freed)}" if freed is not None else ""
    inside = f", {bytes_text(violation.distance)} into it" if violation.distance else ""
    words = [
        f"{sentence(accesses.culprit(violation))} {verb} the data of an array that is gone{inside}:"
        f" {array}{gone}."
    ]
    argument = accesses.argument_text(violation.call, violation.position)
    if argument:
        words.append(f"The address that it had is {argument}.")
    elif violation.call is not None:
        words.append(
            f"No argument of {quoted(violation.call.function)} leads there: the pointer was kept "
            "from earlier."
        )
    last = accesses.last_given_text(violation)
    if last and not argument:
        words.append(last)
    other = "gets the numbers of" if violation.access == "read" else "reaches into"
    words.append(f"Without guard mode it {other} whichever array has that memory by then.")
    return " ".join(words)


def _evidence(violation: Violation) -> str:
    place = accesses.native_place(violation)
    kind = {"read": "a read", "write": "a write", "unknown": "an access"}[violation.access]
    by = f" by {place}" if place else ""
    return f"the freed memory refused {kind}{by}: the kernel stopped the program there"


def _fix(violation: Violation) -> Fix:
    """Keep the array; where its expression is known, under a name."""
    holder = violation.last_call if violation.position is None else violation.call
    position = violation.last_position if violation.position is None else violation.position
    text = "Keep the array alive as long as C may use its address"
    if violation.position is None and violation.last_call is not None:
        text = (
            f"Keep the array alive as long as C uses the pointer that "
            f"{quoted(violation.last_call.function)} was given, in an attribute or a variable of "
            "the module"
        )
    shown = None
    if violation.position is None and holder is not None and position is not None:
        shown = accesses.shown_array(holder, position)
    code = f"kept_for_c = {shown}  # until C has let go of it" if shown else ""
    return Fix(text=f"{text}.", code=code)
