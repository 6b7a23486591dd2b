"""Says in a finding which argument of a foreign function it speaks of, and which array that is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from interprobe.callee_parameters import parameters
from interprobe.expressions import ArrayExpression, Operation, pointed_array
from interprobe.facts import Fact
from interprobe.findings import Cost, Finding, Fix, RecordIndex, Severity, Site
from interprobe.passed_values import passed_values
from interprobe.trace import Argument, Call, Trace
from interprobe.wording import counted, file_name, listed, quoted

FOREIGN_BINDINGS = frozenset({"ctypes", "cffi"})
"""Bindings that hand over addresses, of whose elements the callee knows only what it is told."""


_REFUSALS = ("ArgumentError:", "TypeError:", "OverflowError:")
"""Exceptions with which a binding turns a call down before C is called."""


def facts_of(call: Call, kind: str) -> Iterator[tuple[Fact, Argument]]:
    """The facts of one kind about arguments of a call whose arrays C got, with the argument."""
    arguments = parameters(call)
    for fact in call.facts:
        argument = arguments.get(fact.position) if fact.position is not None else None
        if fact.kind != kind or argument is None or argument.given is None:
            continue
        if is_passed_as_given(call, argument):
            yield fact, argument


def parts_of(text: str | None, between: str) -> dict[str, str]:
    """What a fact's text says, ``a=1;b=2``, by name."""
    pairs = (part.partition("=") for part in (text or "").split(between))
    return {name: value for name, equals, value in pairs if equals}


def argument_text(call: Call, argument: Argument) -> str:
    """``Argument 1 (.field) of total``."""
    name = f" ({argument.name})" if argument.name else ""
    return f"Argument {argument.position + 1}{name} of {call.function}"


def is_passed_as_given(call: Call, argument: Argument) -> bool:
    """Whether C got the array that the call was given: not where it was refused or converted."""
    for fact in call.facts:
        if fact.kind == "converted-before" and fact.position == argument.position:
            return False
        refused = (fact.text or "").startswith(_REFUSALS) and call.binding in FOREIGN_BINDINGS
        if fact.kind == "raised" and refused and fact.count >= call.count:
            return False
    return True


def array_of(call: Call, argument: Argument) -> ArrayExpression | None:
    """The array's expression in the call, where the source shows it."""
    if call.binding in FOREIGN_BINDINGS:
        return pointed_array(call.user_site.expression, argument.position)
    return given_array(call.user_site.expression, argument.position)


def given_array(expression: str, position: int) -> ArrayExpression | None:
    """The array that a call hands over as such, as a positional argument.

    Args:
        expression: Source text of the call, ``filters.smooth(image, 3)``.
        position: The argument's index, from 0.
    """
    values = passed_values(expression)
    return values[position].array if position < len(values) else None


def array_text(array: ArrayExpression | None, unknown: str = "the array behind it") -> str:
    """The array in a sentence."""
    return quoted(array.text) if array is not None else unknown


def assigned_name(array: ArrayExpression | None, argument: Argument, new: str) -> str:
    """The variable that a fix assigns the array's replacement to.

    Args:
        array: The array's expression, if it is known.
        argument: The argument that leads to it.
        new: What an array is called that is no variable yet.
    """
    if array is None:
        return f"array_{argument.position + 1}"
    return array.text if array.operation is Operation.NAMED else new


@dataclass(frozen=True)
class Complaint:
    """What is wrong with one argument of a call.

    Attributes:
        severity: How certain the damage is.
        cause: A paragraph that says what is wrong.
        given: What was handed over, for the evidence.
        fix: What to write instead.
    """

    severity: Severity
    cause: str
    given: str
    fix: Fix


def findings_about_calls(
    code: str, name: str, trace: Trace, complaints_of: Callable[[Call], list[Complaint]]
) -> Iterator[Finding]:
    """One finding for each function and line of the user's with complaints about its calls.

    Args:
        code: The rule's.
        name: The rule's.
        trace: The run.
        complaints_of: What is wrong with a call's arguments; called once for each record.

    Yields:
        Findings as severe as the worst complaint of their place; equal sentences are said once.
    """
    groups: dict[tuple[Site, str, str], tuple[list[int], list[Complaint]]] = {}
    for index, call in enumerate(trace.calls):
        complaints = complaints_of(call)
        if complaints:
            place = (call.user_site, call.library, call.function)
            indices, gathered = groups.setdefault(place, ([], []))
            indices.append(index)
            gathered.extend(complaints)
    for indices, gathered in groups.values():
        yield _finding(code, name, [trace.calls[index] for index in indices], indices, gathered)


def _finding(
    code: str, name: str, calls: list[Call], indices: list[int], complaints: list[Complaint]
) -> Finding:
    first = calls[0]
    times = counted(sum(call.count for call in calls), "call", "calls")
    library = f" in {file_name(first.library)}" if first.library else ""
    given = listed(dict.fromkeys(complaint.given for complaint in complaints))
    fixes = [complaint.fix for complaint in complaints]
    return Finding(
        rule=code,
        name=name,
        severity=min((each.severity for each in complaints), key=lambda severity: severity.rank),
        user_site=first.user_site,
        site=first.site,
        subject=first.function,
        cause="\n".join(dict.fromkeys(complaint.cause for complaint in complaints)),
        evidence=f"{times} of {first.function}{library}: {given}",
        records=[RecordIndex(list="calls", index=index) for index in indices],
        # Wrong numbers cost no time: none would be gained by reading the right ones.
        cost=Cost(seconds=0.0, bytes=0, share=0.0),
        fix=Fix(
            text=" ".join(dict.fromkeys(fix.text for fix in fixes)),
            code="\n".join(dict.fromkeys(fix.code for fix in fixes if fix.code)),
        ),
    )
