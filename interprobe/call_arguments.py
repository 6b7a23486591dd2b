"""Says in a finding which argument of a foreign function it speaks of, and which array that is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from interprobe.expressions import ArrayExpression, Operation, given_array, pointed_array
from interprobe.findings import Cost, Finding, Fix, RecordIndex, Severity, Site
from interprobe.trace import Argument, Call, Fact, Trace
from interprobe.wording import counted, file_name, listed, quoted

FOREIGN_BINDINGS = frozenset({"ctypes", "cffi"})
"""Bindings that hand over addresses, of whose elements the callee knows only what it is told."""


def arguments_at(call: Call) -> dict[int, Argument]:
    """The call's own arguments by position, without the pointers inside their memory."""
    found: dict[int, Argument] = {}
    for argument in call.arguments:
        if argument.name is None or not argument.name.startswith((".", "[")):
            found.setdefault(argument.position, argument)
    return found


def facts_of(call: Call, kind: str) -> Iterator[tuple[Fact, Argument]]:
    """The facts of one kind about arguments of a call that lead to arrays, with the argument."""
    arguments = arguments_at(call)
    for fact in call.facts:
        argument = arguments.get(fact.position) if fact.position is not None else None
        if fact.kind == kind and argument is not None and argument.given is not None:
            yield fact, argument


def parts_of(text: str | None, between: str) -> dict[str, str]:
    """What a fact's text says, ``a=1;b=2``, by name."""
    pairs = (part.partition("=") for part in (text or "").split(between))
    return {name: value for name, equals, value in pairs if equals}


def argument_text(call: Call, argument: Argument) -> str:
    """``Argument 1 (.field) of total``."""
    name = f" ({argument.name})" if argument.name else ""
    return f"Argument {argument.position + 1}{name} of {call.function}"


def array_of(call: Call, argument: Argument) -> ArrayExpression | None:
    """The array's expression in the call, where the source shows it."""
    find = pointed_array if call.binding in FOREIGN_BINDINGS else given_array
    return find(call.user_site.expression, argument.position)


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
