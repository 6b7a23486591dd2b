"""The names of a binding module: scopes, functions with their parameters, and branches."""

from __future__ import annotations

import ast
from typing import Any

from interprobe.binding_values import (
    UNFOLLOWED,
    LibraryValue,
    Listed,
    NotFollowed,
    Reference,
    Scope,
    TypeValue,
)

_DECLARING = frozenset(
    ["argtypes", "restype", "_fields_", "POINTER", "CFUNCTYPE", "PYFUNCTYPE", "ndpointer", "cdef"]
) | {"CDLL", "PyDLL", "LoadLibrary", "load_library", "cdll", "dlopen", "setattr"}


class LocalFunction:
    """A function that the module defines."""

    def __init__(self, node: ast.FunctionDef | ast.AsyncFunctionDef, names: Names) -> None:
        self.node = node
        self.names = names
        self.owner: Scope | None = None
        self.called = False
        self._words: set[str] | None = None

    def concerns_declarations(self, path: tuple[LocalFunction, ...] = ()) -> bool:
        """Whether carrying it out again could declare something, or yield a type or a library."""
        if self._words is None:
            nodes = list(ast.walk(self.node))
            self._words = {node.id for node in nodes if isinstance(node, ast.Name)}
            self._words |= {node.attr for node in nodes if isinstance(node, ast.Attribute)}
        if self._words & _DECLARING:
            return True
        others = (self.names.find(word) for word in self._words)
        return any(
            isinstance(other, LocalFunction)
            and other not in path
            and other is not self
            and other.concerns_declarations((*path, self))
            for other in others
        )


class Names:
    """The names of one scope, and those around it."""

    def __init__(self, outer: Names | None = None) -> None:
        self.own: dict[str, Any] = {}
        self._outer = outer

    def find(self, name: str) -> Any:
        """What a name is; a reference to a builtin where nobody has bound it."""
        if name in self.own:
            return self.own[name]
        return self._outer.find(name) if self._outer is not None else Reference(f"builtins.{name}")


def bind(
    function: LocalFunction,
    arguments: list[Any],
    keywords: dict[str, Any],
    names: Names,
    evaluate: Any,
) -> None:
    """Give parameters their values: those of the call, else their defaults."""
    taken = function.node.args
    parameters = [*taken.posonlyargs, *taken.args]
    given = list(arguments)
    if function.owner is not None and parameters and parameters[0].arg in ("self", "cls"):
        given.insert(0, function.owner)
    defaults = dict(
        zip([each.arg for each in parameters[::-1]], taken.defaults[::-1], strict=False)
    )
    defaults |= {
        each.arg: value
        for each, value in zip(taken.kwonlyargs, taken.kw_defaults, strict=True)
        if value is not None
    }
    for index, each in enumerate(parameters):
        if index < len(given):
            names.own[each.arg] = given[index]
    for each in (*parameters, *taken.kwonlyargs):
        if each.arg in keywords:
            names.own[each.arg] = keywords[each.arg]
        elif each.arg not in names.own:
            default = defaults.get(each.arg) if arguments or keywords else None
            names.own[each.arg] = (
                UNFOLLOWED if default is None else evaluate(default, function.names)
            )
    if taken.vararg is not None:
        rest = given[len(parameters) :]
        names.own[taken.vararg.arg] = Listed(rest, [function.node.lineno] * len(rest))
    if taken.kwarg is not None:
        names.own[taken.kwarg.arg] = UNFOLLOWED


def either(merged: Any, before: Any, value: Any, *, first: bool) -> Any:
    """A name after a branch: what it was given in any of them."""
    if first or merged is before or merged is None:
        return value
    if value is before:
        return merged
    if isinstance(merged, TypeValue) and isinstance(value, TypeValue):
        return TypeValue(tuple(dict.fromkeys((*merged.types, *value.types))), value.text)
    follows = not isinstance(value, NotFollowed) and value is not None
    keeps = isinstance(merged, (LibraryValue, TypeValue)) and not follows
    return merged if keeps else value
