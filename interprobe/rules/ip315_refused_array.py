"""IP315 refused-array: native code raised an exception because an array is not what it takes.

## What it does

Explains exceptions such as `Buffer dtype mismatch, expected 'double' but got 'float'`, `ndarray is
not C-contiguous` or ctypes' `ArgumentError`: which argument was refused, what the callee demands,
what the array is instead, and the line of code that makes it fit. The requirement is read from the
message; the argument is the one whose array really does not meet it.

## Why is this bad?

It is not: an exception is the best that can happen to an array that does not fit. But the message
names neither the argument nor the cure. Where nothing handles the exception, the program ends with
it, and that is an error. Where the program handles it and goes on, this is a note: to try and
catch is a common way to choose between functions, as long as nobody wonders where the time goes or
why the slow path is always taken.

## Example

```python
import ctypes

import numpy as np

samples = np.ones((3, 4))[:, ::2]  # every other column: not contiguous
take = np.ctypeslib.ndpointer(dtype=np.float64, flags="C_CONTIGUOUS")  # what `argtypes` checks
try:
    take.from_param(samples)
    refused = False
except TypeError:  # array must have flags ['C_CONTIGUOUS']
    refused = True
not refused  # False
```

## Use instead

```python
import ctypes

import numpy as np

samples = np.ascontiguousarray(np.ones((3, 4))[:, ::2])
take = np.ctypeslib.ndpointer(dtype=np.float64, flags="C_CONTIGUOUS")
try:
    take.from_param(samples)
    refused = False
except TypeError:
    refused = True
not refused  # True
```

## Limits

Exceptions that are not about how an array is made, and those about arrays that the callee got or
made otherwise, are passed over. Messages of Cython, NumPy's C API, `ndpointer`, ctypes, cffi,
pybind11, nanobind, f2py, SWIG's numpy.i and rust-numpy are understood, and what others say in like
words. Where several arguments fail what a message asks for and it does not tell which it was, all
are named.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from interprobe.facts import Fact
from interprobe.findings import Finding, Fix, RecordIndex, Severity, Site
from interprobe.refusal_cures import cure
from interprobe.refusals import failures
from interprobe.refused_arguments import RefusedArgument, refused_arguments
from interprobe.shares import measured_cost
from interprobe.trace import Call, Trace
from interprobe.wording import (
    counted,
    file_name,
    layout_text,
    listed,
    seconds_text,
    sentence,
)

CODE = "IP315"
NAME = "refused-array"
EXPLAINS_REFUSALS = True

LONGEST_MESSAGE = 200
"""Characters of a message that are quoted."""


@dataclass(frozen=True)
class Refused:
    """One call record that raised an exception about an array.

    Attributes:
        index: Of the call record.
        call: The record.
        raised: What it raised, and how often.
        arguments: Those that the exception may speak of; at least one.
        ended: Whether the program ended with it.
    """

    index: int
    call: Call
    raised: Fact
    arguments: list[RefusedArgument]
    ended: bool

    @property
    def seconds(self) -> float:
        """What the refused calls took: at least, where others of the record were not refused."""
        if self.raised.count >= self.call.count:
            return self.call.seconds
        return min(self.call.seconds, self.raised.count * self.call.seconds_min)


def check(trace: Trace) -> Iterator[Finding]:
    """Yield a finding for each place whose arrays a native function refused with an exception."""
    groups: dict[tuple[int, Site, str, str], list[Refused]] = {}
    for index, call in enumerate(trace.calls):
        refused = _refused(trace, index, call)
        if refused is not None:
            key = (call.process, call.user_site, call.library, call.function)
            groups.setdefault(key, []).append(refused)
    for group in groups.values():
        yield _finding(trace, group)


def _refused(trace: Trace, index: int, call: Call) -> Refused | None:
    """What a call record says of exceptions about arrays; None where it says nothing."""
    facts = {fact.kind: fact for fact in call.facts}
    raised = facts.get("raised")
    if raised is None or raised.text is None:
        return None
    arguments = refused_arguments(call, raised.text)
    if not arguments:
        return None
    ended = "unhandled" in facts and _ended_badly(trace, call.process)
    return Refused(index, call, raised, arguments, ended)


def _ended_badly(trace: Trace, process: int) -> bool:
    """Whether a process can have ended with an exception."""
    status = _exit_status(trace, process)
    # Of a recording from inside, and of child processes, no status is known; only the former can
    # show an exception, as a notebook does, and go on.
    return process != 0 if status is None else status != 0


def _exit_status(trace: Trace, process: int) -> int | None:
    """How a process ended, where that is known."""
    if process == 0:
        return trace.meta.exit_status
    return next((each.exit_status for each in trace.processes if each.id == process), None)


def _finding(trace: Trace, group: list[Refused]) -> Finding:
    """One finding for what one place had refused by one function."""
    first = group[0]
    call = first.call
    ended = any(each.ended for each in group)
    count = sum(each.raised.count for each in group)
    seconds = sum(each.seconds for each in group)
    cost = measured_cost(trace, [call.process], seconds, 0)
    causes = dict.fromkeys(_cause(each) for each in group)
    messages = dict.fromkeys(_message(each.raised) for each in group)
    layouts = dict.fromkeys(
        layout_text(argument.given) for each in group for argument in each.arguments
    )
    return Finding(
        rule=CODE,
        name=NAME,
        severity=Severity.ERROR if ended else Severity.NOTE,
        user_site=call.user_site,
        site=call.site,
        subject=call.function,
        cause="\n".join(filter(None, [*causes, _ending(trace, call.process, ended=ended)])),
        evidence=(
            f"{counted(count, 'call', 'calls')} of {call.function} in {file_name(call.library)} "
            f"raised {listed(messages)}, given {listed(layouts)}; in all "
            f"{seconds_text(seconds)}"
        ),
        records=[RecordIndex(list="calls", index=each.index) for each in group],
        cost=cost,
        fix=_fix(group),
    )


def _message(raised: Fact) -> str:
    """The exception's own words on one line, without the arguments that pybind11 appends."""
    text = (raised.text or "").partition("\nInvoked with")[0]
    text = " ".join(text.replace("The following argument types are supported:", "").split())
    return text if len(text) <= LONGEST_MESSAGE else f"{text[:LONGEST_MESSAGE]}..."


