"""IP306 length-overrun: native code was told that an array is longer than its memory.

## What it does

Reports calls of C functions in which the length that C gets is larger than the number of elements
behind the pointer, counted from the address that was passed. Which integer is the length of which
array is taken from the callee's own prototype (`const double *x, size_t n`), from the function's
other calls in the same run, in which it was the length, from a count of bytes where the declared
pointer has wider elements, or from the call's text (`x.size + 1`).

## Why is this bad?

C cannot check it. It goes on past the end of the array: what it reads there is other data, and
becomes part of the result; what it writes there destroys other data. The program may crash, now or
much later, or may just be wrong.

## Example

```python
import ctypes

import numpy as np

samples = np.ones(4)
pointer = samples.ctypes.data_as(ctypes.POINTER(ctypes.c_double))
length = samples.nbytes  # C counts elements
length == 4  # False: C would read 256 bytes of an array of 32
```

## Use instead

```python
import ctypes

import numpy as np

samples = np.ones(4)
pointer = samples.ctypes.data_as(ctypes.POINTER(ctypes.c_double))
length = samples.size
length == 4  # True
```

Better still, take pointer and length from the array in one place: a small Python function around
the foreign one, which takes the array alone.

## Limits

An integer that is merely larger than an array is not reported: it may be a seed, a flag or a
leading dimension. How far C really goes is not seen: a function that returns early may never get
to the end. Of a view, C may read on to the end of the memory that it is a view of; only a length
that is known to be the view's own is reported, as a warning.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from interprobe.callee_parameters import (
    array_behind,
    called_argument,
    element_bytes,
    parameters,
    pointer_in_words,
    points_to_raw_memory,
)
from interprobe.facts import Fact
from interprobe.findings import Cost, Finding, Fix, RecordIndex, Severity, Site
from interprobe.length_evidence import FACTORS, Evidence, Pair, evidence_of, learnt_lengths
from interprobe.trace import Argument, Call, Trace
from interprobe.wording import (
    bytes_text,
    counted,
    file_name,
    item_size,
    layout_text,
    sentence,
)

CODE = "IP306"
NAME = "length-overrun"

_OVER = {f"{word}-{end}" for word in FACTORS for end in ("over", "over-shared", "past-array")}

_COUNTS_BYTES = frozenset(
    {"memcpy", "memmove", "mempcpy", "memset", "memcmp", "memchr", "memrchr", "memccpy"}
    | {"bcopy", "bzero", "bcmp", "explicit_bzero", "getrandom", "getentropy"}
    | {"read", "write", "pread", "pwrite", "pread64", "pwrite64", "recv", "send"}
)
"""Functions of C and POSIX whose length is one of bytes, however their pointers are declared."""


@dataclass(frozen=True)
class Overrun:
    """A length that exceeds an array.

    Attributes:
        fact: What was recorded: the length, and the bytes from the pointer to the end.
        argument: The pointer.
        size: Bytes of an element as C takes it.
        evidence: How it is known that the integer is this array's length.
    """

    fact: Fact
    argument: Argument
    size: int
    evidence: Evidence

    @property
    def factors(self) -> int:
        """How many integers make the length."""
        return FACTORS[self.fact.kind.partition("-")[0]]

    @property
    def leaves_memory(self) -> bool:
        """Whether C leaves the block of memory, and not only the array."""
        return not self.fact.kind.endswith("past-array")

    @property
    def excess(self) -> int:
        """Bytes that C goes past the end."""
        return self.fact.value * self.size - self.fact.limit

    @property
    def severity(self) -> Severity:
        """An error where the integer is certainly the length and C leaves the memory."""
        certain = self.evidence in {Evidence.LEARNT, Evidence.NAMED}
        return Severity.ERROR if certain and self.leaves_memory else Severity.WARNING


def check(trace: Trace) -> Iterator[Finding]:
    """Yield a finding for each place that told a function that an array is longer than it is."""
    learnt = learnt_lengths(trace.calls)
    groups: dict[tuple[Site, str, str], list[tuple[int, Overrun]]] = {}
    for index, call in enumerate(trace.calls):
        for overrun in _overruns(call, learnt):
            key = (call.user_site, call.library, call.function)
            groups.setdefault(key, []).append((index, overrun))
    for found in groups.values():
        yield _finding(trace, found)


def _overruns(call: Call, learnt: set[Pair]) -> list[Overrun]:
    """The lengths of a call that exceed arrays, one for each array."""
    found: dict[int, Overrun] = {}
    own = parameters(call)
    for fact in call.facts:
        argument = own.get(fact.other) if fact.kind in _OVER and fact.other is not None else None
        if argument is None or argument.given is None:
            continue
        size = 1 if _counts_bytes(call) else element_bytes(argument)[0]
        overrun = _judged(call, fact, argument, size, learnt)
        known = found.get(argument.position)
        if overrun is not None and (known is None or overrun.excess > known.excess):
            found[argument.position] = overrun
    return list(found.values())


def _counts_bytes(call: Call) -> bool:
    """Whether it is the C library's: in others, a ``write`` may well count elements."""
    library = file_name(call.library)
    of_c = library.startswith(("libc.", "libc-", "libSystem", "ld-musl"))
    return of_c and call.function in _COUNTS_BYTES


