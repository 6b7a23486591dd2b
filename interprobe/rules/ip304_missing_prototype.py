"""IP304 missing-prototype: a function was called without being declared, and numbers got lost.

## What it does

Reports ctypes functions without `argtypes` or `restype` where that makes the numbers wrong: a
result that is a `double`, an address or a 64-bit integer and is read as a C `int`, an address or a
large integer that is passed as a bare Python `int`, a `c_float` that the function takes for a
`double`, an integer where it takes a `double`. It compares with the function's own prototype, from
the library's debug information (compile with `-g`) or from a header (`interprobe run --header
FILE`).

## Why is this bad?

ctypes knows nothing of a function. As long as nothing is declared, a Python integer is passed as a
C `int`, of 32 bits, and the result is read as one. A `double` is returned in another register: what
Python reads instead is whatever was left in the integer's. Of an address, of 64 bits, the lower
half arrives, and C reads memory that belongs to something else, or crashes. No exception says so.

## Example

```python
import ctypes

libm = ctypes.CDLL("libm.so.6")
libm.sqrt(ctypes.c_double(2.0)) == 2.0**0.5  # False: some integer is returned
```

## Use instead

Declare the function before its first call:

```python
import ctypes

libm = ctypes.CDLL("libm.so.6")
libm.sqrt.argtypes = [ctypes.c_double]
libm.sqrt.restype = ctypes.c_double
libm.sqrt(2.0) == 2.0**0.5  # True
```

`interprobe check LIBRARY` writes such declarations for a whole library.

## Limits

A missing declaration that hurts nothing is not reported: a function that takes and returns `int`,
or whose result the line throws away. Without debug information and without a header only integers
are reported that do not fit into 32 bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from interprobe.callee_parameters import parameters
from interprobe.declarations import (
    MOST_ARGUMENTS,
    Place,
    argument_mismatches,
    declaration_code,
    declared_as,
    fact_of,
    function_text,
    is_number,
    places,
    result_mismatch,
)
from interprobe.findings import Cost, Finding, Fix, Severity
from interprobe.trace import Call, Trace
from interprobe.wording import counted, file_name

CODE = "IP304"
NAME = "missing-prototype"

_INT_BITS = 32
_DEFAULT_RESULT = "c_int"
"""What ctypes reads where no restype is declared."""


@dataclass(frozen=True)
class Loss:
    """One thing that goes wrong for want of a declaration."""

    severity: Severity
    text: str
    evidence: str


def check(trace: Trace) -> Iterator[Finding]:
    """Yield a finding for each line that calls an undeclared function and gets wrong numbers."""
    for place in places(trace):
        losses: dict[str, Loss] = {}
        for call in place.calls:
            if call.binding == "ctypes":
                for loss in (*_results(call), *_arguments(call)):
                    losses.setdefault(loss.text, loss)
        if losses:
            yield _finding(place, list(losses.values()))


def _results(call: Call) -> Iterator[Loss]:
    """A result that is read as ``int`` and is none."""
    if call.returns is None or call.returns.declared != _DEFAULT_RESULT:
        return
    difference = result_mismatch(call)
    if difference is None or call.prototype is None or call.prototype.returns.kind == "void":
        return
    true, read = call.prototype.returns, call.returns.integer
    came = ""
    if read is not None and true.kind == "pointer":
        came = f" The call gave {read}: 0x{read & 0xFFFFFFFF:x}, the lower half of an address."
    elif read is not None and difference.severity is Severity.ERROR:
        came = f" The call gave {read}, which is not what the function returned."
    yield Loss(
        difference.severity,
        f"{call.function} returns `{true.spelling}`, and its restype is int, which is what ctypes "
        f"takes where none is declared. {_sentence(difference.text)}{came}",
        f"`{true.spelling}` read as int" + ("" if read is None else f", {read}"),
    )


def _arguments(call: Call) -> Iterator[Loss]:
    """Arguments that ctypes passed as what it took them for."""
    if call.argtypes is not None:
        return
    mismatches = {each.argument.position: each for each in argument_mismatches(call)}
    taken = call.prototype.parameters if call.prototype is not None else []
    arguments = list(parameters(call).values())
    for argument in arguments:
        at = argument.position
        parameter = taken[at] if at < len(taken) else None
        name = f" ({argument.name})" if argument.name else ""
        what = f"Argument {at + 1}{name} of {call.function}"
        mismatch = mismatches.get(at)
        cut = fact_of(call, "cut", at)
        if argument.declared == "int" and cut is not None:
            loss = _cut(what, cut.value, parameter.type.spelling if parameter else None, call, at)
            if loss is not None:
                yield loss
        elif mismatch is not None and is_number(mismatch.declared):
            true = mismatch.parameter.type
            if is_number(true) and mismatch.difference.severity is Severity.ERROR:
                given = "an int" if argument.declared == "int" else f"a {argument.declared}"
                yield Loss(
                    Severity.ERROR,
                    f"{what} is `{true.spelling}`, and {given} was passed. "
                    f"{_sentence(mismatch.difference.text)}",
                    f"argument {at + 1} passed as {argument.declared} for `{true.spelling}`",
                )
    known = call.prototype is not None and not call.prototype.variadic
    if known and len(arguments) < len(taken) and len(arguments) < MOST_ARGUMENTS:
        missing = taken[len(arguments)]
        yield Loss(
            Severity.ERROR,
            f"{call.function} takes {counted(len(taken), 'argument', 'arguments')} and was "
            f"given {len(arguments)}: for {missing.name or missing.type.spelling} C reads whatever "
            "was left in a register.",
            f"{len(arguments)} of {len(taken)} arguments given",
        )


def _cut(what: str, value: int, true: str | None, call: Call, position: int) -> Loss | None:
    """An integer of more than 32 bits that was passed as an ``int``."""
    parameter = None
    if call.prototype is not None and position < len(call.prototype.parameters):
        parameter = call.prototype.parameters[position].type
    arrived = (value + (1 << 31)) % (1 << _INT_BITS) - (1 << 31)
    argument = parameters(call)[position]
    is_address = argument.given is not None or (
        parameter is not None and parameter.kind == "pointer"
    )
    if is_address:
        taken = f" The function takes `{true}`." if true else ""
        return Loss(
            Severity.ERROR,
            f"{what} is an address, 0x{value:x}, passed as a Python int without argtypes: ctypes "
            f"makes a C int of it, and 0x{arrived & 0xFFFFFFFFFFFFFFFF:x} arrives, which is no "
            f"memory of the array's.{taken}",
            f"address 0x{value:x} cut to 32 bits",
        )
    if parameter is None:
        if -(1 << 31) <= value < 1 << 32 or (call.prototype and not call.prototype.variadic):
            return None
        return Loss(
            Severity.WARNING,
            f"{what} was given {value} as a Python int without argtypes: ctypes makes a C int of "
            f"it, of 32 bits, and {arrived} arrives.",
            f"{value} cut to {arrived}",
        )
    if not is_number(parameter) or parameter.kind in ("float", "complex") or parameter.size < 8:
        # What C itself cannot hold is no fault of a missing declaration.
        return None
    return Loss(
        Severity.ERROR,
        f"{what} is `{true}`, of 64 bits, and was given {value} without argtypes: ctypes makes a C "
        f"int of it, of 32 bits, and {arrived} arrives.",
        f"{value} cut to {arrived}",
    )


def _finding(place: Place, losses: list[Loss]) -> Finding:
    first = place.calls[0]
    severity = min((loss.severity for loss in losses), key=lambda each: each.rank)
    times = counted(place.count, "call", "calls")
    return Finding(
        rule=CODE,
        name=NAME,
        severity=severity,
        user_site=first.user_site,
        site=first.site,
        subject=first.function,
        cause="\n".join(loss.text for loss in losses),
        evidence=f"{times} of {first.function} in {file_name(first.library)}: "
        + "; ".join(loss.evidence for loss in losses),
        records=place.records,
        # Wrong numbers cost no time: none would be gained by right ones.
        cost=Cost(seconds=0.0, bytes=0, share=0.0),
        fix=_fix(place),
    )


def _fix(place: Place) -> Fix:
    known = next((call for call in place.calls if call.prototype is not None), None)
    if known is not None:
        return Fix("Declare the function before its first call.", declaration_code(known))
    call = place.calls[0]
    function = function_text(call)
    listed = ", ".join(
        _type_given(call, argument.declared) for argument in parameters(call).values()
    )
    return Fix(
        "Declare what the function takes before its first call, c_void_p for an address and "
        "c_size_t or c_int64 for a large integer; its own prototype is not known here.",
        f"{function}.argtypes = [{listed}]",
    )


def _type_given(call: Call, declared: str | None) -> str:
    """A type that holds what was given, where the prototype is not known."""
    if declared == "int":
        return "ctypes.c_void_p"
    type_ = declared_as(call, declared)
    if type_ is None or type_.kind == "pointer" or declared is None or not declared.isidentifier():
        return "ctypes.c_void_p"
    return f"ctypes.{declared}"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
