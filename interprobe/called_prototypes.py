"""Adds the true prototypes to the calls of a trace: names, types, and what comes back."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from interprobe.callee_prototypes import CalleePrototypes
from interprobe.declared_types import cffi_signature
from interprobe.facts import Fact
from interprobe.prototypes import CType, Prototype
from interprobe.trace import Argument, Call, Returns

DECLARED = "declared"
_RETURNED_INTEGER = "returned_integer"
USED_UP = frozenset([DECLARED, _RETURNED_INTEGER])
"""The kinds of facts that native/prototype_facts.c books of each function, for use here alone."""


def add_prototypes(calls: Sequence[Call], headers: Sequence[str]) -> tuple[list[Call], list[str]]:
    """Look up the prototypes of the functions that calls went to.

    Args:
        calls: As they were recorded.
        headers: Paths of headers that declare functions, for libraries without debug information.

    Returns:
        The calls, and why a header could not be read, a sentence each.
    """
    with CalleePrototypes(headers) as known:
        found = [_with_prototype(call, known) for call in calls]
        if headers:
            known.header_prototypes()
        return found, known.problems


def _with_prototype(call: Call, known: CalleePrototypes) -> Call:
    fact = next((fact for fact in call.facts if fact.kind == DECLARED), None)
    if fact is None:
        return call
    prototype = None
    if fact.value >= 0 and call.library:
        prototype = known.of(call.library, call.function, fact.value)
    # A pointer to a nameless function is called by its neighbour's name.
    true = prototype.returns.spelling if prototype is not None else None
    arguments = list(call.arguments)
    if call.binding == "cffi":
        declared, count, arguments = _cffi(fact, arguments)
    else:
        declared, count = type_name(fact.text), fact.limit if fact.limit >= 0 else None
    if prototype is not None:
        arguments = [_argument(each, prototype) for each in arguments]
    return msgspec.structs.replace(
        call,
        arguments=arguments,
        returns=Returns(declared, true, _returned(call)),
        argtypes=count,
        prototype=prototype,
        facts=[each for each in call.facts if each.kind not in USED_UP],
    )


def _returned(call: Call) -> int | None:
    return next((fact.value for fact in call.facts if fact.kind == _RETURNED_INTEGER), None)


def type_name(name: str | None) -> str | None:
    """The type as a program writes it: ctypes calls ``POINTER(c_double)`` ``LP_c_double``."""
    if name is None:
        return None
    depth = 0
    while name.startswith("LP_"):
        name = name[3:]
        depth += 1
    return "POINTER(" * depth + name + ")" * depth


def _cffi(fact: Fact, arguments: list[Argument]) -> tuple[str | None, int | None, list[Argument]]:
    """What cffi was told of the function, in C's words."""
    signature = cffi_signature(fact.text or "")
    if signature is None:
        return None, None, arguments
    parameters, result, variadic = signature
    told = [
        msgspec.structs.replace(each, declared=parameters[each.position].spelling)
        if each.declared is None and each.position < len(parameters)
        else each
        for each in arguments
    ]
    return result.spelling, None if variadic else len(parameters), told


def _argument(argument: Argument, prototype: Prototype) -> Argument:
    if argument.position >= len(prototype.parameters):
        return argument
    parameter = prototype.parameters[argument.position]
    if argument.name is None:
        return msgspec.structs.replace(argument, name=parameter.name, true=_known(parameter.type))
    # A pointer in the memory of the argument.
    behind = _member_type(parameter.type, argument.name, prototype)
    return msgspec.structs.replace(
        argument,
        name=f"{parameter.name or ''}{argument.name}",
        true=None if behind is None else _known(behind),
    )


def _known(type_: CType) -> str | None:
    return None if type_.kind == "unknown" else type_.spelling


def _member_type(type_: CType, path: str, prototype: Prototype) -> CType | None:
    """The type at ``.field[3]`` behind a parameter; None where C calls its members otherwise."""
    if type_.kind == "pointer" and path.startswith(".") and type_.target is not None:
        type_ = type_.target
    for field, index in re.findall(r"\.(\w+)|\[(\d+)\]", path):
        if index:
            if type_.kind not in ("pointer", "array") or type_.target is None:
                return None
            type_ = type_.target
            continue
        layout = prototype.layout_of(type_)
        member = next((m for m in layout.members if m.name == field), None) if layout else None
        if member is None:
            return None
        type_ = member.type
    return type_
