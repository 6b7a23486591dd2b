"""IP107 repeated-conversion: the same unchanged array was converted again and again.

## What it does

Reports conversions that read the same buffer with the same contents as the time before, at least
twice. Conversions whose result could not be kept are not meant: `x.copy()`, `x.flatten()`,
`x.tobytes()`, `np.copyto` and `y[...] = x` are asked for by name, and results that are written into
are working copies.

## Why is this bad?

Each conversion but the first gives an array that the program already had. The conversion is
usually hidden in a call inside a loop, where it is paid at each turn.

## Example

```python
import numpy as np

table = np.ones((400, 300), order="F")
total = 0.0
for _ in range(10):
    rows = np.ascontiguousarray(table)  # ten times the same copy
    total += rows[0, 0]
np.shares_memory(rows, table)  # False: each turn made its own
```

## Use instead

```python
import numpy as np

table = np.ones((400, 300), order="F")
rows = np.ascontiguousarray(table)  # once
total = 0.0
for _ in range(10):
    passed = np.ascontiguousarray(rows)
    total += passed[0, 0]
np.shares_memory(passed, rows)  # True: the conversion in the loop has nothing left to do
```

## Limits

Whether the contents are the same is told from a sample of them: a change of a few elements between
two conversions can go unnoticed. A copy that is made to be written into cannot be shared: of the
latest 64 conversions a few elements are compared when they end, and where one has changed, nothing
is reported. Ask for such a copy by name, with `x.copy()` or `copy=True`. The cost is the share of
the repeats in all conversions of that place, in proportion to their number.
"""

from __future__ import annotations

from collections.abc import Iterator

from interprobe.copy_groups import CopyGroup, copy_finding, group_copies
from interprobe.demands import conversion_code, converted_name
from interprobe.expressions import has_keyword, sparing_call
from interprobe.findings import Cost, Finding, Fix
from interprobe.shares import measured_cost
from interprobe.trace import Copy, Trace
from interprobe.wording import bytes_text, requester_text, seconds_text, sentence, short_mechanism
from interprobe.working_copies import is_worked_in

CODE = "IP107"
NAME = "repeated-conversion"
FIX_FIRST = True

_ASKED_BY_NAME = frozenset(
    {
        "ndarray.__copy__",
        "ndarray.__setitem__",
        "ndarray.__deepcopy__",
        "ndarray.copy",
        "ndarray.flatten",
        "ndarray.tobytes",
        "numpy.copy",
        "numpy.copyto",
    }
)
"""Mechanisms that make a new array on purpose, or write into one that the program gave."""
_NO_CONVERSIONS = frozenset({"gather", "overlap", "writeback"})
"""Kinds whose result depends on more than the source: on indices, on what was computed since."""
_INTO_EXISTING = frozenset({"PyArray_CopyAnyInto", "PyArray_CopyInto"})
"""Mechanisms that wrappers use for conversions, and programs to write into their own arrays."""


def check(trace: Trace) -> Iterator[Finding]:
    """Yield a finding for each place that converted the same contents several times."""
    for group in group_copies(trace, _applies):
        repeats = sum(min(copy.repeated, copy.count) for copy in group.copies)
        cause = (
            f"{sentence(group.array_text)} was copied {group.count:,} times by "
            f"{requester_text(group.lead)}, and {repeats:,} times its memory held the same numbers "
            "as the time before: the program already had the result."
        )
        cost = _cost_of_repeats(group)
        evidence = (
            f"{repeats:,} of {group.count:,} copies, {bytes_text(cost.bytes)} in "
            f"{seconds_text(cost.seconds)}, read the same unchanged buffer; {group.circumstances}"
        )
        yield copy_finding(
            group,
            CODE,
            NAME,
            cause=cause,
            evidence=evidence,
            cost=cost,
            fix=_fix(group),
        )


def _applies(copy: Copy) -> bool:
    """Whether a record has repeats of a conversion that the program could have kept."""
    if copy.repeated < 2 or copy.mechanism in _ASKED_BY_NAME:
        return False
    if _NO_CONVERSIONS & set(copy.kind.split("+")):
        return False
    if copy.mechanism in _INTO_EXISTING and not copy.unmet:
        return False
    # A function that works in its argument gets a copy of whatever it is given.
    if "OWNDATA" in copy.unmet or is_worked_in(copy):
        return False
    asked = (copy.user_site.expression, copy.site.expression)
    return not (copy.explicit and any(has_keyword(each, "copy", True) for each in asked))


def _cost_of_repeats(group: CopyGroup) -> Cost:
    """What the repeats took: their part of each record's cost, in proportion to their number."""
    seconds = 0.0
    nbytes = 0
    for copy in group.copies:
        repeats = min(copy.repeated, copy.count)
        seconds += copy.seconds * repeats / max(copy.count, 1)
        nbytes += copy.bytes * repeats // max(copy.count, 1)
    return measured_cost(group.trace, [copy.process for copy in group.copies], seconds, nbytes)


def _fix(group: CopyGroup) -> Fix:
    """The conversion taken out of the loop."""
    lead = group.lead
    shorter = sparing_call(lead.user_site.expression) if not lead.unmet else None
    if shorter is not None and lead.site == lead.user_site and group.array is not None:
        return Fix(
            text=f"{sentence(group.array_text)} already is what is asked for, and "
            f"{short_mechanism(lead.mechanism)} copies it nevertheless: ask for a copy only where "
            "one is needed.",
            code=shorter,
        )
    text = (
        f"Convert once, before the loop, and pass `{converted_name(group)}` from then on, as long "
        "as nothing writes into the original in between."
    )
    return Fix(text=text, code=conversion_code(group, "once, before the loop"))
