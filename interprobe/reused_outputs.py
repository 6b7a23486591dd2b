"""Writes an operation that makes a new array as code that fills an array which is there already."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from interprobe.expressions import parsed
from interprobe.findings import Site

_OPERATORS: dict[type[ast.AST], str] = {
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.Div: "divide",
    ast.FloorDiv: "floor_divide",
    ast.Mod: "remainder",
    ast.Pow: "power",
    ast.MatMult: "matmul",
    ast.BitAnd: "bitwise_and",
    ast.BitOr: "bitwise_or",
    ast.BitXor: "bitwise_xor",
    ast.LShift: "left_shift",
    ast.RShift: "right_shift",
    ast.USub: "negative",
    ast.Invert: "invert",
    ast.Lt: "less",
    ast.LtE: "less_equal",
    ast.Gt: "greater",
    ast.GtE: "greater_equal",
    ast.Eq: "equal",
    ast.NotEq: "not_equal",
}


@dataclass(frozen=True)
class Assignment:
    """A line that puts a value into one target."""

    target: ast.expr
    value: ast.expr


ELEMENTWISE = frozenset(
    [
        "absolute",
        "abs",
        "add",
        "arccos",
        "arcsin",
        "arctan",
        "arctan2",
        "ceil",
        "conj",
        "conjugate",
        "copysign",
        "cos",
        "cosh",
        "deg2rad",
        "divide",
        "equal",
        "exp",
        "exp2",
        "expm1",
        "fabs",
        "floor",
        "floor_divide",
        "fmax",
        "fmin",
        "fmod",
        "greater",
        "greater_equal",
        "heaviside",
        "hypot",
        "invert",
        "isfinite",
        "isinf",
        "isnan",
        "less",
        "less_equal",
        "log",
        "log10",
        "log1p",
        "log2",
        "logaddexp",
        "logical_and",
        "logical_not",
        "logical_or",
        "logical_xor",
        "maximum",
        "minimum",
        "mod",
        "multiply",
        "negative",
        "not_equal",
        "power",
        "rad2deg",
        "reciprocal",
        "remainder",
        "rint",
        "sign",
        "sin",
        "sinh",
        "sqrt",
        "square",
        "subtract",
        "tan",
        "tanh",
        "true_divide",
        "trunc",
    ]
)
"""NumPy's functions that compute an array element by element from others, by the names in use."""
_OTHERS_WITH_OUTPUT = frozenset({"matmul", "dot", "take", "concatenate", "stack", "outer", "clip"})
_EMPTY = frozenset({"empty", "empty_like"})
_FILLED = {"zeros": "0", "zeros_like": "0", "ones": "1", "ones_like": "1"}
_NUMPY_NAMES = frozenset({"np", "numpy"})


def computes_from_arrays(expression: str) -> bool:
    """Whether source text is an operation on arrays: an operator, or an elementwise function.

    A call of any other function may as well load or draw the numbers that it returns.
    """
    node = _node(expression)
    if isinstance(node, ast.Call):
        return function_of_numpy(node) in ELEMENTWISE
    return isinstance(node, ast.BinOp | ast.UnaryOp | ast.Compare)


def refilling_code(site: Site) -> str:
    """Code that makes an operation's array once and fills it again.

    Args:
        site: Where the array was made: ``a * b`` in ``y = a * b``.

    Returns:
        ``y = a * b  # once, before the loop``, and below it ``np.multiply(a, b, out=y)``; "" where
        the text does not show how.
    """
    node = _node(site.expression)
    if node is None:
        return ""
    name = _assigned_name(site, node) or "work"
    try:
        written = ast.unparse(node)
        again = into_array(node, name)
    except RecursionError:
        return ""
    if again is None:
        return ""
    once = f"{name} = {written}  # once, before the loop"
    return f"{once}\n{again}" if again else once


def into_array(node: ast.expr, name: str) -> str | None:
    """An operation as a call that writes its result into an array.

    Args:
        node: The operation.
        name: The array's variable.

    Returns:
        ``np.multiply(a, b, out=name)``; "" where the array is empty, to be filled by whoever uses
        it; None where the operation has no such form.
    """
    if isinstance(node, ast.BinOp):
        return _call(type(node.op), [node.left, node.right], name)
    if isinstance(node, ast.UnaryOp):
        return _call(type(node.op), [node.operand], name)
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        return _call(type(node.ops[0]), [node.left, node.comparators[0]], name)
    if not isinstance(node, ast.Call):
        return None
    function = function_of_numpy(node)
    if function in _EMPTY:
        return ""
    if function in _FILLED:
        return f"{name}.fill({_FILLED[function]})"
    has_output = any(item.arg in {"out", None} for item in node.keywords)
    if function in ELEMENTWISE | _OTHERS_WITH_OUTPUT and node.args and not has_output:
        return f"{ast.unparse(node)[:-1]}, out={name})"
    copies = isinstance(node.func, ast.Attribute) and node.func.attr == "copy"
    if copies and isinstance(node.func, ast.Attribute) and not function and not node.args:
        return f"np.copyto({name}, {ast.unparse(node.func.value)})"
    return None


def _call(operator: type[ast.AST], operands: list[ast.expr], name: str) -> str | None:
    function = _OPERATORS.get(operator)
    if function is None:
        return None
    return f"np.{function}({', '.join(map(ast.unparse, operands))}, out={name})"


def _node(expression: str) -> ast.expr | None:
    tree = parsed(expression)
    statement = tree.body[0] if tree is not None and len(tree.body) == 1 else None
    return statement.value if isinstance(statement, ast.Expr) else None


def assignment_on(site: Site) -> Assignment | None:
    """The assignment that the line of a place consists of; None where it is something else."""
    tree = parsed(site.source.strip())
    statement = tree.body[0] if tree is not None and len(tree.body) == 1 else None
    if isinstance(statement, ast.AnnAssign) and statement.value is not None:
        return Assignment(statement.target, statement.value)
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        return Assignment(statement.targets[0], statement.value)
    return None


def function_of_numpy(node: ast.Call) -> str:
    """``exp`` of ``np.exp(...)``; "" of anything else."""
    function = node.func
    if not isinstance(function, ast.Attribute) or not isinstance(function.value, ast.Name):
        return ""
    return function.attr if function.value.id in _NUMPY_NAMES else ""


def _assigned_name(site: Site, node: ast.expr) -> str | None:
    """The variable that the line puts the array into, where it does nothing else."""
    statement = assignment_on(site)
    if statement is None or not isinstance(statement.target, ast.Name):
        return None
    return statement.target.id if ast.dump(statement.value) == ast.dump(node) else None
