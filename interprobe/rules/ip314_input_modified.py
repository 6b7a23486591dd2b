"""IP314 input-modified: native code changed an array that its prototype promises to leave alone.

## What it does

Reports calls of C functions whose own prototype, read from debug information or a header, takes a
pointer to constant data (`const double *x`), while the array behind it was different after the
call. Contents are compared as far as that costs next to nothing, and always with `interprobe run
--contracts=full`.

## Why is this bad?

`const` is what a caller reads to decide whether an array can be used again. If the function casts
it away, or writes the same memory by another way, the caller goes on with other numbers than it
thinks, and a second call with "the same" input gives another result.

## Example

```python
import ctypes

import numpy as np

x = np.array([3.0, 1.0, 2.0])
pointer = x.ctypes.data_as(ctypes.POINTER(ctypes.c_double))
pointer[0], pointer[1] = pointer[1], pointer[0]  # a median that sorts its input
x[0] == 3.0  # False
```

## Use instead

```python
import ctypes

import numpy as np

x = np.array([3.0, 1.0, 2.0])
scratch = x.copy()
pointer = scratch.ctypes.data_as(ctypes.POINTER(ctypes.c_double))
pointer[0], pointer[1] = pointer[1], pointer[0]
x[0] == 3.0  # True
```

Report it to the function's author: either the promise or the function is wrong.

## Limits

Only where the callee's own prototype is known. Memory that overlaps another argument is left out:
the function may write it through that one. So are calls that call Python back, memory that NumPy
does not hold itself, and programs with several Python threads.
"""

from __future__ import annotations

from collections.abc import Iterator

from interprobe.callee_parameters import (
    array_behind,
    facts_of,
    is_pointer_to_const,
    parameters,
    pointer_in_words,
)
from interprobe.facts import Fact
from interprobe.findings import Cost, Finding, Fix, RecordIndex, Severity, Site
from interprobe.trace import Argument, Call, Trace
from interprobe.wording import bytes_text, counted, file_name, layout_text, sentence

CODE = "IP314"
NAME = "input-modified"


def check(trace: Trace) -> Iterator[Finding]:
    """Yield a finding for each place whose callee changed what it promised to leave alone."""
    groups: dict[tuple[Site, str, str], list[int]] = {}
    for index, call in enumerate(trace.calls):
        if _modified(call):
            groups.setdefault((call.user_site, call.library, call.function), []).append(index)
    for indices in groups.values():
        yield _finding(indices, [trace.calls[index] for index in indices])


def _modified(call: Call) -> list[tuple[Fact, Argument]]:
    """The changed arrays of a call whose parameters are pointers to constant data."""
    own = parameters(call)
    read_only = {fact.position for fact in facts_of(call, "changed-read-only")}
    found = []
    for fact in facts_of(call, "changed"):
        argument = own.get(fact.position) if fact.position is not None else None
        if argument is None or fact.other is not None or fact.position in read_only:
            continue  # IP308 speaks of those that are read-only
        if argument.given is not None and is_pointer_to_const(argument.true):
            found.append((fact, argument))
    return found


def _finding(indices: list[int], calls: list[Call]) -> Finding:
    first = calls[0]
    distinct: dict[int, tuple[Fact, Argument]] = {}
    for call in calls:
        for fact, argument in _modified(call):
            distinct.setdefault(argument.position, (fact, argument))
    modified = list(distinct.values())
    arrays = "; ".join(
        layout_text(argument.given) for _, argument in modified if argument.given is not None
    )
    times = counted(sum(call.count for call in calls), "call", "calls")
    return Finding(
        rule=CODE,
        name=NAME,
        severity=Severity.WARNING,
        user_site=first.user_site,
        site=first.site,
        subject=first.function,
        cause="\n".join(_cause(first, fact, argument) for fact, argument in modified),
        evidence=f"{times} of {first.function} in {file_name(first.library)}: {arrays}",
        records=[RecordIndex(list="calls", index=index) for index in indices],
        cost=Cost(seconds=0.0, bytes=0, share=0.0),
        fix=Fix(
            text="Pass a copy, and keep the array as it is.",
            code="\n".join(_fix_code(first, argument) for _, argument in modified),
        ),
    )


def _cause(call: Call, fact: Fact, argument: Argument) -> str:
    """What was promised, and what became of it."""
    seen = f": {fact.text}" if fact.text else ""
    changed = f"at least {bytes_text(fact.value)} of it changed" if fact.value else "it changed"
    return (
        f"{sentence(pointer_in_words(call, argument.position))} of {call.function} is "
        f"`{argument.true}` in the function's own prototype, which promises to leave the array "
        f"alone, but {changed} during the call{seen}. Whatever uses the array afterwards computes "
        "with other numbers."
    )


def _fix_code(call: Call, argument: Argument) -> str:
    array = array_behind(call, argument.position) or f"array_{argument.position + 1}"
    return f"scratch = {array}.copy()  # pass `scratch`"