def _cause(refused: Refused) -> str:
    """Which argument failed which requirement, and what it is instead."""
    function = refused.call.function
    lines = []
    for argument in refused.arguments:
        clauses = failures(argument.given, argument.part, argument.text)
        lines.append(f"{function} {'; it also '.join(clauses)}.")
    if len(lines) == 1:
        return lines[0]
    if refused.arguments[0].part.any_type:
        given = listed(
            f"{each.text}: {each.given.dtype} with "
            f"{counted(len(each.given.shape), 'dimension', 'dimensions')}"
            for each in refused.arguments
        )
        return f"{function} was compiled for several combinations of types, but not for {given}."
    return f"The message does not say which argument it was. {' '.join(lines)}"


def _ending(trace: Trace, process: int, *, ended: bool) -> str | None:
    """What became of the exception, as far as it is known."""
    status = _exit_status(trace, process)
    if ended:
        shown = f", with exit status {status}" if status is not None else ""
        return f"Nothing handled the exception: the program ended with it{shown}."
    if status == 0:
        return (
            "The program went on after the exception, which is right where it tries one way and "
            "has another."
        )
    return None


def _fix(group: list[Refused]) -> Fix:
    """The changes that the refused arrays need, each once."""
    fixes = [
        cure(refused.call.binding, argument) for refused in group for argument in refused.arguments
    ]
    return Fix(
        text=sentence(" ".join(dict.fromkeys(fix.text for fix in fixes))),
        code="\n".join(dict.fromkeys(fix.code for fix in fixes if fix.code)),
    )
