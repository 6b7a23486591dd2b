"""Reads the source text of a loop around a call: what it does besides, and what changes in it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from interprobe.expressions import called_name

_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_ADDRESS_ATTRIBUTES = frozenset(
    {"__array_interface__", "__array_struct__", "ctypes", "data", "data_as"}
)
_ADDRESS_FUNCTIONS = frozenset(
    {"POINTER", "addressof", "byref", "c_void_p", "cast", "data_as", "from_buffer", "pointer"}
)


@dataclass(frozen=True)
class Loop:
    """A loop around a call, as its source text shows it.

    Attributes:
        is_only_call: Whether one simple statement is all that its body holds: nothing of a turn
            would be left if one call did the work of all.
        addresses_at_once: Whether between the first array's address and the call there is nothing
            but the taking of further addresses.
        variables: Names that the loop binds anew in each turn.
        variable: The variable of a ``for`` loop or of a comprehension, ``i``; None where it has
            none, or several.
        iterated: What such a loop runs over, ``range(n)``.
        address_statements: Statements before the call, in the loop, that do nothing but take
            addresses of arrays that stay the same.
    """

    is_only_call: bool
    addresses_at_once: bool
    variables: frozenset[str]
    variable: str | None
    iterated: str | None
    address_statements: tuple[str, ...] = ()


@lru_cache(maxsize=256)
def loop_of(text: str, expression: str) -> Loop | None:
    """The loop around a call.

    Args:
        text: Source text of the loop.
        expression: Source text of the call, or of the statement around it.

    Returns:
        None where the text cannot be read, or where the call is not in it.
    """
    try:
        return _loop_of(text, expression)
    except (RecursionError, MemoryError):  # generated code can nest deeper than Python's stack
        return None


def addresses_in_call(expression: str) -> bool:
    """Whether a call's own arguments take addresses of arrays: ``f(x.ctypes.data_as(P))``."""
    tree = _parsed(expression)
    return tree is not None and any(_takes_address(node) for node in ast.walk(tree))


def names_in(expression: str) -> frozenset[str]:
    """The variables that source text reads."""
    tree = _parsed(expression)
    if tree is None:
        return frozenset()
    return frozenset(node.id for node in ast.walk(tree) if isinstance(node, ast.Name))


def item_of_array(argument: str, loop: Loop | None) -> str | None:
    """The array whose item an argument is, ``x`` of ``x[i]`` and of ``float(x[i, 0])``.

    Args:
        argument: Source text of the argument.
        loop: The loop around the call.

    Returns:
        The array's expression, also where the loop itself runs over its items; None where the text
        does not show it.
    """
    tree = _parsed(argument)
    if tree is None or loop is None:
        return None
    node = tree
    if isinstance(node, ast.Call) and called_name(node) in {"float", "int"} and len(node.args) == 1:
        node = node.args[0]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return ast.unparse(node.func.value) if node.func.attr == "item" and node.args else None
    if isinstance(node, ast.Subscript) and names_in(ast.unparse(node.slice)) & loop.variables:
        return ast.unparse(node.value)
    if isinstance(node, ast.Name) and node.id == loop.variable and loop.iterated is not None:
        return _iterated_array(loop.iterated)
    return None


def _iterated_array(iterated: str) -> str | None:
    """The array that a loop runs over: ``x`` of ``x`` and of ``x.tolist()``."""
    node = _parsed(iterated)
    if isinstance(node, ast.Call) and called_name(node) == "tolist":
        return ast.unparse(node.func.value) if isinstance(node.func, ast.Attribute) else None
    return iterated if isinstance(node, ast.Name | ast.Attribute | ast.Subscript) else None


@lru_cache(maxsize=256)
def _parsed(expression: str) -> ast.expr | None:
    try:
        tree = ast.parse(f"({expression}\n)", mode="eval")
        ast.unparse(tree)  # code that nests too deeply for the passes over it is given up here
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return tree.body


def _loop_of(text: str, expression: str) -> Loop | None:
    node = _parsed_loop(text)
    wanted = _parsed(expression)
    if node is None or wanted is None:
        return None
    if isinstance(node, _COMPREHENSIONS):
        if not _is_in(wanted, node):
            return None
        generator = node.generators[0]
        return Loop(
            is_only_call=len(node.generators) == 1 and not generator.ifs,
            addresses_at_once=True,
            variables=frozenset(_bound_names(node)),
            variable=generator.target.id if isinstance(generator.target, ast.Name) else None,
            iterated=ast.unparse(generator.iter),
        )
    if not isinstance(node, ast.For | ast.While):
        return None
    position = next((i for i, each in enumerate(node.body) if _is_in(wanted, each)), None)
    if position is None:
        return None
    statement = node.body[position]
    is_for = isinstance(node, ast.For)
    target = node.target if isinstance(node, ast.For) else None
    return Loop(
        is_only_call=len(node.body) == 1 and not node.orelse and is_for and _is_simple(statement),
        addresses_at_once=_addresses_at_once(node.body[: position + 1]),
        variables=frozenset(_bound_names(node)),
        variable=target.id if isinstance(target, ast.Name) else None,
        iterated=ast.unparse(node.iter) if isinstance(node, ast.For) else None,
        address_statements=_address_statements(node, position),
    )


def _parsed_loop(text: str) -> ast.AST | None:
    try:
        tree = ast.parse(text.strip())
        ast.unparse(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        # A generator expression that is a call's only argument has no parentheses of its own.
        return _parsed(text)
    if len(tree.body) != 1:
        return None
    only = tree.body[0]
    return only.value if isinstance(only, ast.Expr) else only


def _is_simple(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr | ast.Assign | ast.AugAssign | ast.AnnAssign)


def _is_in(wanted: ast.expr, node: ast.AST) -> bool:
    dumped = ast.dump(wanted)
    return any(
        isinstance(each, type(wanted)) and ast.dump(each) == dumped for each in ast.walk(node)
    )


def _bound_names(node: ast.AST) -> Iterator[str]:
    for each in ast.walk(node):
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
            yield each.id


def _takes_address(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr in _ADDRESS_ATTRIBUTES
    return isinstance(node, ast.Call) and called_name(node) in _ADDRESS_FUNCTIONS


def _addresses_at_once(body: list[ast.stmt]) -> bool:
    """Whether the statements from the first address to the call, the last one, only take such."""
    first = next(
        (i for i, each in enumerate(body) if any(map(_takes_address, ast.walk(each)))), None
    )
    if first is None:
        return False
    return all(
        isinstance(each, ast.Assign) and any(map(_takes_address, ast.walk(each)))
        for each in body[first:-1]
    )


def _address_statements(node: ast.For | ast.While, call: int) -> tuple[str, ...]:
    """The statements before the call that could as well stand before the loop."""
    taking = [
        each
        for each in node.body[:call]
        if isinstance(each, ast.Assign) and any(map(_takes_address, ast.walk(each)))
    ]
    made = {name for each in taking for name in _bound_names(each)}
    others = frozenset(_bound_names(node)) - made
    read = {
        name.id for each in taking for name in ast.walk(each.value) if isinstance(name, ast.Name)
    }
    return () if read & others else tuple(ast.unparse(each) for each in taking)
