"""Names, from the source line, the operation inside which NumPy copied: ``numpy.matmul``."""

from __future__ import annotations

import ast

import numpy as np

from interprobe.findings import Site

UNNAMED = "numpy"
"""What the hooks call an operation that they do not follow."""

_MODULES = frozenset({"np", "numpy"})
_OPERATORS: dict[type[ast.AST], str] = {
    ast.Add: "numpy.add",
    ast.Sub: "numpy.subtract",
    ast.Mult: "numpy.multiply",
    ast.MatMult: "numpy.matmul",
    ast.Div: "numpy.divide",
    ast.FloorDiv: "numpy.floor_divide",
    ast.Mod: "numpy.remainder",
    ast.Pow: "numpy.power",
    ast.LShift: "numpy.left_shift",
    ast.RShift: "numpy.right_shift",
    ast.BitAnd: "numpy.bitwise_and",
    ast.BitOr: "numpy.bitwise_or",
    ast.BitXor: "numpy.bitwise_xor",
}


def operation_at(site: Site) -> str:
    """The operation that a position's source names.

    Args:
        site: Where the copy was made; its expression is what CPython was evaluating there.

    Returns:
        A mechanism such as ``numpy.linalg.solve``, ``ndarray.argmax`` or ``numpy.matmul``;
        ``numpy`` where the source does not tell.
    """
    try:
        body = ast.parse(site.expression.strip()).body
        return _named(body[0]) if len(body) == 1 else UNNAMED
    except (SyntaxError, ValueError, RecursionError):
        return UNNAMED


def _named(statement: ast.stmt) -> str:
    if isinstance(statement, ast.AugAssign):
        return _OPERATORS.get(type(statement.op), UNNAMED)
    node = statement.value if isinstance(statement, ast.Expr) else None
    if isinstance(node, ast.BinOp):
        return _OPERATORS.get(type(node.op), UNNAMED)
    if isinstance(node, ast.Call):
        return _called(node.func)
    return UNNAMED


def _called(function: ast.expr) -> str:
    """``numpy.`` and its path for a function of NumPy, ``ndarray.`` for what arrays have."""
    name = ast.unparse(function)
    root, _, rest = name.partition(".")
    if not all(part.isidentifier() for part in name.split(".")):
        # A method of some expression: (a + b).argmax()
        return _method(function.attr) if isinstance(function, ast.Attribute) else UNNAMED
    if root in _MODULES and rest:
        return f"numpy.{rest}"
    if isinstance(function, ast.Attribute) and hasattr(np.ndarray, function.attr):
        return _method(function.attr)
    # A bare name may stand for any function, or for one that calls others.
    return name if rest else UNNAMED


def _method(name: str) -> str:
    return f"ndarray.{name}" if hasattr(np.ndarray, name) else UNNAMED
