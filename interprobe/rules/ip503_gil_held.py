"""IP503 gil-held: a long native call keeps the interpreter's lock while other threads wait for it.

## What it does

Reports native functions whose long calls keep Python's global interpreter lock (the GIL) from
beginning to end, in programs of which another thread wanted to run meanwhile. Both are seen, not
guessed: CPython counts how often the lock changes hands, and that did not move during the call;
and a thread that has waited for longer than `sys.getswitchinterval()` (5 ms) leaves a request,
which was there when the call ended.

## Why is this bad?

Only the thread that holds the lock can run Python code. Native code that needs no Python objects
while it computes can let go of it; where it does not, threads take turns instead of running side by
side: a pool of eight threads is as fast as one, and timers, progress bars, servers and queues stand
still as long as the call lasts.

## Example

`ctypes.PyDLL` keeps the lock during a call, as functions need that use Python's own C interface:

```python
import ctypes

libm = ctypes.PyDLL(None)
libm._FuncPtr._flags_ & 4 == 0  # False: each call keeps the lock
```

## Use instead

`ctypes.CDLL` lets go of it:

```python
import ctypes

libm = ctypes.CDLL(None)
libm._FuncPtr._flags_ & 4 == 0  # True
```

In Cython put the computation under `with nogil:`; with pybind11 write
`py::call_guard<py::gil_scoped_release>()` in the definition, with nanobind the same of `nb`; with
f2py `threadsafe`; in C `Py_BEGIN_ALLOW_THREADS` and `Py_END_ALLOW_THREADS` around the loop. Python
objects must not be touched meanwhile, and two threads may then be inside the function: it must bear
that.

## Limits

Only calls of a millisecond and more are looked at, and a thread that has waited for less than the
interval leaves no trace. The cost is what the other threads computed between such calls, as they
could have done it during them: a lower bound where one has more to do, and next to nothing for a
thread that only wakes to look at the clock. One such call alone is not reported.
"""

from __future__ import annotations

from collections.abc import Iterator

from interprobe.findings import Finding, Fix, RecordIndex, Saving, Site
from interprobe.shares import measured_cost, severity_of_cost
from interprobe.trace import Call, Trace
from interprobe.wording import counted, file_name, seconds_text

CODE = "IP503"
NAME = "gil-held"

_HELD = "gil-held"
_FREE = "gil-free"
_TURNS = "gil-turns"
_LEAST_CALLS = 2
_LEAST_SHARE = 0.01

_RELEASES = {
    "ctypes": Fix(
        text="Load the library with ctypes.CDLL instead of ctypes.PyDLL: its functions run without "
        "the lock. Functions that use Python's C interface must keep it.",
        code="library = ctypes.CDLL(path)",
    ),
    "Cython": Fix(
        text="Put what computes under `with nogil:`; declare the C functions that it calls "
        "`nogil`, and take typed memoryviews or pointers out of Python objects before.",
        code="with nogil:\n    result = kernel(pointer, n)",
    ),
    "pybind11": Fix(
        text="Let go of the lock in the function's definition, with "
        "py::call_guard<py::gil_scoped_release>(), or with py::gil_scoped_release around what "
        "computes, once all arrays have been asked for their pointers."
    ),
    "nanobind": Fix(
        text="Let go of the lock in the function's definition, with "
        "nb::call_guard<nb::gil_scoped_release>(), or with nb::gil_scoped_release around what "
        "computes."
    ),
    "f2py": Fix(
        text="Write `threadsafe` into the function's block of the .pyf file, or `!f2py threadsafe` "
        "into the Fortran source, and build again."
    ),
    "SWIG": Fix(
        text="Build the wrappers with `swig -threads`, or write %thread before the function in the "
        "interface file."
    ),
}
_IN_C = Fix(
    text="Put Py_BEGIN_ALLOW_THREADS and Py_END_ALLOW_THREADS around what computes, where the "
    "function touches no Python objects."
)
_OF_OTHERS = "If the function is not yours to change, run it in processes instead of threads."


def check(trace: Trace) -> Iterator[Finding]:
    """Yield a finding for each place whose long calls kept other threads from running."""
    groups: dict[tuple[Site, str, str], list[int]] = {}
    for index, call in enumerate(trace.calls):
        if any(fact.kind == _HELD for fact in call.facts):
            place = (call.user_site, call.library, call.function)
            groups.setdefault(place, []).append(index)
    for indices in groups.values():
        finding = _finding(trace, indices)
        if finding is not None:
            yield finding


def _of_kind(calls: list[Call], kind: str) -> tuple[int, float]:
    """How many long calls were so, and the seconds that they took, without nested ones."""
    count, seconds = 0, 0.0
    for call in calls:
        own = call.seconds_self / call.seconds if call.seconds > 0 else 1.0
        for fact in call.facts:
            if fact.kind == kind:
                count += max(0, fact.count)
                seconds += min(max(0, fact.value) / 1e9, call.seconds) * min(1.0, own)
    return count, seconds


def _finding(trace: Trace, indices: list[int]) -> Finding | None:
    """What is said of one place; nothing where too little of it was waited for."""
    calls = [trace.calls[index] for index in indices]
    held, seconds = _of_kind(calls, _HELD)
    others, _ = _of_kind(calls, _FREE)
    _, put_off = _of_kind(calls, _TURNS)
    cost = measured_cost(trace, {call.process for call in calls}, min(put_off, seconds), 0)
    if held < _LEAST_CALLS or cost.share < _LEAST_SHARE:
        return None
    first = calls[0]
    library = f" in {file_name(first.library)}" if first.library else ""
    release = _RELEASES.get(first.binding, _IN_C)
    return Finding(
        rule=CODE,
        name=NAME,
        severity=severity_of_cost(cost),
        user_site=first.user_site,
        site=first.site,
        subject=first.function,
        cause=f"{first.function} keeps Python's global interpreter lock (GIL) while it computes. "
        f"In {held:,} of {counted(held + others, 'long call', 'long calls')}, "
        f"{seconds_text(seconds)} in all, no other thread ran any Python code from beginning "
        "to end, although one was waiting to: threads take turns here instead of running side "
        f"by side. {seconds_text(cost.seconds)} of the others' work could have been done "
        "meanwhile.",
        evidence=f"{counted(sum(call.count for call in calls), 'call', 'calls')} of "
        f"{first.function}{library}, {held:,} with another thread waiting at the end and no change "
        "of the lock's holder",
        records=[RecordIndex(list="calls", index=index) for index in indices],
        cost=cost,
        fix=Fix(text=f"{release.text} {_OF_OTHERS}", code=release.code),
        saving=Saving(reason="a repeated call has no other threads beside it"),
    )
