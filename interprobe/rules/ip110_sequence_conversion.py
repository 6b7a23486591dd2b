"""IP110 sequence-conversion: an array was made of a Python sequence, item by item.

## What it does

Reports arrays that NumPy made of lists, tuples, ranges and other sequences, in `np.array` and its
kin or because native code asked for an array, where a place made 1 MB of them or spent 1 % of the
run on them.

## Why is this bad?

A list holds pointers to Python objects all over memory. To make an array of it, NumPy looks at
every item twice, once to find the common dtype and shape and once to take the number out: tens of
nanoseconds an item, where a copy from array to array takes one or less. Inside a loop, or hidden in
a call that wants an array, this is paid each time.

## Example

```python
import numpy as np

values = [float(number) for number in range(1000)]
means = []
for _ in range(10):
    array = np.asarray(values)  # a thousand numbers unpacked, ten times
    means.append(array.mean())
np.asarray(values) is array  # False: each turn makes its own
```

## Use instead

```python
import numpy as np

values = np.arange(1000.0)  # an array from the start, or np.array(values) once
means = []
for _ in range(10):
    array = np.asarray(values)
    means.append(array.mean())
np.asarray(values) is array  # True: nothing has to be made
```

To collect numbers as they come, fill `np.empty(n)` or use `np.fromiter(generator, dtype)`.

## Limits

A list that comes from elsewhere (JSON, a database) has to be converted once; the finding then shows
what that costs. That a sequence held the same numbers as the time before is told from its address
and from a sample of the result.
"""

from __future__ import annotations

from collections.abc import Iterator

from interprobe.demands import dtype_code
from interprobe.expressions import ArrayExpression, converted_array
from interprobe.findings import Cost, Finding, Fix, RecordIndex, Site
from interprobe.shares import measured_cost, severity_of_cost
from interprobe.trace import Copy, Trace
from interprobe.wording import (
    bytes_text,
    counted,
    element_count,
    layout_text,
    quoted,
    requester_text,
    seconds_text,
    sentence,
    shape_text,
    short_mechanism,
)

CODE = "IP110"
NAME = "sequence-conversion"

LEAST_BYTES = 1_000_000
LEAST_SHARE = 0.01
"""A place that stays below both costs nobody anything: ``np.array([1, 2, 3])``."""


def check(trace: Trace) -> Iterator[Finding]:
    """Yield a finding for each place that spent something on arrays made of sequences."""
    places: dict[tuple[Site, str, str | None], list[int]] = {}
    for index, copy in enumerate(trace.copies):
        if "sequence" in copy.kind.split("+") and copy.source is None:
            library = copy.native.library if copy.native is not None else None
            places.setdefault((copy.user_site, copy.mechanism, library), []).append(index)
    for indices in places.values():
        copies = [trace.copies[index] for index in indices]
        seconds = sum(copy.seconds for copy in copies)
        nbytes = sum(copy.bytes for copy in copies)
        cost = measured_cost(trace, [copy.process for copy in copies], seconds, nbytes)
        if nbytes >= LEAST_BYTES or cost.share >= LEAST_SHARE:
            yield _finding(indices, copies, cost)


def _finding(indices: list[int], copies: list[Copy], cost: Cost) -> Finding:
    lead = max(copies, key=lambda copy: (copy.seconds, copy.bytes))
    count = sum(copy.count for copy in copies)
    repeats = sum(min(copy.repeated, copy.count) for copy in copies)
    sequence = converted_array(lead)
    what = _what(lead, sequence)
    times = "" if count == 1 else f", {count:,} times"
    cause = (
        f"{sentence(what)} is a Python sequence. {requester_text(lead)} wants an array, so NumPy "
        f"looked at every item ({element_count(lead.result):,} of them) and wrote "
        f"{bytes_text(lead.result.nbytes)}{times}."
    )
    if repeats > 0:
        cause += f" {counted(repeats, 'time', 'times').capitalize()} it held the same numbers as "
        cause += "before."
    evidence = (
        f"{counted(count, 'array', 'arrays')} made of sequences, {bytes_text(cost.bytes)} in "
        f"{seconds_text(cost.seconds)}; the costliest: {layout_text(lead.result)}"
    )
    return Finding(
        rule=CODE,
        name=NAME,
        severity=severity_of_cost(cost),
        user_site=lead.user_site,
        site=lead.site,
        subject=" ".join(lead.user_site.expression.split()) or short_mechanism(lead.mechanism),
        cause=cause,
        evidence=evidence,
        records=[RecordIndex(list="copies", index=index) for index in indices],
        cost=cost,
        fix=_fix(lead, sequence, count=count, repeats=repeats),
    )


def _what(lead: Copy, sequence: ArrayExpression | None) -> str:
    if sequence is not None:
        return quoted(sequence.text)
    if not lead.user_site.expression.strip():
        return "what was converted"
    return f"what is converted in {quoted(lead.user_site.expression)}"


def _fix(lead: Copy, sequence: ArrayExpression | None, *, count: int, repeats: int) -> Fix:
    """The array made once, or filled without a list."""
    dtype = dtype_code(lead.result)
    name = sequence.base if sequence is not None else None
    if name is not None and (repeats > 0 or count == 1):
        when = "once, before the loop" if repeats > 0 else f"or fill an array where {name} is made"
        return Fix(
            text="Keep the numbers in an array from where they are made, or convert the sequence "
            "once: an array is then taken as it is.",
            code=f"{name} = np.array({name}, dtype={dtype})  # {when}",
        )
    if count == 1:
        return Fix(
            text="Keep the numbers in an array from where they are made: fill `np.empty(n)`, or "
            "use `np.fromiter` with the generator instead of a list.",
            code=f"values = np.fromiter(generator, dtype={dtype}, count=n)",
        )
    return Fix(
        text="Make one array before the loop and assign to its elements, or collect all rows and "
        "convert them once, after the loop.",
        code=f"work = np.empty({shape_text(lead.result.shape)}, dtype={dtype})  "
        "# once, before the loop; then work[0] = ...",
    )
