"""Finds, in the source text of a call, what it passes at each place."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from interprobe.expressions import ArrayExpression, called_name, described, parsed

_WRAPPERS = frozenset({"byref", "cast", "from_buffer", "memoryview"})


@dataclass(frozen=True)
class PassedValue:
    """What a call in the source text passes at one place.

    Attributes:
        keyword: The parameter's name, where it is passed by name.
        array: The array, where the text shows it: ``x`` of ``x.ctypes.data`` and ``memoryview(x)``.
        wrapped: Whether the array is inside something else, such as ``ffi.from_buffer(x)``.
    """

    keyword: str | None
    array: ArrayExpression | None
    wrapped: bool


def passed_values(expression: str) -> list[PassedValue]:
    """What a call passes: by position first, then by name, in the order of the source text.

    Args:
        expression: Source text of the call.

    Returns:
        Nothing where it is no call, or where ``*`` or ``**`` hide how many values there are.
    """
    tree = parsed(expression)
    statement = tree.body[0] if tree is not None and len(tree.body) == 1 else None
    if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Call):
        return []
    call = statement.value
    if any(isinstance(item, ast.Starred) for item in call.args):
        return []
    if any(item.arg is None for item in call.keywords):
        return []
    values = [(None, item) for item in call.args]
    values += [(item.arg, item.value) for item in call.keywords]  # type: ignore[misc]
    passed = []
    for keyword, node in values:
        inner = _unwrapped(node)
        try:
            array = described(inner, expression)
        except RecursionError:  # generated code can nest deeper than Python's stack
            array = None
        passed.append(PassedValue(keyword, array, inner is not node))
    return passed


def _unwrapped(node: ast.expr) -> ast.expr:
    """The array inside what makes a pointer or a buffer of it."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Attribute) and inner.attr == "ctypes":
            return inner.value
    if isinstance(node, ast.Call) and called_name(node) in _WRAPPERS and node.args:
        return _unwrapped(node.args[-1])
    return node