def _judged(
    call: Call, fact: Fact, argument: Argument, size: int, learnt: set[Pair]
) -> Overrun | None:
    given = argument.given
    if given is None or fact.value * size <= fact.limit:
        return None
    if any(stride < 0 for stride in given.strides):
        return None  # the array ends where the pointer begins: IP302 says so
    if any(each.kind.startswith("cut") and each.position == fact.position for each in call.facts):
        return None  # C gets another number: IP312 says so
    held = item_size(given)
    if held < size and fact.value * held <= fact.limit:
        return None  # the length is right, and the element type wrong: IP301 says so
    evidence = evidence_of(call, fact, learnt)
    if evidence is None:
        return None
    raw = argument.true is not None and points_to_raw_memory(argument.true)
    if evidence is Evidence.LEARNT and raw:
        return None  # equal numbers of elements, where C counts bytes
    return Overrun(fact, argument, size, evidence)


def _finding(trace: Trace, found: list[tuple[int, Overrun]]) -> Finding:
    """One finding for the calls of one place."""
    indices = list(dict.fromkeys(index for index, _ in found))
    calls = [trace.calls[index] for index in indices]
    first = calls[0]
    worst: dict[int, Overrun] = {}
    for _, overrun in found:
        known = worst.get(overrun.argument.position)
        if known is None or overrun.excess > known.excess:
            worst[overrun.argument.position] = overrun
    overruns = list(worst.values())
    arrays = "; ".join(layout_text(each.argument.given) for each in overruns if each.argument.given)
    # A call that never came back is not counted.
    times = counted(sum(max(call.count, 1) for call in calls), "call", "calls")
    severities = [each.severity for each in overruns]
    unit = "bytes" if _counts_bytes(first) else "elements"
    return Finding(
        rule=CODE,
        name=NAME,
        severity=Severity.ERROR if Severity.ERROR in severities else Severity.WARNING,
        user_site=first.user_site,
        site=first.site,
        subject=first.function,
        cause="\n".join(_cause(first, each) for each in overruns),
        evidence=f"{times} of {first.function} in {file_name(first.library)}: {arrays}",
        records=[RecordIndex(list="calls", index=index) for index in indices],
        cost=Cost(seconds=0.0, bytes=0, share=0.0),
        fix=Fix(
            text=f"Pass the number of {unit} that lie behind the pointer.",
            code="\n".join(dict.fromkeys(_fix_code(first, each) for each in overruns)),
        ),
    )


def _length_in_words(call: Call, overrun: Overrun) -> str:
    """The integer, or the integers whose product counts."""
    first = overrun.fact.position or 0
    if overrun.factors == 1:
        return sentence(called_argument(call, first))
    factors = [called_argument(call, first + index) for index in range(overrun.factors)]
    return sentence(" times ".join(factors))


def _cause(call: Call, overrun: Overrun) -> str:
    """The length, the memory, how far C goes, what comes of it, and how it is known."""
    fact = overrun.fact
    there = fact.limit // overrun.size
    text = (
        f"{_length_in_words(call, overrun)} of {call.function} says {fact.value:,} elements of "
        f"{bytes_text(overrun.size)}, but behind {pointer_in_words(call, fact.other)} there are "
        f"{there:,}: C goes {bytes_text(overrun.excess)} past the end"
    )
    if overrun.leaves_memory:
        result = (
            " of the memory that the array lies in. What it reads there is garbage; what it writes"
            " there destroys other data or crashes the program."
        )
    else:
        result = (
            " of the array, into memory that is not the array's: what it reads there is other"
            " data, what it writes there changes it."
        )
    return f"{text}{result} {_evidence_text(call, overrun)}"


def _evidence_text(call: Call, overrun: Overrun) -> str:
    """How it is known that the integer is this array's length."""
    fact = overrun.fact
    match overrun.evidence:
        case Evidence.NAMED:
            own = parameters(call)
            shown = [own[overrun.argument.position]]
            shown += [own[(fact.position or 0) + index] for index in range(overrun.factors)]
            texts = ", ".join(_parameter_text(each) for each in shown)
            return f"The function's own prototype makes it the length: `{texts}`."
        case Evidence.LEARNT:
            return (
                "In other calls of the function, with arrays of several lengths, it was exactly "
                "the number of elements."
            )
        case Evidence.NBYTES:
            return (
                "It is the array's size in bytes, where the declared pointer has elements of "
                f"{bytes_text(overrun.size)}: right only if the function counts bytes."
            )
        case Evidence.NEAR:
            return (
                f"It is the number of elements plus {fact.value - fact.limit // overrun.size}, and "
                "no other array of the call has as many: one too many, unless it means something "
                "else."
            )
        case Evidence.WRITTEN:
            return "The call takes it from the array's own size."


def _parameter_text(argument: Argument) -> str:
    """A parameter as C writes it."""
    true, name = argument.true or "", argument.name or ""
    if name and true.endswith(name):
        return true
    return f"{true}{name}" if true.endswith("*") else f"{true} {name}"


def _fix_code(call: Call, overrun: Overrun) -> str:
    """The length, taken from the array."""
    array = array_behind(call, overrun.fact.other) or f"array_{(overrun.fact.other or 0) + 1}"
    there = overrun.fact.limit // overrun.size
    if overrun.factors > 1:
        return f"*{array}.shape  # {there:,} elements in all"
    if _counts_bytes(call):
        return f"{array}.nbytes  # {there:,} bytes"
    return f"{array}.size  # {there:,} elements, {bytes_text(overrun.fact.limit)}"
