"""IP313 mask-dropped: native code takes the missing elements of a masked array for numbers.

## What it does

Reports masked arrays (`numpy.ma`) that hide elements and whose memory goes to native code without
the mask: behind a pointer of ctypes or cffi, through the buffer protocol, to f2py, or because a
library converts the array to one without a mask on the way in. Arrays of other classes that give
their numbers a meaning, such as units, are noted where their memory goes behind a pointer.

## Why is this bad?

A masked array is two arrays: the numbers, and a mask that says which of them count. Native code
gets the first one. What lies under the mask, a fill value such as -9999 or whatever was there
before, is summed, fitted and plotted as if it had been measured. No exception says so.

## Example

```python
import numpy as np

readings = np.ma.masked_equal([1.0, -9999.0, 3.0], -9999.0)
seen_by_c = np.frombuffer(memoryview(readings))
seen_by_c.sum() == readings.sum()  # False: -9995.0, and not 4.0
```

## Use instead

Hand over what the function understands: the valid elements, or a number that it knows as missing:

```python
import numpy as np

readings = np.ma.masked_equal([1.0, -9999.0, 3.0], -9999.0)
valid = readings.compressed()
seen_by_c = np.frombuffer(memoryview(valid))
seen_by_c.sum() == readings.sum()  # True
```

## Limits

Nothing is reported where the same call gets the mask as well, or the number that lies under it.
`masked.data` is an array without a mask: who passes that says that the mask does not matter. A
library that asks for `np.asarray(masked)` in Python may have looked at the mask before; that is not
reported either.
"""

from __future__ import annotations

from collections.abc import Iterator

from interprobe.call_arguments import (
    FOREIGN_BINDINGS,
    Complaint,
    argument_text,
    array_of,
    array_text,
    assigned_name,
    facts_of,
    findings_about_calls,
    given_array,
)
from interprobe.callee_parameters import parameters
from interprobe.expressions import ArrayExpression, Operation
from interprobe.facts import Fact
from interprobe.findings import Cost, Finding, Fix, RecordIndex, Severity
from interprobe.trace import Argument, Borrow, Call, Trace
from interprobe.wording import counted, layout_text

CODE = "IP313"
NAME = "mask-dropped"

_MASK = "mask-dropped"
_CLASS = "class-dropped"


def check(trace: Trace) -> Iterator[Finding]:
    """Yield a finding for each place where masked arrays lose their masks on the way to C."""
    yield from findings_about_calls(CODE, NAME, trace, _dropped_masks)
    yield from findings_about_calls(CODE, NAME, trace, _dropped_classes)
    told = {call.user_site for call in trace.calls if any(True for _ in facts_of(call, _MASK))}
    for index, borrow in enumerate(trace.borrows):
        fact = next((fact for fact in borrow.facts if fact.kind == _MASK), None)
        if fact is None or borrow.user_site in told or not _reads_numbers(borrow):
            continue
        if not _mask_is_given_too(trace, borrow):
            yield _borrow_finding(trace, index, borrow, fact)


def _dropped_masks(call: Call) -> list[Complaint]:
    """Masked arrays among the arguments of a call."""
    found = []
    for fact, argument in facts_of(call, _MASK):
        given = layout_text(argument.given) if argument.given is not None else "a masked array"
        array = array_of(call, argument)
        pointer = "a pointer to " if call.binding in FOREIGN_BINDINGS else ""
        what = f"{array_text(array)}, which is masked" if array is not None else "a masked array"
        cause = f"{argument_text(call, argument)} is {pointer}{what}"
        found.append(
            Complaint(
                severity=Severity.WARNING,
                cause=f"{cause}. {_hidden_text(fact)}",
                given=f"{given}, {_hidden_count(fact)} masked",
                fix=_fix(assigned_name(array, argument, "valid"), array.text if array else None),
            )
        )
    return found


def _hidden_count(fact: Fact) -> str:
    return f"{fact.value:,} of {fact.limit:,}"


def _hidden_text(fact: Fact) -> str:
    """How many elements are missing and what native code reads in their place."""
    under = f", {fact.text} in the first of them," if fact.text else ""
    are = "element counts" if fact.limit == 1 else "elements count"
    return (
        f"{_hidden_count(fact)} {are} as missing, but native code gets the numbers without the "
        f"mask: it takes what lies under it{under} for data."
    )


