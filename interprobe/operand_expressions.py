"""Finds, in the source text of an operation, the expressions of its operands."""

from __future__ import annotations

import ast

from interprobe.expressions import described, parsed
from interprobe.trace import Operation

_NUMPY_NAMES = frozenset({"np", "numpy"})


def operand_text(operation: Operation, position: int) -> str | None:
    """The source text of an operand: ``b.T`` of ``a + b.T``.

    Args:
        operation: A record; its ``user_site.expression`` is what the user's line was doing.
        position: The operand's place among the arguments, from 0.

    Returns:
        None where the text does not tell which array it was.
    """
    expression = operation.user_site.expression
    try:
        node = _operand(operation, position)
        found = described(node, expression)
        return found.text if found is not None else None
    except RecursionError:  # generated code can nest deeper than Python's stack
        return None


def with_operand(operation: Operation, position: int, text: str) -> str | None:
    """The user's line with another expression in the place of an operand; None as above."""
    try:
        node = _operand(operation, position)
        tree = parsed(operation.user_site.expression)
        if node is None or tree is None:
            return None
        replaced = _Replacing(ast.dump(node), text).visit(tree)
        return ast.unparse(replaced)
    except (RecursionError, SyntaxError, ValueError):
        return None


class _Replacing(ast.NodeTransformer):
    """Puts a name in the place of every expression of one form."""

    def __init__(self, form: str, name: str) -> None:
        self._form = form
        self._name = name

    def visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.expr) and ast.dump(node) == self._form:
            return ast.Name(self._name, ast.Load())
        return super().generic_visit(node)


def _operand(operation: Operation, position: int) -> ast.expr | None:
    tree = parsed(operation.user_site.expression)
    if tree is None or len(tree.body) != 1 or position < 0:
        return None
    statement = tree.body[0]
    node = statement.value if isinstance(statement, ast.Expr) else None
    if isinstance(statement, ast.AugAssign):
        return statement.value if position == 1 else None
    if isinstance(node, ast.BinOp):
        return [node.left, node.right, None][min(position, 2)]
    if isinstance(node, ast.Compare) and len(node.comparators) == 1:
        return [node.left, node.comparators[0], None][min(position, 2)]
    if isinstance(node, ast.UnaryOp):
        return node.operand if position == 0 else None
    return _argument(node, position) if isinstance(node, ast.Call) else None


def _argument(call: ast.Call, position: int) -> ast.expr | None:
    """An argument of NumPy's function, or the array whose method is called."""
    function = call.func
    owner = function.value if isinstance(function, ast.Attribute) else None
    # np.add, np.add.reduce, np.linalg.norm: what is called is NumPy's.
    root = owner
    while isinstance(root, ast.Attribute):
        root = root.value
    is_numpy = isinstance(root, ast.Name) and root.id in _NUMPY_NAMES
    if owner is not None and not is_numpy:
        return owner if position == 0 else None
    if any(isinstance(item, ast.Starred) for item in call.args):
        return None
    return call.args[position] if position < len(call.args) else None
