"""IP310 struct-padding: the records of an array lie otherwise than the C struct says.

## What it does

Reports calls of foreign functions, through ctypes or cffi, that hand over a structured array as a
pointer to a struct, where both do not agree: NumPy's members lie packed, C's are padded so that
each is aligned; a member has another type or size; members stand in another order; or the records
are not of the same size, so that the second one is looked for in the wrong place.

## Why is this bad?

C finds a member by its offset, which the compiler has fixed. If the array's records are packed, C
reads each member from the middle of two others, and its second record begins inside the array's
second one, or past the end of the array. All numbers are garbage, and no exception says so.

## Example

```python
import ctypes

import numpy as np

class Sample(ctypes.Structure):  # what `struct { int id; double value; }` is
    _fields_ = [("id", ctypes.c_int), ("value", ctypes.c_double)]

samples = np.ones(4, dtype=[("id", "i4"), ("value", "f8")])
samples.dtype.itemsize == ctypes.sizeof(Sample)  # False: 12 bytes, and C takes 16
```

## Use instead

```python
import ctypes

import numpy as np

class Sample(ctypes.Structure):
    _fields_ = [("id", ctypes.c_int), ("value", ctypes.c_double)]

samples = np.ones(4, dtype=np.dtype([("id", "i4"), ("value", "f8")], align=True))
samples.dtype.itemsize == ctypes.sizeof(Sample)  # True
```

`np.dtype(Sample)` makes the dtype of a ctypes structure, padding included. If the file that the
records come from is packed, and the C library reads it as it is, the struct is what must be packed:
`_pack_ = 1`.

## Limits

The array is compared with the struct that the pointer is declared with; what the C source says is
not known from it. Names are of no importance, unless members of the same names stand in another
order. Bit-fields, unions, characters and raw bytes are taken as they are. Where the call tells C
the size of a record, another size alone is no error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from interprobe.call_arguments import (
    Complaint,
    argument_text,
    array_of,
    array_text,
    assigned_name,
    facts_of,
    findings_about_calls,
)
from interprobe.expressions import is_name
from interprobe.findings import Finding, Fix, Severity
from interprobe.layout import Layout
from interprobe.record_layouts import (
    Difference,
    RecordLayout,
    differences,
    parse_record,
    read_of_ones,
)
from interprobe.trace import Argument, Call, Trace
from interprobe.true_records import true_record
from interprobe.wording import bytes_text, counted, element_count

CODE = "IP310"
NAME = "struct-padding"

_MOST_DIFFERENCES = 3


def check(trace: Trace) -> Iterator[Finding]:
    """Yield a finding for each place whose records are not those that C was told of."""
    yield from findings_about_calls(CODE, NAME, trace, _complaints)


def _complaints(call: Call) -> list[Complaint]:
    """The arguments of a call whose records C takes for others."""
    found = []
    for fact, argument in facts_of(call, "record-layouts"):
        struct_line, _, array_line = (fact.text or "").partition("|")
        declared = parse_record(struct_line.removeprefix("C:"))
        declared = declared or true_record(call.prototype, argument.position)
        given = parse_record(array_line.removeprefix("A:"))
        if declared is None or given is None or argument.given is None:
            continue
        differing = differences(declared, given) if given.members else []
        several = element_count(argument.given) > 1
        apart = several and declared.size != given.size and not _tells_record_size(call, argument)
        if differing or apart:
            found.append(_complaint(call, argument, declared, given, differing, apart=apart))
    return found


def _tells_record_size(call: Call, argument: Argument) -> bool:
    """Whether an integer of the call is the size of a record."""
    return any(
        re.search(r":[it]0?(\s|$)", fact.text or "")
        for fact, other in facts_of(call, "integers-tell")
        if other is argument
    )


def _complaint(
    call: Call,
    argument: Argument,
    declared: RecordLayout,
    given: RecordLayout,
    differing: list[Difference],
    *,
    apart: bool,
) -> Complaint:
    """What C finds in the records of one argument."""
    array = array_of(call, argument)
    only_names = not apart and all(difference.is_swap for difference in differing)
    sentences = [
        f"{argument_text(call, argument)} is {_told(call, argument)}, and "
        f"{array_text(array, 'the array behind it')} has other records. The struct: "
        f"{declared.text}. {_array_in_words(given)}"
    ]
    sentences += [_difference(each, declared, given) for each in differing[:_MOST_DIFFERENCES]]
    if len(differing) > _MOST_DIFFERENCES:
        sentences.append(f"{len(differing) - _MOST_DIFFERENCES} more members differ.")
    if apart and argument.given is not None:
        sentences.append(_distance(argument.given, declared, given))
    count = element_count(argument.given) if argument.given is not None else 1
    return Complaint(
        severity=Severity.WARNING if only_names else Severity.ERROR,
        cause=" ".join(sentences),
        given=f"{counted(count, 'record', 'records')} of {bytes_text(given.size)}, passed as "
        f"{argument.declared if _names_struct(argument) else argument.true} of "
        f"{bytes_text(declared.size)}",
        fix=_fix(call, argument, declared, given),
    )


def _array_in_words(given: RecordLayout) -> str:
    """The array's records; behind a bare address no more than their size is known."""
    if given.members:
        return f"The array: {given.text}."
    return f"A record of the array takes {given.size} bytes."


