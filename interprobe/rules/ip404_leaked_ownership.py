"""IP404 leaked-ownership: memory that C allocated was handed to NumPy without anybody to free it.

## What it does

Reports places where arrays are made over blocks of the C heap that have no owner, and the blocks
pile up: the arrays are gone, no address ever came again, and the heap has grown by their size.

## Why is this bad?

NumPy frees only what NumPy allocated. An array over a pointer from C lets go of it when the array
dies, and does not free it: each such array leaves its memory behind, until the process ends or runs
out of memory.

## Example

```python
import ctypes

import numpy as np

libc = ctypes.CDLL(None)
libc.malloc.argtypes, libc.malloc.restype = (ctypes.c_size_t,), ctypes.c_void_p

address = libc.malloc(800)
pointer = ctypes.cast(address, ctypes.POINTER(ctypes.c_double))
values = np.ctypeslib.as_array(pointer, (100,))
values.flags.owndata  # False: when `values` dies, the 800 bytes stay
```

## Use instead

Tie the block's end to the array's:

```python
import ctypes
import weakref

import numpy as np

libc = ctypes.CDLL(None)
libc.malloc.argtypes, libc.malloc.restype = (ctypes.c_size_t,), ctypes.c_void_p
libc.free.argtypes = (ctypes.c_void_p,)

address = libc.malloc(800)
pointer = ctypes.cast(address, ctypes.POINTER(ctypes.c_double))
values = np.ctypeslib.as_array(pointer, (100,))
end = weakref.finalize(values, libc.free, address)
end.alive  # True: it frees the block when `values` dies
```

In an extension module give the array a base object that frees the memory: a capsule with a
destructor, by `PyArray_SetBaseObject`, `py::capsule` or `nb::capsule`.

## Limits

Judged at the end of the recording, from 4 MB on, and only where each array has a block of glibc's
heap to itself. Followed are arrays that functions of watched extension modules return, and those
that `np.asarray`, `np.frombuffer` or `np.ctypeslib.as_array` make of a pointer of ctypes or cffi. A
library that keeps such blocks on purpose, as a cache, looks the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from interprobe.facts import Fact
from interprobe.findings import Cost, Finding, Fix, RecordIndex, Severity, Site
from interprobe.trace import Borrow, Call, Trace
from interprobe.wording import bytes_text, counted, file_name, quoted

CODE = "IP404"
NAME = "leaked-ownership"

_GROWTH = "memory without an owner"
_ARRAYS = "arrays without an owner"


def check(trace: Trace) -> Iterator[Finding]:
    """Yield a finding for each record of arrays whose memory has piled up."""
    for index, call in enumerate(trace.calls):
        yield from _of(call, RecordIndex(list="calls", index=index))
    for index, borrow in enumerate(trace.borrows):
        yield from _of(borrow, RecordIndex(list="borrows", index=index))


def _of(record: Call | Borrow, where: RecordIndex) -> Iterator[Finding]:
    """The finding of a record, if it has both facts."""
    facts = {fact.kind: fact for fact in record.facts}
    growth, arrays = facts.get(_GROWTH), facts.get(_ARRAYS)
    if growth is not None and arrays is not None and arrays.value > 0:
        yield _finding(record, growth, arrays, where)


def _finding(record: Call | Borrow, growth: Fact, arrays: Fact, where: RecordIndex) -> Finding:
    """One finding for one place that makes such arrays."""
    count = counted(arrays.value, "array", "arrays")
    total, grown = bytes_text(growth.limit), bytes_text(growth.value)
    each = bytes_text(arrays.limit)
    maker = _maker(record)
    return Finding(
        rule=CODE,
        name=NAME,
        severity=Severity.WARNING,
        user_site=record.user_site,
        site=record.site,
        subject=maker,
        cause=(
            f"{maker} made {count} of up to {each} over memory that C had allocated, and nobody "
            f"frees it: the arrays are gone, but memory in use has grown by {grown}, as much as "
            f"they had ({total}). NumPy frees only what it allocated itself, and these arrays have "
            "no base object that would free the rest. If the library keeps these blocks on "
            "purpose, for later, this is as it should be."
        ),
        evidence=(
            f"{count}, {total}, each in a block of the C heap of its own, hardly an address twice; "
            f"the heap, without NumPy's own arrays, grew by {grown} meanwhile"
        ),
        records=[where],
        cost=Cost(seconds=0.0, bytes=growth.value, share=0.0),
        fix=_call_fix() if isinstance(record, Call) else _wrapping_fix(record.user_site),
    )


def _maker(record: Call | Borrow) -> str:
    """What made the arrays."""
    if isinstance(record, Call):
        return f"{record.function} ({file_name(record.library)})"
    expression = record.user_site.expression
    return quoted(expression) if expression else record.requested


def _call_fix() -> Fix:
    """What the author of an extension changes."""
    return Fix(
        text="Give the array an owner before it is returned: a capsule whose destructor frees the "
        "memory, as the array's base object (`py::capsule`, `nb::capsule` in C++). Or free it from "
        "Python when the array dies, with `weakref.finalize`.",
        code=(
            "PyObject *owner = PyCapsule_New(data, NULL, release);  /* frees data */\n"
            "PyArray_SetBaseObject((PyArrayObject *)array, owner);"
        ),
    )


def _wrapping_fix(site: Site) -> Fix:
    """What a program that wraps a pointer changes."""
    line = " ".join(site.source.split())
    assigned = re.match(r"([A-Za-z_]\w*) = ", line)
    variable = assigned.group(1) if assigned else "values"
    return Fix(
        text="Call the library's function that frees the block when the array dies; or copy the "
        "numbers and free the block at once. With cffi: `ffi.gc(pointer, lib.release)`.",
        code=(
            f"weakref.finalize({variable}, lib.release, pointer)  # the function that frees it\n"
            "# or\n"
            f"{variable} = {variable}.copy()\n"
            "lib.release(pointer)"
        ),
    )
