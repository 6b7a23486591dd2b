"""Reads what a call's own words say of its arguments: which is an output, which may change."""

from __future__ import annotations

import ast
from collections.abc import Callable

_OUTPUTS = frozenset({"dest", "dst", "out", "output"})
"""Keywords that say "write the result here"."""
_IN_PLACE = frozenset({"in_place", "inplace"})
"""Keywords that say "change the arrays that I pass"."""


def argument_text(expression: str, position: int | None) -> str | None:
    """The source text of an argument of a call.

    Args:
        expression: Source text of the call, ``scale(x, factor=2.0)``.
        position: The argument's index, from 0; keyword arguments follow the positional ones.

    Returns:
        ``x``, or None where the text is no call or has too few arguments, or where ``*args`` hides
        which is which.
    """
    call = _call(expression)
    node = _argument(call, position) if call is not None else None
    return ast.unparse(node) if node is not None else None


def output_keyword(expression: str, position: int | None) -> str | None:
    """The keyword that names an argument an output, ``out`` or ``dst``; None where none does.

    Args:
        expression: Source text of the call.
        position: The argument's index; None where it is not known.
    """
    call = _call(expression)
    if call is None or position is None:
        return None
    keyword = _keyword(call, position)
    return keyword.arg if keyword is not None and keyword.arg in _OUTPUTS else None


def in_place_keyword(expression: str) -> str | None:
    """``inplace=True``, as the call says it; None where it does not."""
    return _switched_on(expression, _IN_PLACE.__contains__)


def overwrite_keyword(expression: str) -> str | None:
    """``overwrite_a=True`` or the like, as the call says it; None where it does not."""
    return _switched_on(expression, lambda name: name.startswith("overwrite_"))


def only_positional(expression: str) -> str | None:
    """The one positional argument of a call; None where there are none, or several."""
    call = _call(expression)
    return argument_text(expression, 0) if call is not None and len(call.args) == 1 else None


def with_argument(expression: str, position: int | None, text: str) -> str | None:
    """The call with one of its arguments replaced.

    Args:
        expression: Source text of the call.
        position: The argument's index, from 0; keyword arguments follow the positional ones.
        text: What to pass instead, an expression.

    Returns:
        The changed call, or None where the text does not show the argument.
    """
    call = _call(expression)
    node = _argument(call, position) if call is not None else None
    if call is None or node is None:
        return None
    replacement = ast.parse(text, mode="eval").body
    call.args = [replacement if item is node else item for item in call.args]
    for keyword in call.keywords:
        if keyword.value is node:
            keyword.value = replacement
    return ast.unparse(call)


def _call(expression: str) -> ast.Call | None:
    """The call that source text consists of, if it is one that can be handled."""
    try:
        tree = ast.parse(f"({expression}\n)", mode="eval")
        # Code that nests too deeply for the passes over it is given up here.
        ast.unparse(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return tree.body if isinstance(tree.body, ast.Call) else None


def _keyword(call: ast.Call, position: int) -> ast.keyword | None:
    """The keyword whose value is an argument, or None."""
    index = position - len(call.args)
    unpacked = any(isinstance(item, ast.Starred) for item in call.args)
    known = all(item.arg is not None for item in call.keywords)
    if unpacked or not known or not 0 <= index < len(call.keywords):
        return None
    return call.keywords[index]


def _argument(call: ast.Call, position: int | None) -> ast.expr | None:
    """The node of an argument, or None where it is not certain which it is."""
    if position is None or position < 0:
        return None
    if position < len(call.args):
        before = call.args[: position + 1]
        return None if any(isinstance(item, ast.Starred) for item in before) else before[-1]
    keyword = _keyword(call, position)
    return keyword.value if keyword is not None else None


def _switched_on(expression: str, wanted: Callable[[str], bool]) -> str | None:
    """The first keyword of a wanted name that the call sets to a true constant."""
    call = _call(expression)
    for keyword in call.keywords if call is not None else []:
        value = keyword.value
        if (
            keyword.arg is not None
            and wanted(keyword.arg)
            and isinstance(value, ast.Constant)
            and value.value in (True, 1)
        ):
            return f"{keyword.arg}={value.value}"
    return None
