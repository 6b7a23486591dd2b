"""IP303 byte-order-ignored: native code reads numbers whose bytes are in foreign order.

## What it does

Reports calls of foreign functions, through ctypes or cffi, that hand over a pointer to an array in
the byte order that the processor does not use (`>f8`, as FITS images, classic NetCDF and many
instruments store their data), declared as a pointer to numbers. Where the pointer is declared as
raw memory, it is reported if the call counts elements, and not bytes.

## Why is this bad?

NumPy turns the bytes as it reads them; C does not. It takes the least significant byte for the most
significant one: 1.0 becomes 3e-319, and the integer 1 becomes 72057594037927936. What it writes is
turned in its turn when Python reads it. No exception says so.

## Example

```python
import ctypes

import numpy as np

pixels = np.ones(4, dtype=">f8")  # as read from a FITS file
pointer = pixels.ctypes.data_as(ctypes.POINTER(ctypes.c_double))
pointer[0] == 1.0  # False: C reads 3.03865e-319
```

## Use instead

Turn the bytes once, where the data are read:

```python
import ctypes

import numpy as np

pixels = np.ones(4, dtype=">f8").astype(np.float64)
pointer = pixels.ctypes.data_as(ctypes.POINTER(ctypes.c_double))
pointer[0] == 1.0  # True
```

## Limits

Memory that goes as raw bytes (`c_char`, `c_ubyte`, and `c_void_p` with a size in bytes, or with the
size of an element and their number) is taken as meant so: to be written to a file, or sent. So are
functions that name the exchange of bytes (`swap`, `ntohl`, `endian`) and pointers that
`numpy.ctypeslib.ndpointer` declares with that byte order. Consumers of the buffer protocol are told
the byte order by its format, and are not looked at.
"""

from __future__ import annotations

import re
import struct
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
    is_passed_as_given,
)
from interprobe.callee_parameters import parameters
from interprobe.element_types import ElementType, array_element, prototype_element
from interprobe.findings import Finding, Fix, Severity
from interprobe.layout import Layout
from interprobe.pointer_declarations import declared_element
from interprobe.trace import Argument, Call, Trace
from interprobe.wording import item_size, layout_text

CODE = "IP303"
NAME = "byte-order-ignored"

_FOREIGN = ">"  # only traces of little-endian machines exist: see interprobe.element_types
_TURNING = re.compile(
    r"swap|swab|endian|hton|ntoh|[bl]e\d*to|to[bl]e\d*|from_?[bl]e", re.IGNORECASE
)
"""Functions with such names take foreign bytes on purpose."""
_RAW = re.compile(r"void|^(int|_ctypes|c_u?long|c_u?int64|c_s?size_t|u?intptr_t)$")
"""Declarations of addresses that say nothing of what lies there."""
_STRUCT_CODES = {
    ("float", 4): "f",
    ("float", 8): "d",
    ("complex", 8): "f",
    ("complex", 16): "d",
    ("int", 2): "h",
    ("int", 4): "i",
    ("int", 8): "q",
    ("uint", 2): "H",
    ("uint", 4): "I",
    ("uint", 8): "Q",
    ("time", 8): "q",
}


def check(trace: Trace) -> Iterator[Finding]:
    """Yield a finding for each place that hands arrays in foreign byte order to C as numbers."""
    yield from findings_about_calls(CODE, NAME, trace, _complaints)


def _complaints(call: Call) -> list[Complaint]:
    """What is wrong with the call's arguments."""
    return [
        Complaint(
            severity=severity,
            cause=_cause(call, argument),
            given=layout_text(_layout(argument)),
            fix=_fix(call, argument),
        )
        for argument, severity in _misread(call)
    ]


def _misread(call: Call) -> list[tuple[Argument, Severity]]:
    """The arguments whose numbers C takes for others, and how certain that is."""
    if call.binding not in FOREIGN_BINDINGS or _TURNING.search(call.function):
        return []
    found = []
    counting = _counted_in_elements(call)
    for argument in call.arguments:
        given = argument.given
        if given is None or given.byteorder != _FOREIGN or given.nbytes == 0:
            continue
        if _FOREIGN in (argument.declared or ""):
            continue  # an ndpointer that asks for it
        if not is_passed_as_given(call, argument):
            continue
        if array_element(given.dtype) is None:
            continue
        if _taken_element(call, argument) is not None:
            found.append((argument, Severity.ERROR))
        elif argument.position in counting and argument is parameters(call).get(argument.position):
            found.append((argument, Severity.WARNING))
    return found


def _taken_element(call: Call, argument: Argument) -> ElementType | None:
    """What C takes an element for, by the declaration or by the function's own prototype."""
    declared = declared_element(call.binding, argument.declared)
    if declared is not None or argument.true is None:
        return declared
    return prototype_element(argument.true)


def _counted_in_elements(call: Call) -> set[int]:
    """Positions of raw pointers to arrays of which the call tells the lengths, and no bytes."""
    found = set()
    for fact, argument in facts_of(call, "integers-tell"):
        if not _RAW.search(argument.declared or "void"):
            continue
        roles = {
            role for word in (fact.text or "").split() for role in word.partition(":")[2].split("=")
        }
        axes = {f"d{axis}" for axis in range(len(_layout(argument).shape))}
        if ("n" in roles or axes <= roles) and not roles & {"b", "i"}:
            found.add(argument.position)
    return found


def _layout(argument: Argument) -> Layout:
    """The array's layout, which was found to be there."""
    assert argument.given is not None
    return argument.given


def _cause(call: Call, argument: Argument) -> str:
    """What the array holds and what C makes of its bytes."""
    layout = _layout(argument)
    array = array_text(array_of(call, argument), "an array")
    told = "The call counts its elements, so C takes them for numbers"
    if declared_element(call.binding, argument.declared) is not None:
        told = f"It is declared as {argument.declared}"
    elif _taken_element(call, argument) is not None:
        told = f"The function's own prototype says `{argument.true}`"
    return (
        f"{argument_text(call, argument)} is a pointer to {array}, which holds {layout.dtype} with "
        "the most significant byte first (big-endian), while this processor has the least "
        f"significant byte first. {told}, and nothing turns the bytes: {_one_read(layout)}"
        "what C writes there is wrong as well."
    )


def _one_read(layout: Layout) -> str:
    """What C makes of the number 1."""
    element = array_element(layout.dtype)
    code = _STRUCT_CODES.get((element.kind, element.size)) if element is not None else None
    if element is None or code is None:
        return ""
    value = struct.unpack(f"<{code}", struct.pack(f">{code}", 1))[0]
    one, read = ("1.0", f"{value:.6g}") if code in {"f", "d"} else ("1", f"{value}")
    return f"where the array has {one}, C reads {read}, and "


def _fix(call: Call, argument: Argument) -> Fix:
    """Turn the bytes once, where the data come from."""
    layout = _layout(argument)
    array = array_of(call, argument)
    variable = assigned_name(array, argument, "native")
    source = array.text if array is not None else variable
    pointed = source if source.isidentifier() or "." in source else f"({source})"
    dtype = f"np.{layout.dtype}" if item_size(layout) > 0 and "[" not in layout.dtype else None
    target = dtype if dtype is not None else f'{pointed}.dtype.newbyteorder("=")'
    return Fix(
        text="Turn the bytes once, where the data are read, and keep the array in the processor's "
        "own order; if C is to write foreign bytes, convert its result back.",
        code=f"{variable} = {pointed}.astype({target})",
    )
