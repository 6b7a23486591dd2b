"""IP305 prototype-mismatch: a function is declared otherwise than it is.

## What it does

Compares what ctypes' `argtypes` and `restype`, a typed pointer or cffi's `cdef` say of a function
with its own prototype, from the library's debug information (compile with `-g`) or from a header
(`interprobe run --header FILE`): other elements behind a pointer, `float` for `double`, a 32-bit
integer for a 64-bit one, an address for a value, too few arguments, another result.

## Why is this bad?

Nothing checks the declaration: C takes what lies in the registers and in memory for what its own
prototype says. With `float *` declared for `double *`, even an array of the declared type is read
as numbers that it does not hold, and past its end.

## Example

```python
import ctypes

libm = ctypes.CDLL("libm.so.6")
libm.pow.argtypes = [ctypes.c_float, ctypes.c_float]  # pow takes and returns double
libm.pow.restype = ctypes.c_double
libm.pow(2.0, 3.0) == 8.0  # False
```

## Use instead

```python
import ctypes

libm = ctypes.CDLL("libm.so.6")
libm.pow.argtypes = [ctypes.c_double, ctypes.c_double]
libm.pow.restype = ctypes.c_double
libm.pow(2.0, 3.0) == 8.0  # True
```

`interprobe check LIBRARY BINDINGS.py` finds these without running the program, and writes the
declarations.

## Limits

Pointers to raw memory (`c_void_p`, `c_char_p`) fit any pointer, integers of one width are one type,
and structures are compared by `interprobe check` alone. A narrow integer type whose values all fit
is a note. Arrays of another type than declared are IP301's, missing declarations IP304's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from interprobe.callee_parameters import parameters
from interprobe.declarations import (
    MOST_ARGUMENTS,
    ArgumentMismatch,
    Place,
    argument_mismatches,
    declaration_code,
    fact_of,
    is_number,
    places,
    result_mismatch,
)
from interprobe.element_types import array_element, misread, prototype_element
from interprobe.findings import Cost, Finding, Fix, Severity
from interprobe.trace import Call, Trace
from interprobe.wording import counted, element_count, file_name

CODE = "IP305"
NAME = "prototype-mismatch"


@dataclass(frozen=True)
class Mismatch:
    """One difference between declaration and prototype, with what followed from it."""

    severity: Severity
    text: str
    evidence: str


def check(trace: Trace) -> Iterator[Finding]:
    """Yield a finding for each line that calls a function by another prototype than its own."""
    for place in places(trace):
        mismatches: dict[str, Mismatch] = {}
        for call in place.calls:
            for mismatch in (*_results(call), *_arguments(call), *_counts(call)):
                mismatches.setdefault(mismatch.text, mismatch)
        if mismatches:
            yield _finding(place, list(mismatches.values()))


def _results(call: Call) -> Iterator[Mismatch]:
    """A result that is declared as something else."""
    if call.returns is None or call.prototype is None:
        return
    declared = call.returns.declared
    if call.binding == "ctypes" and declared in ("c_int", "callable"):
        return  # what ctypes takes where nothing is declared: IP304's
    difference = result_mismatch(call)
    if difference is None:
        return
    true = call.prototype.returns.spelling
    yield Mismatch(
        difference.severity,
        f"{call.function} returns `{true}`, and is declared to return {declared}. "
        f"{_sentence(difference.text)}",
        f"{declared} for `{true}`",
    )


def _arguments(call: Call) -> Iterator[Mismatch]:
    """Arguments that are declared as something else."""
    declares_nothing = call.binding == "ctypes" and call.argtypes is None
    for item in argument_mismatches(call):
        # Numbers without argtypes are IP304's; a typed pointer is a declaration of its own, but one
        # to nothing known may be a null pointer, or a handle that is passed on.
        no_claim = is_number(item.declared) or item.argument.given is None
        if not (declares_nothing and no_claim) and not _is_misread(item):
            yield _mismatch(call, item)


def _is_misread(item: ArgumentMismatch) -> bool:
    """Whether the array is none of the declared type either: that is IP301's."""
    given, declared = item.argument.given, item.declared.target
    if given is None or declared is None:
        return False
    held = array_element(given.dtype)
    told, wanted = (
        prototype_element(item.declared.spelling),
        prototype_element(item.parameter.type.spelling),
    )
    if held is None or told is None or wanted is None:
        return False
    count = element_count(given)
    return misread(told, held, count) and misread(wanted, held, count)


