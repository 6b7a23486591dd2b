"""IP302 strides-ignored: native code walks an array as if its elements were neighbours.

## What it does

Reports calls of foreign functions, through ctypes or cffi, that hand over a pointer to an array
whose elements do not lie side by side (`x[::2]`, `table[:, 3]`, `x[::-1]`, a broadcast row), tell
the function how many elements there are, and nothing of the steps between them.

It also reports functions that are given matrices in C order at one place and in Fortran order at
another, with the same lengths in the same places: one of both is read transposed.

## Why is this bad?

A pointer is one address. NumPy keeps the steps from element to element, the strides, beside it, and
C never sees them: it takes the elements for neighbours. It reads numbers that are not in the array,
or not in that place, and where it writes, it overwrites data of others. Where the array runs
backwards or repeats one element, it walks off the end of the memory, and may crash. No exception
says so.

## Example

```python
import ctypes

import numpy as np

every_second = np.arange(8.0)[::2]  # 0, 2, 4, 6
pointer = every_second.ctypes.data_as(ctypes.POINTER(ctypes.c_double))
pointer[1] == every_second[1]  # False: C reads 1.0, which is not in the array
```

## Use instead

```python
import ctypes

import numpy as np

every_second = np.ascontiguousarray(np.arange(8.0)[::2])
pointer = every_second.ctypes.data_as(ctypes.POINTER(ctypes.c_double))
pointer[1] == every_second[1]  # True
```

If the function can take steps, as BLAS takes `incx` and `lda`, pass them:
`x.strides[0] // x.itemsize`. Declare the parameter with
`numpy.ctypeslib.ndpointer(dtype=np.float64, flags="C_CONTIGUOUS")`, and an array with gaps is
refused with an exception. What C writes into a contiguous copy stays there: copy it back,
`x[...] = copy`.

## Limits

An array counts as told where any integer of the call, given by value, behind a pointer or in memory
that the call hands over, is one of its strides in bytes or elements, or the gap between its rows.
Nothing is reported where the function is not told all lengths of the array, unless the others can
only be fixed: then, and where the function might know the steps from elsewhere (a handle, an
interleaved layout that it is made for), it is a warning. A single row is no error, and Fortran
order alone is none: LAPACK wants it. Arrays that are given to functions as objects (Cython,
pybind11, ...) are not looked at, since these can ask for the strides.
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
    parts_of,
)
from interprobe.element_types import array_element
from interprobe.facts import Fact
from interprobe.findings import Finding, Fix, Severity
from interprobe.layout import Layout
from interprobe.pointer_declarations import pointer_code
from interprobe.trace import Argument, Call, Trace
from interprobe.wording import (
    bytes_text,
    counted,
    element_count,
    gaps_text,
    is_broadcast,
    item_size,
    layout_text,
)

CODE = "IP302"
NAME = "strides-ignored"

_UNTOLD = "strides-untold"
_INTEGERS = "integers-tell"
_DOUBTS = {
    "handle": "Another argument leads to memory of the library's own: it could know the steps from "
    "there.",
    "coincidence": "One number of the call is equal to both a length and a step of the array: "
    "which of them the function takes it for is not known.",
    "interleaved": "A function made for such records could step over them unasked.",
}


def check(trace: Trace) -> Iterator[Finding]:
    """Yield a finding for each place whose arrays have steps that the function is not told of."""
    contiguous = _given_contiguous(trace)
    yield from findings_about_calls(
        CODE, NAME, trace, lambda call: _untold_strides(call, contiguous)
    )
    orders = _orders_by_function(trace)
    yield from findings_about_calls(CODE, NAME, trace, lambda call: _other_orders(call, orders))


def _untold_strides(call: Call, contiguous: set[tuple[str, str, int]]) -> list[Complaint]:
    """Arrays with gaps, or running backwards, behind bare pointers."""
    found = []
    for fact, argument in facts_of(call, _UNTOLD):
        told = parts_of(fact.text, ";")
        if (call.library, call.function, argument.position) in contiguous:
            # A function that takes neighbours elsewhere is not made for one fixed step.
            told = {name: text for name, text in told.items() if text != "interleaved"}
        settled = told.get("told") == "all" and "doubt" not in told
        found.append(
            Complaint(
                severity=Severity.ERROR if settled else Severity.WARNING,
                cause=_cause(call, fact, argument, told),
                given=layout_text(_layout(argument)),
                fix=_fix(call, argument),
            )
        )
    return found


def _layout(argument: Argument) -> Layout:
    """The array's layout, which facts_of has found to be there."""
    assert argument.given is not None
    return argument.given


def _given_contiguous(trace: Trace) -> set[tuple[str, str, int]]:
    """Library, function and position of arguments that were contiguous arrays elsewhere."""
    return {
        (call.library, call.function, argument.position)
        for call in trace.calls
        if call.binding in FOREIGN_BINDINGS
        for argument in call.arguments
        if argument.given is not None
        and argument.given.order == "C"
        and element_count(argument.given) > 1
    }


