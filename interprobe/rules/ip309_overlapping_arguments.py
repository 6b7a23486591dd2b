"""IP309 overlapping-arguments: native code wrote an array whose memory another argument shares.

## What it does

Reports calls of C functions that were given two arrays which share memory without beginning at the
same place, such as `x[:-1]` and `x[1:]`, and of which the function wrote at least one. Where the
function's own prototype says `restrict`, arrays that begin at the same place are reported as well.

## Why is this bad?

The function reads, for later elements, what it has written for earlier ones. Whether it does
depends on the order of its loop, and on what the compiler made of it: the same source may give one
result unoptimised and another one vectorised. `restrict` is the caller's promise that it does not
happen. NumPy's own operations notice the overlap and work on a copy; a C function cannot.

## Example

```python
import numpy as np

x = np.arange(5.0)
y = x[1:]
for i in range(4):  # what a C loop does: y[i] += x[i]
    y[i] += x[i]
bool(x[4] == 4.0 + 3.0)  # False: sums of sums
```

## Use instead

```python
import numpy as np

x = np.arange(5.0)
y = x[1:]
source = x.copy()
for i in range(4):
    y[i] += source[i]
bool(x[4] == 4.0 + 3.0)  # True
```

## Limits

Not reported: the same array passed twice, which is how many functions are asked to work in place;
a plain move of one array to the other that came out right, as `memmove` does; arrays that share
memory beyond the length that the call states. A function that is made for arrays that overlap is
reported all the same, as a warning.
"""

from __future__ import annotations

from collections.abc import Iterator

from interprobe.callee_parameters import (
    array_behind,
    called_argument,
    facts_of,
    is_restricted,
    parameters,
    pointer_in_words,
)
from interprobe.facts import Fact
from interprobe.findings import Cost, Finding, Fix, RecordIndex, Severity, Site
from interprobe.trace import Call, Trace
from interprobe.wording import (
    bytes_text,
    counted,
    file_name,
    item_size,
    layout_text,
    sentence,
)

CODE = "IP309"
NAME = "overlapping-arguments"


def check(trace: Trace) -> Iterator[Finding]:
    """Yield a finding for each place that passed arrays which overlap, one of them written."""
    groups: dict[tuple[Site, str, str], list[int]] = {}
    for index, call in enumerate(trace.calls):
        if _overlaps(call):
            groups.setdefault((call.user_site, call.library, call.function), []).append(index)
    for indices in groups.values():
        yield _finding(indices, [trace.calls[index] for index in indices])


def _overlaps(call: Call) -> list[Fact]:
    """The facts of a call that are worth a finding."""
    return [
        fact
        for fact in facts_of(call, "overlap", "same-memory")
        if fact.position is not None
        and fact.other is not None
        and (fact.kind == "overlap" or _forbidden(call, fact))
    ]


def _forbidden(call: Call, fact: Fact) -> bool:
    """Whether the callee's own prototype forbids that the arguments share memory."""
    own = parameters(call)
    pair = [own.get(position) for position in (fact.position, fact.other) if position is not None]
    return any(argument is not None and is_restricted(argument.true) for argument in pair)


def _finding(indices: list[int], calls: list[Call]) -> Finding:
    first = calls[0]
    distinct: dict[tuple[int | None, int | None], tuple[Call, Fact]] = {}
    for call in calls:
        for fact in _overlaps(call):
            distinct.setdefault((fact.position, fact.other), (call, fact))
    wrong = any(
        fact.kind == "overlap" and _forbidden(call, fact) for call, fact in distinct.values()
    )
    own = parameters(first)
    positions = sorted({each for key in distinct for each in key if each is not None})
    arrays = " and ".join(
        layout_text(argument.given)
        for position in positions
        if (argument := own.get(position)) is not None and argument.given is not None
    )
    times = counted(sum(call.count for call in calls), "call", "calls")
    pair = next(iter(distinct.values()))[1]
    return Finding(
        rule=CODE,
        name=NAME,
        severity=Severity.ERROR if wrong else Severity.WARNING,
        user_site=first.user_site,
        site=first.site,
        subject=first.function,
        cause="\n".join(_cause(call, fact) for call, fact in distinct.values()),
        evidence=f"{times} of {first.function} in {file_name(first.library)}: {arrays}",
        records=[RecordIndex(list="calls", index=index) for index in indices],
        cost=Cost(seconds=0.0, bytes=0, share=0.0),
        fix=Fix(
            text="Pass a copy of the array that is only read, or write into an array of its own.",
            code=_fix_code(first, pair),
        ),
    )


def _cause(call: Call, fact: Fact) -> str:
    """Which arguments, how they overlap, and what comes of it."""
    one, other = pointer_in_words(call, fact.position), pointer_in_words(call, fact.other)
    text = (
        f"{sentence(one)} and {other} of {call.function} share {bytes_text(fact.value)} of memory"
    )
    if fact.kind == "same-memory":
        return (
            f"{text}: they begin at the same place. The function's own prototype says `restrict`, "
            "so the compiler may assume that what is written through one is never read through the "
            "other."
        )
    seen = f" (the first change: {fact.text})" if fact.text else ""
    text = (
        f"{text}: the second begins {_distance(call, fact)} after the first, and the function wrote"
        f" there{seen}. What it reads may be what it has just written, depending on the order of "
        "its loop"
    )
    if _forbidden(call, fact):
        return f"{text}; its own prototype forbids that with `restrict`."
    return f"{text}. That is right only in a function that is made for arrays that overlap."


def _distance(call: Call, fact: Fact) -> str:
    """The distance of the two beginnings, in elements where it is a number of them."""
    argument = parameters(call).get(fact.position or 0)
    size = item_size(argument.given) if argument is not None and argument.given is not None else 0
    if size > 0 and fact.limit % size == 0:
        return counted(fact.limit // size, "element", "elements")
    return bytes_text(fact.limit)


def _fix_code(call: Call, fact: Fact) -> str:
    array = array_behind(call, fact.position)
    if array is None:
        return f"source = array.copy()  # the array behind {called_argument(call, fact.position)}"
    return f"source = {array}.copy()  # pass `source` where the function only reads"
