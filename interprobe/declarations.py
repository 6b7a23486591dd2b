"""What a recorded call was declared as, compared with the function's own prototype."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from interprobe.callee_parameters import parameters
from interprobe.declared_types import c_type, ctypes_type
from interprobe.expressions import is_name
from interprobe.facts import Fact
from interprobe.findings import RecordIndex, Severity, Site
from interprobe.prototype_code import assignments
from interprobe.prototype_differences import (
    Difference,
    argument_difference,
    result_difference,
)
from interprobe.prototypes import CType, Parameter
from interprobe.trace import Argument, Call, Trace

MOST_ARGUMENTS = 24
"""So many arguments of a call are recorded at most."""

_SIMPLE_KINDS = frozenset(["bool", "char", "int", "uint", "float", "complex"])


@dataclass(frozen=True)
class ArgumentMismatch:
    """One argument whose declaration departs from the parameter.

    Attributes:
        argument: As recorded.
        declared: What C gets.
        parameter: What C takes.
        difference: What follows.
    """

    argument: Argument
    declared: CType
    parameter: Parameter
    difference: Difference


@dataclass(frozen=True)
class Place:
    """The calls of one function from one line.

    Attributes:
        indices: Of the records in ``Trace.calls``.
        calls: The records.
    """

    indices: list[int]
    calls: list[Call]

    @property
    def records(self) -> list[RecordIndex]:
        """The records, as a finding names them."""
        return [RecordIndex(list="calls", index=index) for index in self.indices]

    @property
    def count(self) -> int:
        """How many calls there were."""
        return sum(call.count for call in self.calls)


def places(trace: Trace) -> Iterator[Place]:
    """The calls through ctypes and cffi, together where line and function are the same."""
    groups: dict[tuple[Site, str, str], list[int]] = {}
    for index, call in enumerate(trace.calls):
        if call.binding in ("ctypes", "cffi") and call.returns is not None:
            groups.setdefault((call.user_site, call.library, call.function), []).append(index)
    for indices in groups.values():
        yield Place(indices, [trace.calls[index] for index in indices])


def declared_as(call: Call, text: str | None) -> CType | None:
    """The C type of a declaration, by the words of the call's binding."""
    if text is None:
        return None
    return c_type(text) if call.binding == "cffi" else ctypes_type(text)


def argument_mismatches(call: Call) -> Iterator[ArgumentMismatch]:
    """The arguments that C gets as something else than it takes."""
    if call.prototype is None:
        return
    taken = call.prototype.parameters
    for argument in parameters(call).values():
        declared = declared_as(call, argument.declared)
        if argument.position >= len(taken) or declared is None:
            continue
        parameter = taken[argument.position]
        difference = argument_difference(declared, parameter.type)
        if difference is not None:
            yield ArgumentMismatch(argument, declared, parameter, difference)


def is_number(type_: CType) -> bool:
    """Whether a type is a number, and no pointer or structure."""
    return type_.kind in _SIMPLE_KINDS


def result_mismatch(call: Call) -> Difference | None:
    """How the result is read as something else than C wrote."""
    if call.prototype is None or call.returns is None:
        return None
    declared = declared_as(call, call.returns.declared)
    if declared is None or not result_is_used(call.site):
        return None
    return result_difference(declared, call.prototype.returns)


def result_is_used(site: Site) -> bool:
    """Whether the program does something with what the call returned, as far as its line shows."""
    source, expression = site.source.strip(), site.expression.strip()
    if not expression:
        return True
    try:
        statements = ast.parse(source)
        call = ast.dump(ast.parse(expression, mode="eval").body)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        # Of a longer statement only the first line is known.
        return source != expression.partition("\n")[0].strip()
    return not any(
        isinstance(node, ast.Expr) and ast.dump(node.value) == call for node in ast.walk(statements)
    )


def fact_of(call: Call, kind: str, position: int | None) -> Fact | None:
    """A fact of that kind about an argument."""
    return next((f for f in call.facts if f.kind == kind and f.position == position), None)


def function_text(call: Call) -> str:
    """The function as the call's line names it: ``lib.total``."""
    try:
        tree = ast.parse(call.site.expression.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        tree = None
    if isinstance(tree, ast.Call) and isinstance(tree.func, (ast.Name, ast.Attribute)):
        return ast.unparse(tree.func)
    name = call.function if is_name(call.function) else "function"
    return f"lib.{name}"


def declaration_code(call: Call, *, argtypes: bool = True, restype: bool = True) -> str:
    """The statements, or for cffi the line of ``cdef``, that declare the function rightly."""
    if call.prototype is None:
        return ""
    if call.binding == "cffi":
        return f'ffi.cdef("{call.prototype.declaration};")'
    return assignments(function_text(call), call.prototype, argtypes=argtypes, restype=restype)


def worst(differences: list[Difference]) -> Severity:
    """The severity of the gravest."""
    return min((each.severity for each in differences), key=lambda severity: severity.rank)