def _cause(call: Call, fact: Fact, argument: Argument, told: dict[str, str]) -> str:
    """How the array lies, what C was told, and what it meets instead."""
    layout = _layout(argument)
    array = array_text(array_of(call, argument), "an array")
    item = item_size(layout)
    sentences = [
        f"{argument_text(call, argument)} is a pointer to {array}, which {_gaps(layout)}.",
        "A pointer says nothing of that, and no other argument does: C takes the elements for "
        f"neighbours, {bytes_text(item)} apart.",
        _numbers_met(fact, layout, told),
    ]
    if told.get("doubt") in _DOUBTS:
        sentences.append(_DOUBTS[told["doubt"]])
    return " ".join(sentence for sentence in sentences if sentence)


def _gaps(layout: Layout) -> str:
    """Why the elements are no neighbours, as a clause."""
    if is_broadcast(layout):
        return "repeats elements without storing them again (a stride of 0)"
    return gaps_text(layout)


def _numbers_met(fact: Fact, layout: Layout, told: dict[str, str]) -> str:
    """What C reads or writes instead of the array's elements."""
    second = ""
    if "second" in told and "read" in told:
        second = f"The second element is {told['second']}, but C reads {told['read']} there. "
    if fact.value <= 0:
        return second.rstrip()
    total = element_count(layout)
    past = (
        f", and {bytes_text(fact.limit)} lie past the end of the array's memory"
        if fact.limit > 0
        else ""
    )
    strangers = min(fact.value, total)
    return (
        f"{second}Of the {counted(total, 'element', 'elements')} that it goes through, "
        f"{strangers:,} {'is' if strangers == 1 else 'are'} not the array's{past}."
    )


def _fix(call: Call, argument: Argument) -> Fix:
    """Hand over a contiguous array."""
    array = array_of(call, argument)
    variable = assigned_name(array, argument, "contiguous")
    source = array.text if array is not None else variable
    element = array_element(_layout(argument).dtype)
    pointer = (
        pointer_code(call.binding, variable, element)
        if element is not None
        else f"{variable}.ctypes.data"
    )
    return Fix(
        text="Hand over a contiguous copy, kept in a variable while C uses it; if C writes into "
        "it, copy the result back. If the function can take the steps between elements, pass them "
        "instead.",
        code=f"{variable} = np.ascontiguousarray({source})\n{pointer}",
    )


def _orders_by_function(trace: Trace) -> dict[tuple[str, str, int, str], dict[str, Call]]:
    """By function, argument and what the call's integers tell: a call with each order of matrix."""
    found: dict[tuple[str, str, int, str], dict[str, Call]] = {}
    for call in trace.calls:
        for fact, argument in facts_of(call, _INTEGERS):
            order = _layout(argument).order
            key = (call.library, call.function, argument.position, fact.text or "")
            found.setdefault(key, {}).setdefault(order, call)
    return found


def _other_orders(
    call: Call, orders: dict[tuple[str, str, int, str], dict[str, Call]]
) -> list[Complaint]:
    """Matrices in Fortran order where the same function gets such in C order elsewhere."""
    found = []
    for fact, argument in facts_of(call, _INTEGERS):
        layout = _layout(argument)
        text = fact.text or ""
        other = orders[call.library, call.function, argument.position, text].get("C")
        if layout.order != "F" or other is None or not _tells_axes_apart(text, layout):
            continue
        array = array_of(call, argument)
        variable = assigned_name(array, argument, "rows_first")
        site = other.user_site
        found.append(
            Complaint(
                severity=Severity.WARNING,
                cause=f"{argument_text(call, argument)} is {array_text(array, 'an array')} in "
                f"Fortran order, column after column, but line {site.line} of {site.file} gives "
                "the same function an array in C order, row after row, and both tell it rows and "
                "columns alike. C walks the memory the same way both times, so that one of both "
                "is read transposed: where the second element of the first row should be, it "
                "finds the second of the first column.",
                given=layout_text(layout),
                fix=Fix(
                    text="Give the function the order that it is written for, everywhere. If that "
                    "is C order, convert the array; if its elements are only added up or changed "
                    "one by one, the order does not matter.",
                    code=f"{variable} = np.ascontiguousarray({array.text if array else variable})",
                ),
            )
        )
    return found


def _tells_axes_apart(text: str, layout: Layout) -> bool:
    """Whether integers of the call are lengths of all axes, each of one, and none is a stride."""
    roles = [word.partition(":")[2].split("=") for word in text.split()]
    lengths = [[role for role in each if role.startswith("d")] for each in roles]
    axes = {each[0] for each in lengths if len(each) == 1}
    # Row-major or column-major may be what a further number says, or the step between rows.
    steps = any(role[:1] in {"s", "t"} for each in roles for role in each)
    return len(axes) == len(layout.shape) > 1 and not steps and "handle" not in text
