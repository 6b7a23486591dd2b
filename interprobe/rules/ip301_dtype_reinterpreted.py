"""IP301 dtype-reinterpreted: native code was told another element type than the array holds.

## What it does

Reports calls of foreign functions, through ctypes or cffi, in which a pointer is declared with one
element type and points to an array of another: `POINTER(c_double)`, or cffi's `double *`, on a
`float32` array. Nothing is converted: C takes the array's bytes for numbers that they are not.

## Why is this bad?

The results are garbage, and no exception says so. If the declared element is larger than the
array's, the function also reads, and perhaps writes, past the end of the array; then the program
may crash, or change other data, now or much later.

## Example

```python
import ctypes

import numpy as np

samples = np.ones(4, dtype=np.float32)
pointer = samples.ctypes.data_as(ctypes.POINTER(ctypes.c_double))  # what `double *` takes
pointer[0] == 1.0  # False: two float32 are read as one double
```

## Use instead

Give the function what it takes. If C wants `double *`, make the array `float64`:

```python
import ctypes

import numpy as np

samples = np.ones(4, dtype=np.float64)
pointer = samples.ctypes.data_as(ctypes.POINTER(ctypes.c_double))
pointer[0] == 1.0  # True
```

If C wants `float *`, the declaration is what is wrong: `ctypes.POINTER(ctypes.c_float)`. Better
still, declare the parameter with `numpy.ctypeslib.ndpointer(dtype=np.float64, ndim=1,
flags="C_CONTIGUOUS")` in `argtypes`: every wrong array is then refused with an exception. With
cffi, `ffi.from_buffer("double[]", samples)` declares the elements, and converts no more than
`ffi.cast` does.

## Limits

Where the function's own prototype is known (debug information, `--header`), it decides: then a void
pointer is compared too, and an array that C reads rightly under a wrong declaration is IP305's.
Pointers to raw memory (`c_void_p`, `c_char`, `c_byte`, `c_ubyte`), to structures and to pointers
are taken as they are. So are signed for unsigned integers of one size, `complex128` as pairs of
`double`, times as 64-bit integers and `float16` as 16-bit integers. A deliberate look at the bits
of a number, as in hashing, is reported all the same; pass `c_void_p` there.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from interprobe.call_arguments import is_passed_as_given
from interprobe.element_types import (
    ElementType,
    array_element,
    misread,
    prototype_element,
)
from interprobe.expressions import ArrayExpression, Operation, pointed_array
from interprobe.findings import Cost, Finding, Fix, RecordIndex, Severity, Site
from interprobe.layout import Layout
from interprobe.pointer_declarations import declared_element, pointer_code
from interprobe.trace import Argument, Call, Trace
from interprobe.wording import (
    bytes_text,
    counted,
    element_count,
    file_name,
    layout_text,
    listed,
    quoted,
)

CODE = "IP301"
NAME = "dtype-reinterpreted"

_STRUCT_CODES = {
    ("float", 4): "f",
    ("float", 8): "d",
    ("int", 2): "h",
    ("int", 4): "i",
    ("int", 8): "q",
    ("uint", 2): "H",
    ("uint", 4): "I",
    ("uint", 8): "Q",
}


@dataclass(frozen=True)
class Misreading:
    """One argument whose declared element type is not the array's.

    Attributes:
        binding: What handed it over: ctypes or cffi.
        argument: The argument as recorded.
        given: The array's layout.
        declared: What C was told that an element is.
        held: What an element is.
        wanted: What the callee's own prototype says, where it could be read.
        array: The array's expression in the call, where the call shows it.
    """

    binding: str
    argument: Argument
    given: Layout
    declared: ElementType
    held: ElementType
    wanted: ElementType | None
    array: ArrayExpression | None

    @property
    def array_text(self) -> str:
        """The array in a sentence."""
        return quoted(self.array.text) if self.array is not None else "the array behind it"


def check(trace: Trace) -> Iterator[Finding]:
    """Yield a finding for each place that gave a function arrays of another type than declared."""
    groups: dict[tuple[Site, str, str], list[int]] = {}
    for index, call in enumerate(trace.calls):
        if _misreadings(call):
            groups.setdefault((call.user_site, call.library, call.function), []).append(index)
    for indices in groups.values():
        calls = [trace.calls[index] for index in indices]
        yield _finding(indices, calls)


def _finding(indices: list[int], calls: list[Call]) -> Finding:
    """One finding for the calls of one place, about every argument that is misread there."""
    distinct: dict[tuple[int, str | None, str], Misreading] = {}
    for call in calls:
        for misreading in _misreadings(call):
            argument = misreading.argument
            key = (argument.position, argument.declared, misreading.given.dtype)
            distinct.setdefault(key, misreading)
    misreadings = list(distinct.values())
    first = calls[0]
    count = sum(call.count for call in calls)
    given = listed(
        f"{layout_text(item.given)}, passed as {item.argument.declared}" for item in misreadings
    )
    times = counted(count, "call", "calls")
    return Finding(
        rule=CODE,
        name=NAME,
        severity=Severity.ERROR,
        user_site=first.user_site,
        site=first.site,
        subject=first.function,
        cause="\n".join(_cause(first, item) for item in misreadings),
        evidence=f"{times} of {first.function} in {file_name(first.library)}: {given}",
        records=[RecordIndex(list="calls", index=index) for index in indices],
        # Wrong numbers cost no time: none would be gained by reading the right ones.
        cost=Cost(seconds=0.0, bytes=0, share=0.0),
        fix=Fix(
            text=" ".join(dict.fromkeys(_fix_text(item) for item in misreadings)),
            code="\n".join(dict.fromkeys(_fix_code(item) for item in misreadings)),
        ),
    )


def _misreadings(call: Call) -> list[Misreading]:
    """The arguments of a call whose arrays C takes for something else."""
    found = []
    for argument in call.arguments:
        given = argument.given
        if given is None or given.nbytes == 0 or not is_passed_as_given(call, argument):
            continue
        declared = declared_element(call.binding, argument.declared)
        held = array_element(given.dtype)
        wanted = prototype_element(argument.true) if argument.true is not None else None
        if declared is None and held is not None and held.size > 1:
            declared = wanted  # raw memory to the binding, but not to the function itself
        if declared is None or held is None or not misread(declared, held, element_count(given)):
            continue
        if wanted is not None and not misread(wanted, held, element_count(given)):
            continue  # C reads the array rightly: the declaration alone is wrong, which is IP305's
        array = pointed_array(call.user_site.expression, argument.position)
        found.append(Misreading(call.binding, argument, given, declared, held, wanted, array))
    return found


def _cause(call: Call, item: Misreading) -> str:
    """What the array holds, what C was told, and what C makes of it."""
    name = f" ({item.argument.name})" if item.argument.name else ""
    text = (
        f"Argument {item.argument.position + 1}{name} of {call.function} is declared as "
        f"{item.argument.declared}, but {item.array_text} holds {item.given.dtype}."
    )
    return f"{text} {_reading_text(item)} {_verdict_text(item)}"


def _reading_text(item: Misreading) -> str:
    """How many bytes C takes for an element, and where that leads it."""
    taken, there = item.declared.size, item.held.size
    if taken > there:
        nbytes = item.given.nbytes
        reached = element_count(item.given) * taken
        text = (
            f"C takes {taken} bytes for each element where the array has {there}: it makes one "
            f"number out of several, and to read as many as the array has it goes "
            f"{bytes_text(reached - nbytes)} past the array's end"
        )
    elif taken < there:
        text = (
            f"C takes {bytes_text(taken)} for each element where the array has {there}: it makes "
            "several numbers out of each, and as many elements as the array has end "
            f"{'halfway through it' if taken * 2 == there else 'well before its end'}"
        )
    else:
        text = (
            f"Both take {bytes_text(taken)} an element, but C reads the bits of "
            f"{_a_kind(item.held)} as {_a_kind(item.declared)}"
        )
    example = _ones_read(item)
    return f"{text}; an array of ones reads as {example}, ..." if example else f"{text}."


def _ones_read(item: Misreading) -> str | None:
    """What C makes of the first elements of an array of ones, where Python can read both types."""
    held = _STRUCT_CODES.get((item.held.kind, item.held.size))
    declared = _STRUCT_CODES.get((item.declared.kind, item.declared.size))
    if held is None or declared is None:
        return None
    # Eight of the smallest elements fill two of the largest.
    raw = struct.pack(f"<8{held}", *[1] * 8)
    values = struct.unpack_from(f"<2{declared}", raw)
    return ", ".join(f"{value:.6g}" for value in values)


def _a_kind(element: ElementType) -> str:
    """The kind of an element as a noun."""
    return {
        "float": "a floating-point number",
        "complex": "a complex number",
        "time": "a time",
        "bool": "a truth value",
    }.get(element.kind, "an integer")


def _verdict_text(item: Misreading) -> str:
    """Which side is wrong, as far as that is known."""
    true = item.argument.true
    if item.wanted is None:
        shown = f"; its prototype says only `{true}`" if true else ""
        return f"Either the array or the declaration is wrong{shown}."
    if not misread(item.wanted, item.declared, element_count(item.given)):
        return f"The function's own prototype says `{true}`: it is the array that is wrong."
    return (
        f"The function's own prototype says `{true}`: both the array and the declaration are wrong."
    )


def _fix_text(item: Misreading) -> str:
    """Which side to change."""
    array = item.array_text if item.array is not None else "the array"
    if item.wanted is not None:
        wanted = _numpy_name(item.wanted)
        text = f"Make {array} {wanted} where it is created, or convert it before the call"
        both = "" if item.wanted == item.declared else ", and declare the pointer to match"
        return f"{text}{both}; what C writes into a converted array stays in that array."
    return (
        f"If the C function takes what is declared, make {array} {_numpy_name(item.declared)} "
        f"where it is created or convert it before the call; if it takes {item.given.dtype}, "
        "correct the declaration."
    )


def _fix_code(item: Misreading) -> str:
    """The change of the array, of the declaration, or of either."""
    array = item.array
    unnamed = f"array_{item.argument.position + 1}"
    variable = array.text if array is not None and array.operation is Operation.NAMED else unnamed
    text = array.text if array is not None else variable
    pointed = f"({text})" if array is not None and array.operation is Operation.OTHER else text
    wanted = item.declared if item.wanted is None else item.wanted
    conversion = f"{variable} = np.ascontiguousarray({text}, dtype=np.{_numpy_name(wanted)})"
    if item.wanted is None:
        return (
            f"{conversion}  # if C takes what is declared\n"
            f"{pointer_code(item.binding, pointed, item.held)}  # if C takes {item.given.dtype}"
        )
    if item.wanted == item.declared:
        return conversion
    return f"{conversion}\n{pointer_code(item.binding, variable, item.wanted)}"


def _numpy_name(element: ElementType) -> str:
    """NumPy's name of an element type."""
    if element.kind == "bool":
        return "bool_"
    return f"{'int' if element.kind == 'time' else element.kind}{element.size * 8}"
