"""IP308 read-only-written: native code wrote into an array that is marked as read-only.

## What it does

Reports calls in which native code was given an array with `flags.writeable` False, and the array's
contents were different after the call. Contents are compared before and after calls as far as that
costs next to nothing, and always with `interprobe run --contracts=full`.

## Why is this bad?

The flag binds NumPy; a pointer knows nothing of it. Whoever made the array read-only relies on it:
a cache that hands the same array to everybody, the bytes object whose memory the array shows, a
table of constants. From then on all of them compute with other numbers.

## Example

```python
import ctypes

import numpy as np

table = np.ones(4)
table.flags.writeable = False
pointer = table.ctypes.data_as(ctypes.POINTER(ctypes.c_double))
pointer[0] = 7.0  # what a C function does with `double *`
table[0] == 1.0  # False
```

## Use instead

Hand over a copy that may be written, and let the callee's result be that copy:

```python
import ctypes

import numpy as np

table = np.ones(4)
table.flags.writeable = False
result = table.copy()
pointer = result.ctypes.data_as(ctypes.POINTER(ctypes.c_double))
pointer[0] = 7.0
table[0] == 1.0  # True
```

If a parameter is declared with `numpy.ctypeslib.ndpointer(dtype=np.float64, flags="C,W")`, ctypes
refuses a read-only array with an exception.

## Limits

Not compared: memory that NumPy does not hold itself, calls that get a Python callback, and calls
while the program has several Python threads, as somebody else may then have written. A read-only
view of an array that may be written is a warning: the callee may have written through another
pointer to that array.
"""

from __future__ import annotations

from collections.abc import Iterator

from interprobe.callee_parameters import array_behind, facts_of, parameters, pointer_in_words
from interprobe.facts import Fact
from interprobe.findings import Cost, Finding, Fix, RecordIndex, Severity, Site
from interprobe.trace import Call, Trace
from interprobe.wording import bytes_text, counted, file_name, layout_text, sentence

CODE = "IP308"
NAME = "read-only-written"


def check(trace: Trace) -> Iterator[Finding]:
    """Yield a finding for each place whose callee changed an array that is marked read-only."""
    groups: dict[tuple[Site, str, str], list[int]] = {}
    for index, call in enumerate(trace.calls):
        if _writes(call):
            groups.setdefault((call.user_site, call.library, call.function), []).append(index)
    for indices in groups.values():
        yield _finding(indices, [trace.calls[index] for index in indices])


def _writes(call: Call) -> list[Fact]:
    """The facts of a call that are worth a finding."""
    # Memory that another argument shares may have been written through that one, and rightly so.
    # A library that passes a read-only view of an array which may be written knows what it does:
    # np.broadcast_to makes such views of arrays that the program gave up by overwrite=True.
    in_library = call.site != call.user_site
    return [
        fact
        for fact in facts_of(call, "changed-read-only")
        if fact.other is None and (_is_certain(fact) or not in_library)
    ]


def _finding(indices: list[int], calls: list[Call]) -> Finding:
    first = calls[0]
    written: dict[int | None, tuple[Call, Fact]] = {}
    for call in calls:
        for fact in _writes(call):
            written.setdefault(fact.position, (call, fact))
    certain = any(_is_certain(fact) for _, fact in written.values())
    arrays = "; ".join(
        layout_text(own.given)
        for call, fact in written.values()
        if (own := parameters(call).get(fact.position or 0)) is not None and own.given is not None
    )
    times = counted(sum(call.count for call in calls), "call", "calls")
    return Finding(
        rule=CODE,
        name=NAME,
        severity=Severity.ERROR if certain else Severity.WARNING,
        user_site=first.user_site,
        site=first.site,
        subject=first.function,
        cause="\n".join(_cause(call, fact) for call, fact in written.values()),
        evidence=f"{times} of {first.function} in {file_name(first.library)}: {arrays}, read-only",
        records=[RecordIndex(list="calls", index=index) for index in indices],
        cost=Cost(seconds=0.0, bytes=0, share=0.0),
        fix=Fix(
            text="Pass a copy that may be written, or let the array be writeable where it is made.",
            code="\n".join(dict.fromkeys(_fix_code(first, fact) for _, fact in written.values())),
        ),
    )


def _is_certain(fact: Fact) -> bool:
    """Whether nobody may write the memory, so that the callee had no other way to it."""
    return fact.limit == 1


def _cause(call: Call, fact: Fact) -> str:
    """Which array, what became of it, and who is hit."""
    seen = f": {fact.text}" if fact.text else ""
    changed = f"at least {bytes_text(fact.value)} of it changed" if fact.value else "it changed"
    text = (
        f"{sentence(pointer_in_words(call, fact.position))} of {call.function} is marked as "
        f"read-only, but {changed} during the call{seen}."
    )
    if _is_certain(fact):
        return (
            f"{text} NumPy's flag does not bind C; whoever relies on the array being constant now "
            "has other numbers."
        )
    return (
        f"{text} It is a view of memory that may be written elsewhere: either the function wrote "
        "through this pointer, or through another one to the same memory."
    )


def _fix_code(call: Call, fact: Fact) -> str:
    array = array_behind(call, fact.position) or f"array_{(fact.position or 0) + 1}"
    return f"result = {array}.copy()  # pass `result`, and go on with it"
