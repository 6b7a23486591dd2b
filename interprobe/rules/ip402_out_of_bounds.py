"""IP402 out-of-bounds: native code read or wrote memory beside an array's data.

## What it does

Reports accesses past the end of an array, or before its start, that were seen under `interprobe run
--guard`. There, the data of each array end at a page of memory that nobody may touch. A read or a
write past the end stops the program at that very instruction, and the report names the function,
the argument, the array, the bytes and, where the library has debug information, the line of C.
Where the data do not fill a page from its beginning, known bytes stand in front of them, and up to
15 behind them: what native code writes there is found when the call returns, and the program goes
on.

## Why is this bad?

What lies behind an array belongs to something else: another array, Python's own objects, the memory
allocator's records. A read gives a number that is not in the array and differs from run to run; a
write changes somebody else's data, and the program goes wrong or crashes later, somewhere else.

## Example

Here the memory behind the array happens to be another part of the same block, so nothing crashes:

```python
import ctypes

import numpy as np

block = np.zeros(5)
samples = block[:4]
pointer = samples.ctypes.data_as(ctypes.POINTER(ctypes.c_double))
for index in range(5):  # one too many
    pointer[index] = 1.0
block[4] == 0.0  # False: it was not in `samples`, and is overwritten
```

## Use instead

Take the length from the array itself, and let the loop end before it:

```python
import ctypes

import numpy as np

block = np.zeros(5)
samples = block[:4]
pointer = samples.ctypes.data_as(ctypes.POINTER(ctypes.c_double))
for index in range(samples.size):
    pointer[index] = 1.0
block[4] == 0.0  # True
```

## Limits

Only array data that NumPy allocates while guard mode is on are guarded, and not more than some
65,000 blocks at one time, or 16,000 where the kernel is older than Linux 6.13; the report says how
many were not.
Data end exactly at the page if their size is a multiple of 4 bytes; else up to 15 bytes behind them
can be read unseen. So can up to 4,095 bytes in front of them. An access from a slice into the rest
of its own block is none that can be told, and one that leaps over the page may hit another array's
data.
"""

from __future__ import annotations

from collections.abc import Iterator

from interprobe import accesses
from interprobe.findings import Cost, Finding, Fix, RecordIndex, Severity
from interprobe.trace import Trace, Violation
from interprobe.wording import (
    bytes_text,
    counted,
    element_count,
    item_size,
    listed,
    sentence,
)

CODE = "IP402"
NAME = "out-of-bounds"


def check(trace: Trace) -> Iterator[Finding]:
    """Yield a finding for each access beside an array, by function and argument."""
    for index, violation in enumerate(trace.violations):
        if violation.kind != "after-free":
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
    """Who touched what, how far off, and what that means."""
    if violation.discovery == "refused":
        return f"{_refused(violation)} {_element(violation)}{_meaning(violation)}"
    return f"{_overwritten(violation)} {_meaning(violation)}"


def _side(violation: Violation) -> str:
    return "the end" if violation.kind == "past-end" else "the start"


def _refused(violation: Violation) -> str:
    verb = {"read": "read", "write": "wrote", "unknown": "touched"}[violation.access]
    distance = violation.distance
    if violation.kind == "before-start":
        how_far = f"{bytes_text(distance)} before the start of"
    elif distance == 0:
        how_far = "right behind the end of"
    else:
        how_far = f"{bytes_text(distance)} past the end of"
    return f"{sentence(accesses.culprit(violation))} {verb} memory {how_far} {_array(violation)}."


def _array(violation: Violation) -> str:
    argument = accesses.argument_text(violation.call, violation.position)
    array = accesses.array_text(violation)
    return f"{argument} ({array})" if argument else f"an array that is no argument ({array})"


def _element(violation: Violation) -> str:
    index = accesses.element_past(violation)
    if index is None or violation.array is None or violation.extent > item_size(violation.array):
        return ""
    count = element_count(violation.array)
    has = f"the array has {count:,}, from 0 to {count - 1:,}" if count else "the array has none"
    return f"Element {index:,} would be there; {has}. "


def _overwritten(violation: Violation) -> str:
    """Bytes that were found changed, and by whom, as far as that is known."""
    amount = bytes_text(violation.extent)
    where = "behind the end of" if violation.kind == "past-end" else "before the start of"
    if violation.discovery == "after-call":
        function = sentence(accesses.culprit(violation))
        words = f"{function} overwrote {amount} {where} {_array(violation)}."
        return f"{words} {_element(violation)}".rstrip()
    when = {
        "before-call": "when the next call was given it",
        "when-freed": "when it was freed",
        "at-the-end": "when the recording ended",
    }.get(violation.discovery, "later")
    known = accesses.last_given_text(violation)
    words = f"{sentence(amount)} {where} an array ({accesses.array_text(violation)}) were found "
    return f"{words}overwritten {when}: who did it was not seen. {known}".rstrip()


def _meaning(violation: Violation) -> str:
    if violation.access == "read":
        return "Without guard mode it gets whatever number lies there."
    if violation.access == "write":
        return "Without guard mode it overwrites whatever lies there."
    return "Without guard mode it gets or overwrites whatever lies there."


def _evidence(violation: Violation) -> str:
    place = accesses.native_place(violation)
    if violation.discovery == "refused":
        kind = {"read": "a read", "write": "a write", "unknown": "an access"}[violation.access]
        by = f" by {place}" if place else ""
        return f"the page beside the array refused {kind}{by}: the kernel stopped the program there"
    times = counted(violation.count, "time", "times")
    nearest = violation.distance
    far = (
        f"the first {bytes_text(nearest)} past the end"
        if violation.kind == "past-end" and nearest
        else "the first one right behind the end"
        if violation.kind == "past-end"
        else f"the lowest {bytes_text(nearest)} before the start"
    )
    return f"found {times}: {bytes_text(violation.extent)} changed, {far}"


def _fix(violation: Violation) -> Fix:
    """What to look at; the numbers say how far off it is."""
    if violation.call is None and violation.running is not None:
        return Fix(
            text="Check the shape and the strides of the array that this line works on: its "
            f"elements must all lie in the {bytes_text(violation.nbytes)} that there are."
        )
    line = accesses.c_line(violation)
    places = [f"the index in {line}"] if line else []
    places.append(f"the length that {accesses.culprit(violation)} is given")
    array = violation.array
    elements = (
        f" is {counted(element_count(array), 'element', 'elements')} long"
        if array is not None and array.nbytes == violation.nbytes
        else f" is {bytes_text(violation.nbytes)} long"
    )
    text = f"Check {listed(places)}: the array{elements}."
    if violation.kind == "before-start":
        text = f"{text} An index below 0 counts from the end in Python, but not in C."
        if violation.discovery != "refused":
            text = f"{text} With `--guard-start` the program is stopped at that very line of C."
    return Fix(text=text)