def _told(call: Call, argument: Argument) -> str:
    """What says which struct C expects: the declaration, or where that is silent the prototype."""
    if _names_struct(argument) or argument.true is None:
        return f"declared as {argument.declared}"
    return f"`{argument.true}` by the function's own prototype"


def _names_struct(argument: Argument) -> bool:
    """Whether the declaration says more than that it is an address."""
    return argument.declared not in {None, "int", "c_void_p", "void *", "_ctypes", "ndarray"}


def _difference(difference: Difference, declared: RecordLayout, given: RecordLayout) -> str:
    """Where C looks for one member and what it finds there."""
    wanted, found, holder = difference.wanted, difference.found, difference.holder
    where = f"C looks for {wanted.name} ({wanted.noun}) at offset {wanted.offset}"
    if difference.is_swap:
        at = holder.offset if holder is not None else 0
        return f"{where}, where the array has {found.name}; the array's {wanted.name} is at {at}."
    if found.name == "":
        there = "where the array has nothing"
    elif found.offset != wanted.offset:
        there = f"in the middle of the array's {found.name} ({found.noun} at {found.offset})"
        if found.offset > wanted.offset:
            there = f"and reads into the array's {found.name} ({found.noun} at {found.offset})"
    else:
        there = f"where the array has {found.name} ({found.noun})"
    elsewhere = ""
    if holder is not None and holder.offset != wanted.offset:
        elsewhere = f"; the array's {holder.name} is at {holder.offset}"
    ones = read_of_ones(declared, given, wanted)
    read = f": where all members are 1, it reads {ones}" if ones not in {None, "1"} else ""
    return f"{where}, {there}{elsewhere}{read}."


def _distance(layout: Layout, declared: RecordLayout, given: RecordLayout) -> str:
    """Where C looks for the second record, and how far it goes."""
    count = element_count(layout)
    past = count * declared.size - layout.nbytes
    text = (
        f"The second record lies {given.size} bytes behind the first, and C looks for it "
        f"{declared.size} bytes behind"
    )
    if past > 0:
        return f"{text}: to read all {count:,}, it goes {bytes_text(past)} past the array's end."
    return f"{text}: the {count:,} records that it finds are made of the array's first ones."


def _fix(call: Call, argument: Argument, declared: RecordLayout, given: RecordLayout) -> Fix:
    """Give the array the struct's layout."""
    array = array_of(call, argument)
    variable = assigned_name(array, argument, "records")
    source = array.text if array is not None else variable
    struct = re.sub(r"^POINTER\(|^LP_|_Array_\d+$|\)$", "", argument.declared or "")
    struct = struct if is_name(struct) else "Struct"
    same_names = {each.name for each in declared.members} == {each.name for each in given.members}
    # Between records NumPy assigns by position, not by name.
    ordered = f"{source}[list(struct_dtype.names)]" if same_names else source
    if call.binding == "cffi" or not _names_struct(argument):
        first = (
            f"struct_dtype = np.dtype([(name, {source}.dtype[name]) for name in "
            f"{source}.dtype.names], align=True)"
        )
        return Fix(
            text="Make the array with the offsets, the padding and the size of the C struct: list "
            "the struct's members in its order and with its types, and align=True pads as C does.",
            code=f"{first}\n{variable} = {source}.astype(struct_dtype)",
        )
    return Fix(
        text=f"Make the array with the offsets, the padding and the size of the C struct: "
        f"np.dtype({struct}) takes them from the ctypes declaration. If the C struct itself is "
        "packed, give the declaration `_pack_ = 1`.",
        code=f"struct_dtype = np.dtype({struct})\n{variable} = {ordered}.astype(struct_dtype)",
    )