def _mismatch(call: Call, item: ArgumentMismatch) -> Mismatch:
    argument, true = item.argument, item.parameter.type
    name = f" ({argument.name})" if argument.name else ""
    text = (
        f"Argument {argument.position + 1}{name} of {call.function} is `{true.spelling}`, and is "
        f"declared as {argument.declared}. {_sentence(item.difference.text)}"
    )
    severity, what = item.difference.severity, ""
    if true.kind == "pointer" and item.declared.kind == "pointer":
        severity, what = _array_given(item)
    elif severity is Severity.WARNING:
        severity, what = _value_given(call, item)
    return Mismatch(
        severity,
        text + what,
        f"argument {argument.position + 1} declared as {argument.declared} for `{true.spelling}`",
    )


def _array_given(item: ArgumentMismatch) -> tuple[Severity, str]:
    """How bad it is, by the array that was given, and a sentence about it."""
    given, wanted = item.argument.given, prototype_element(item.parameter.type.spelling)
    held = array_element(given.dtype) if given is not None else None
    if given is None or held is None or wanted is None:
        return item.difference.severity, ""
    if not misread(wanted, held, element_count(given)):
        return (
            Severity.WARNING,
            f" The array that was given holds {given.dtype}, so C read it rightly all the same.",
        )
    behind = element_count(given) * wanted.size - given.nbytes
    reach = f", {behind} bytes past the array's end" if behind > 0 else ""
    return (
        Severity.ERROR,
        f" The array that was given holds {element_count(given)} elements of {held.size} bytes: "
        f"as many of {wanted.size} reach over {element_count(given) * wanted.size} bytes{reach}.",
    )


def _value_given(call: Call, item: ArgumentMismatch) -> tuple[Severity, str]:
    """How bad a narrow integer is, by the values that were seen, and a sentence about them."""
    at, true = item.argument.position, item.parameter.type
    bits = 8 * item.declared.size
    cut = fact_of(call, "cut", at)
    if cut is not None and item.declared.size < true.size:
        arrived = cut.value % (1 << bits)
        if item.declared.kind == "int" and arrived >> (bits - 1):
            arrived -= 1 << bits
            arrived = arrived % (1 << 64) if true.kind == "uint" else arrived
        return Severity.ERROR, f" {cut.value} was given, and C got {arrived}."
    negative = fact_of(call, "negative", at)
    # -1 is a common way to write the largest number of an unsigned type.
    if negative is not None and negative.value > 1 and true.kind == "uint":
        held = 64 if item.declared.kind == "int" else bits
        return (
            Severity.ERROR,
            f" {-negative.value} was given, and C got {-negative.value % (1 << held)}.",
        )
    return Severity.NOTE, " All values that were seen fit."


def _counts(call: Call) -> Iterator[Mismatch]:
    """Fewer arguments than the function takes."""
    prototype = call.prototype
    if prototype is None or prototype.variadic or call.argtypes is None:
        return
    taken, told = len(prototype.parameters), call.argtypes
    given = len(parameters(call))
    if told < taken and given < taken and given < MOST_ARGUMENTS:
        missing = prototype.parameters[max(told, given)]
        yield Mismatch(
            Severity.ERROR,
            f"{call.function} takes {counted(taken, 'argument', 'arguments')} and is declared with "
            f"{told}: for {missing.name or missing.type.spelling} C reads whatever was left in a "
            "register.",
            f"{told} of {taken} arguments declared",
        )


def _finding(place: Place, mismatches: list[Mismatch]) -> Finding:
    first = place.calls[0]
    times = counted(place.count, "call", "calls")
    known = next(call for call in place.calls if call.prototype is not None)
    assert known.prototype is not None
    return Finding(
        rule=CODE,
        name=NAME,
        severity=min((each.severity for each in mismatches), key=lambda each: each.rank),
        user_site=first.user_site,
        site=first.site,
        subject=first.function,
        cause="\n".join(each.text for each in mismatches),
        evidence=f"{times} of {first.function} in {file_name(first.library)}: "
        + "; ".join(each.evidence for each in mismatches),
        records=place.records,
        # Wrong numbers cost no time: none would be gained by right ones.
        cost=Cost(seconds=0.0, bytes=0, share=0.0),
        fix=Fix(
            f"Declare what the function takes and returns: `{known.prototype.declaration}`.",
            declaration_code(known),
        ),
    )


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
