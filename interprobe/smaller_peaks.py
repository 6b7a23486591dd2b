"""Writes an expression as code that needs less memory while it runs: in place, or in pieces."""

from __future__ import annotations

import ast
import copy

from interprobe.expressions import parsed
from interprobe.findings import Site
from interprobe.reused_outputs import ELEMENTWISE, assignment_on, function_of_numpy, into_array

_PIECES = 64


def in_place_code(site: Site) -> str:
    """The operation that reads an array's expression, written into that array.

    Args:
        site: Where the array was made: ``a * b`` in ``y = np.sqrt(a * b)``.

    Returns:
        ``y = a * b``, and below it ``np.sqrt(y, out=y)``; "" where the line does not show how.
    """
    made = _expression(site.expression)
    statement = assignment_on(site)
    if made is None or statement is None or isinstance(made, ast.Name):
        return ""
    try:
        wanted = ast.dump(made)
        readers = [
            node
            for node in ast.walk(statement.value)
            if any(ast.dump(child) == wanted for child in ast.iter_child_nodes(node))
        ]
        if len(readers) != 1 or not isinstance(readers[0], ast.expr):
            return ""
        reader = readers[0]
        target = statement.target
        whole = reader is statement.value and isinstance(target, ast.Name)
        name = target.id if whole and isinstance(target, ast.Name) else "work"
        again = into_array(_with_name(reader, wanted, name), name)
        return f"{name} = {ast.unparse(made)}\n{again}" if again else ""
    except RecursionError:
        return ""


def piecewise_code(site: Site) -> str:
    """A line that broadcasts an array against itself or others, for some of its rows at a time.

    Args:
        site: A place on a line such as ``d = np.square(x[:, None] - y).sum(axis=-1)``.

    Returns:
        The line with ``x`` in pieces; "" where it is not certain that the pieces make up the whole.
    """
    statement = assignment_on(site)
    if statement is None:
        return ""
    try:
        value = copy.deepcopy(statement.value)
        spread = [node for node in ast.walk(value) if _is_spread(node)]
        names = {ast.unparse(node.value) for node in spread if isinstance(node, ast.Subscript)}
        if len(names) != 1 or not all(_keeps_rows(node) for node in ast.walk(value)):
            return ""
        for node in spread:
            if isinstance(node, ast.Subscript):
                node.value = ast.Name("rows", ast.Load())
        target = ast.unparse(statement.target)
        return (
            f"{target} = np.concatenate(\n    [\n        {ast.unparse(value)}\n"
            f"        for rows in np.array_split({names.pop()}, {_PIECES})\n    ]\n)"
        )
    except RecursionError:
        return ""


def _expression(text: str) -> ast.expr | None:
    tree = parsed(text)
    statement = tree.body[0] if tree is not None and len(tree.body) == 1 else None
    return statement.value if isinstance(statement, ast.Expr) else None


class _Renaming(ast.NodeTransformer):
    """Puts a variable in the place of an expression."""

    def __init__(self, wanted: str, name: str) -> None:
        self._wanted = wanted
        self._name = name

    def visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.expr) and ast.dump(node) == self._wanted:
            return ast.Name(self._name, ast.Load())
        return self.generic_visit(node)


def _with_name(node: ast.expr, wanted: str, name: str) -> ast.expr:
    changed = _Renaming(wanted, name).visit(copy.deepcopy(node))
    assert isinstance(changed, ast.expr)
    return changed


def _is_spread(node: ast.AST) -> bool:
    """Whether a node is ``x[:, None]``, with nothing but whole axes and new ones."""
    if not isinstance(node, ast.Subscript) or not isinstance(node.value, ast.Name):
        return False
    index = node.slice
    if not isinstance(index, ast.Tuple) or len(index.elts) < 2 or not _is_whole(index.elts[0]):
        return False
    return _is_new_axis(index.elts[1]) and all(
        _is_whole(each) or _is_new_axis(each) for each in index.elts
    )


def _is_whole(node: ast.expr) -> bool:
    return isinstance(node, ast.Slice) and node.lower is node.upper is node.step is None


def _is_new_axis(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant):
        return node.value is None
    return isinstance(node, ast.Attribute) and node.attr == "newaxis"


def _keeps_rows(node: ast.AST) -> bool:
    """Whether what a node computes for some rows is that of the whole for the same rows."""
    if isinstance(node, ast.Call):
        if function_of_numpy(node) in ELEMENTWISE:
            return not node.keywords
        return any(item.arg == "axis" and _is_later_axis(item.value) for item in node.keywords)
    return not isinstance(node, ast.MatMult | ast.IfExp | ast.Lambda | ast.comprehension)


def _is_later_axis(node: ast.expr) -> bool:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return isinstance(node.operand, ast.Constant) and node.operand.value == 1
    return isinstance(node, ast.Constant) and type(node.value) is int and node.value > 0