def _fix(variable: str, source: str | None) -> Fix:
    """Hand over the valid elements, or a number for the missing ones."""
    masked = source if source is not None else variable
    return Fix(
        text="Hand over the valid elements alone, or fill the missing ones with a number that the "
        "function knows as missing; or pass the mask as well, if the function takes one.",
        code=f"{variable} = {masked}.compressed()  # the valid elements\n"
        f"{variable} = {masked}.filled(np.nan)  # if the function knows NaN as missing",
    )


def _dropped_classes(call: Call) -> list[Complaint]:
    """Arrays of classes that give their numbers a meaning."""
    found = []
    for fact, argument in facts_of(call, _CLASS):
        name = (fact.text or "an array class").rpartition(".")[2]
        array = array_of(call, argument)
        found.append(
            Complaint(
                severity=Severity.NOTE,
                cause=f"{argument_text(call, argument)} is a pointer to "
                f"{array_text(array, 'an array')} of the class {name}, which has arithmetic of its "
                "own, as classes with units have. C gets the bare numbers.",
                given=_class_evidence(argument, name),
                fix=Fix(
                    text="Convert to the unit that the function is written for, and hand over a "
                    "plain array, so that the line says so.",
                    code=_plain_array(call, argument),
                ),
            )
        )
    return found


def _class_evidence(argument: Argument, name: str) -> str:
    layout = layout_text(argument.given) if argument.given is not None else "an array"
    return f"{name}, {layout}"


def _plain_array(call: Call, argument: Argument) -> str:
    array = array_of(call, argument)
    variable = assigned_name(array, argument, "numbers")
    return f"{variable} = np.asarray({array.text if array is not None else variable})"


def _reads_numbers(borrow: Borrow) -> bool:
    """Whether native code borrowed the array, and asked what its elements are; not bare bytes."""
    asked = "FORMAT" in borrow.requested or borrow.requested == "__dlpack__"
    return asked and ".so" in borrow.consumer


def _mask_is_given_too(trace: Trace, borrow: Borrow) -> bool:
    """Whether the same line hands over an array that can be the mask."""
    layouts = [other.layout for other in trace.borrows if other.user_site == borrow.user_site]
    layouts += [
        argument.given
        for call in trace.calls
        if call.user_site == borrow.user_site
        for argument in call.arguments
        if argument.given is not None
    ]
    return any(
        layout.dtype in {"bool", "int8", "uint8"} and layout.shape == borrow.layout.shape
        for layout in layouts
    )


def _reader(trace: Trace, borrow: Borrow) -> tuple[str, ArrayExpression | None]:
    """Who read the array, in the program's words, and the array's expression if it is certain."""
    calls = {
        (call.function, position)
        for call in trace.calls
        if call.user_site == borrow.user_site and call.binding not in FOREIGN_BINDINGS
        for position, argument in parameters(call).items()
        if argument.given is not None
    }
    if len(calls) != 1:
        return borrow.consumer, None
    function, position = calls.pop()
    return function, given_array(borrow.user_site.expression, position)


def _borrow_finding(trace: Trace, index: int, borrow: Borrow, fact: Fact) -> Finding:
    """Native code read a masked array in place."""
    reader, array = _reader(trace, borrow)
    what = f"{array_text(array)}, which is masked" if array is not None else "a masked array"
    variable = "valid" if array is None or array.operation is not Operation.NAMED else array.text
    return Finding(
        rule=CODE,
        name=NAME,
        severity=Severity.WARNING,
        user_site=borrow.user_site,
        site=borrow.site,
        subject=reader,
        cause=f"{reader} reads {what}, in place. {_hidden_text(fact)}",
        evidence=f"borrowed {counted(borrow.count, 'time', 'times')} by {borrow.consumer} "
        f"({borrow.requested}): {layout_text(borrow.layout)}, {_hidden_count(fact)} masked",
        records=[RecordIndex(list="borrows", index=index)],
        cost=Cost(seconds=0.0, bytes=0, share=0.0),
        fix=_fix(variable, array.text if array is not None else None),
    )
