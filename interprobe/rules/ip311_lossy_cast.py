"""IP311 lossy-cast: a conversion that the program did not ask for changed values.

## What it does

Reports conversions made for native code, or by a library for its own work, whose result does not
hold the same numbers: an imaginary part that was dropped, a fraction that was cut off, an integer
that wrapped around or was rounded, a float that became infinite or lost digits. It compares the
elements before and after. A conversion that the program wrote itself (`astype`, `dtype=`) is not
reported: that is a decision.

## Why is this bad?

The callee computes with other numbers than the program has. Bindings that convert on their own
(pybind11's `forcecast`, f2py) do so without a word: identifiers turn into other identifiers,
indices into other indices, and the results look plausible.

## Example

```python
import numpy as np


def first(indices):  # what a binding does whose function takes int32
    return np.asarray(indices, dtype=np.int32)[0]


first(np.array([2**32 + 5])) == 2**32 + 5  # False: it is 5
```

## Use instead

Use the callee's type from the start, and check what does not fit it:

```python
import numpy as np


def first(indices):
    return np.asarray(indices, dtype=np.int32)[0]


indices = np.array([2**31 - 1])
assert indices.max() <= np.iinfo(np.int32).max
first(indices.astype(np.int32)) == 2**31 - 1  # True
```

Or call the version of the function that takes yours (`int64`, `double`, complex).

## Limits

64 elements of a larger array are compared, and all of a smaller one. Numbers that survive are no
finding, whatever the types: small integers in a float32, halves in a float16. Where a library
converts an array of its own making, nothing is said. Most numbers lose digits in float32: that is a
note.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from interprobe.call_words import passes_keyword
from interprobe.copy_groups import CopyGroup, group_copies
from interprobe.facts import Fact
from interprobe.findings import Cost, Finding, Fix, RecordIndex, Severity
from interprobe.trace import Copy, Trace
from interprobe.wording import element_text, listed, requester_text, sentence, short_mechanism

CODE = "IP311"
NAME = "lossy-cast"


@dataclass(frozen=True)
class Loss:
    """What a kind of fact means.

    Attributes:
        text: What happened to the values, after "of 64 values, 3".
        severity: Where a binding or a C function of NumPy's was asked for the cast.
        in_python: Where a library's Python code asked for it, which may know what it does.
    """

    text: str
    severity: Severity
    in_python: Severity


_LOSSES = {
    "lossy_imaginary": Loss("lost their imaginary part", Severity.ERROR, Severity.WARNING),
    "lossy_range": Loss(
        "became other numbers, because {type} cannot hold them", Severity.ERROR, Severity.WARNING
    ),
    "lossy_overflow": Loss(
        "became infinite, because {type} does not reach that far", Severity.ERROR, Severity.WARNING
    ),
    "lossy_sign": Loss(
        "became other numbers, because {type} counts its highest bit differently",
        Severity.WARNING,
        Severity.NOTE,
    ),
    "lossy_fraction": Loss(
        "lost what stood behind the decimal point", Severity.WARNING, Severity.WARNING
    ),
    "lossy_integer": Loss(
        "had to be rounded, because {type} does not hold every integer of that size",
        Severity.WARNING,
        Severity.WARNING,
    ),
    "lossy_underflow": Loss("became 0", Severity.NOTE, Severity.NOTE),
    "lossy_digits": Loss("lost digits", Severity.NOTE, Severity.NOTE),
}
_USERS_OWN = frozenset({"numpy.copy", "numpy.require"})
"""Functions of NumPy's in Python: what they convert, the line that calls them has asked for."""


def check(trace: Trace) -> Iterator[Finding]:
    """Yield a finding for each place where values changed in a cast that nobody wrote there."""
    for group in group_copies(trace, _applies):
        copies = group.copies
        severity = min((_severity(copy) for copy in copies), key=lambda level: level.rank)
        lead = next(copy for copy in copies if _severity(copy) is severity)
        yield Finding(
            rule=CODE,
            name=NAME,
            severity=severity,
            user_site=lead.user_site,
            site=lead.site,
            subject=" ".join(lead.user_site.expression.split()) or short_mechanism(lead.mechanism),
            cause=_cause(group, lead),
            evidence=group.evidence,
            records=[RecordIndex(list="copies", index=index) for index in group.indices],
            # The copy itself is IP103's; wrong numbers cost no time.
            cost=Cost(seconds=0.0, bytes=0, share=0.0),
            fix=_fix(group, lead),
        )


def _applies(copy: Copy) -> bool:
    """Whether values changed that the program did not ask to be changed."""
    own_words = passes_keyword(copy.user_site.expression, "dtype")
    return copy.mechanism not in _USERS_OWN and not own_words and bool(_losses(copy))


def _losses(copy: Copy) -> list[Fact]:
    """What happened to values, the worst first."""
    found = [fact for fact in copy.facts if fact.kind in _LOSSES]
    if copy.site != copy.user_site:
        # Most numbers lose digits in float32: that a library computes in it is its own decision.
        found = [fact for fact in found if fact.kind != "lossy_digits"]
    return sorted(found, key=lambda fact: list(_LOSSES).index(fact.kind))


def _severity(copy: Copy) -> Severity:
    """The severity of the worst that happened to a value."""
    implicit = copy.mechanism.startswith("PyArray_")
    losses = [_LOSSES[fact.kind] for fact in _losses(copy)]
    levels = [loss.severity if implicit else loss.in_python for loss in losses]
    return min(levels, key=lambda level: level.rank)


def _cause(group: CopyGroup, lead: Copy) -> str:
    """Who converted what into what, and what became of the values."""
    source = element_text(lead.source) if lead.source is not None else "other elements"
    result = element_text(lead.result)
    losses = listed(_loss_text(fact, result) for fact in _losses(lead))
    back = "writeback" in lead.kind
    array = sentence(group.array_text)
    if back:
        begin = f"What was computed as {source} is written back into an array of {result}"
    else:
        begin = (
            f"{array} holds {source}, and {requester_text(lead)} converted it to {result}, "
            "without being asked by the program"
        )
    return f"{begin}. {losses}."


def _loss_text(fact: Fact, result: str) -> str:
    """``3 of 64 values became infinite (1e+300 became inf)``."""
    number = f"{fact.value} of the {fact.limit} values looked at"
    example = f" ({fact.text})" if fact.text else ""
    return f"{number} {_LOSSES[fact.kind].text.format(type=result)}{example}"


def _fix(group: CopyGroup, lead: Copy) -> Fix:
    """Give what the callee takes, knowingly, or call what takes the array as it is."""
    source = element_text(lead.source) if lead.source is not None else "these elements"
    result = element_text(lead.result)
    if "writeback" in lead.kind:
        return Fix(text=f"Pass an array of {source}, which holds what the function computes.")
    text = (
        f"Call the version of the function that takes {source}, if there is one. Else convert "
        f"{group.array_text} where its values are made, in a line of your own that checks that "
        f"{result} can hold them."
    )
    array = group.array.text if group.array is not None else None
    integers = lead.result.dtype.startswith(("int", "uint"))
    if array is None or not integers or lead.source is None:
        return Fix(text=text)
    converted = f"{array}_as_{result}" if array.isidentifier() else "converted"
    return Fix(
        text=text,
        code=(
            f"{converted} = {array}.astype(np.{result})\n"
            f"if not np.array_equal({converted}, {array}):\n"
            f'    raise ValueError("values that do not fit {result}")'
        ),
    )
