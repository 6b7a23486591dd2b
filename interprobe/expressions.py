"""Finds, in the source text of a site, the expression of the array that was converted."""

from __future__ import annotations

import ast
import enum
import keyword
from dataclasses import dataclass

from interprobe.trace import Copy

_NUMPY_NAMES = frozenset({"np", "numpy"})
_FUNCTIONS = frozenset(
    {"array", "asarray", "asanyarray", "ascontiguousarray", "asfortranarray", "require"}
)
"""NumPy's conversions that are called as functions of the array."""
_METHODS = frozenset({"astype", "byteswap", "copy", "flatten", "ravel", "reshape", "tobytes"})
"""NumPy's conversions that are called as methods of the array, or as functions of it."""
_ADDRESS_ATTRIBUTES = frozenset({"__array_interface__", "__array_struct__", "ctypes"})
"""Attributes of an array that lead to its address."""
_FIRST_PARAMETERS = frozenset({"a", "object", "x"})
_SCALAR_ATTRIBUTES = frozenset(
    {"dtype", "flags", "itemsize", "nbytes", "ndim", "shape", "size", "strides"}
)
_SCALAR_FUNCTIONS = frozenset(
    {"bool", "float", "int", "len", "max", "min", "range", "round", "str"}
)
_CALLING_FUNCTIONS = frozenset(
    {
        "accumulate", "all", "any", "apply", "apply_async", "apply_along_axis", "dict",
        "enumerate", "extend", "filter", "frozenset", "imap", "iter", "list", "map", "max",
        "min", "next", "partial", "reduce", "reversed", "run", "set", "sorted", "starmap",
        "submit", "sum", "tuple", "update", "vectorize", "zip",
    }
)  # fmt: skip
"""Names of functions that call others, or turn an iterator that does: those convert, with arrays of
their own."""
_TRANSPOSING = frozenset({"moveaxis", "mT", "rollaxis", "swapaxes", "T", "transpose"})


class Operation(enum.Enum):
    """What an expression does to the array that it starts from, seen from outside."""

    NAMED = enum.auto()
    """Nothing: a variable or an attribute, ``self.field``."""
    TRANSPOSED = enum.auto()
    """Exchanges axes: ``field.T``, ``np.swapaxes(field, 0, 1)``."""
    FIELD = enum.auto()
    """Takes one field of records: ``points["x"]``."""
    COLUMN = enum.auto()
    """Takes one column of a matrix: ``table[:, 3]``."""
    SLICED = enum.auto()
    """Takes another part: ``field[::2]``."""
    BROADCAST = enum.auto()
    """Repeats it without copying: ``np.broadcast_to(row, shape)``."""
    OTHER = enum.auto()
    """Anything else: a call, an operator."""


@dataclass(frozen=True)
class ArrayExpression:
    """An expression of the program whose value is an array.

    Attributes:
        text: Its source text, on one line.
        operation: What it does last.
        base: The variable itself or the one that the operation takes a view of, as one can assign
            to it; None where there is none.
    """

    text: str
    operation: Operation
    base: str | None


def converted_array(copy: Copy) -> ArrayExpression | None:
    """The expression on the user's line whose array a copy was made from.

    Args:
        copy: A record; its ``user_site.expression`` is what the user's line was doing.

    Returns:
        None where the source does not tell which array it was: one of several arguments, an array
        made inside a library, or no source at all.
    """
    expression = copy.user_site.expression
    tree = parsed(expression)
    try:
        node = _converted_node(tree, copy) if tree is not None else None
        return described(node, expression)
    except RecursionError:  # generated code can nest deeper than Python's stack
        return None


def pointed_array(expression: str, position: int) -> ArrayExpression | None:
    """The array behind a positional argument of a foreign function's call.

    Args:
        expression: Source text of the call, ``lib.total(x.ctypes.data_as(DP), n)``.
        position: The argument's index, from 0.

    Returns:
        The array (``x``), or None where the text does not show it, as with a pointer kept in a
        variable.
    """
    tree = parsed(expression)
    statement = tree.body[0] if tree is not None and len(tree.body) == 1 else None
    if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Call):
        return None
    arguments = statement.value.args
    if position >= len(arguments) or any(isinstance(item, ast.Starred) for item in arguments):
        return None
    for node in ast.walk(arguments[position]):
        array: ast.expr | None = None
        if isinstance(node, ast.Attribute) and node.attr in _ADDRESS_ATTRIBUTES:
            array = node.value
        elif isinstance(node, ast.Call) and called_name(node) == "from_buffer" and node.args:
            array = node.args[-1]  # cffi's: the type, if it is given, comes first
        if array is not None:
            try:
                return described(array, expression)
            except RecursionError:  # generated code can nest deeper than Python's stack
                return None
    return None


def is_call(expression: str) -> bool:
    """Whether source text is one call, and no statement around it."""
    tree = parsed(expression)
    statement = tree.body[0] if tree is not None and len(tree.body) == 1 else None
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)


def is_name(text: str) -> bool:
    """Whether a text can be a variable's name; ``else`` and ``lambda`` cannot."""
    return text.isidentifier() and not keyword.iskeyword(text)


def has_keyword(expression: str, name: str, value: object) -> bool:
    """Whether a call in the source text passes ``name=value``, written as a constant."""
    tree = parsed(expression)
    return tree is not None and any(
        isinstance(node, ast.keyword)
        and node.arg == name
        and isinstance(node.value, ast.Constant)
        and node.value.value is value
        for node in ast.walk(tree)
    )


def sparing_call(expression: str) -> str | None:
    """A conversion's call, changed to copy only what does not fit.

    Args:
        expression: Source text such as ``np.array(x, dtype=float)`` or ``x.astype(float)``.

    Returns:
        ``np.asarray(x, dtype=float)`` or ``x.astype(float, copy=False)``; None for other code.
    """
    tree = parsed(expression)
    statement = tree.body[0] if tree is not None and len(tree.body) == 1 else None
    call = statement.value if isinstance(statement, ast.Expr) else None
    text = expression.strip()
    if not isinstance(call, ast.Call) or not call.args + call.keywords or not text.endswith(")"):
        return None
    keywords = {item.arg for item in call.keywords}
    # What np.array takes besides these, np.asarray does not know.
    if called_name(call) == "array" and keywords <= {"dtype", "order"}:
        head, name, tail = text.partition(".array(")
        return f"{head}.asarray({tail}" if name and head in _NUMPY_NAMES else None
    if called_name(call) == "astype" and "copy" not in keywords:
        return f"{text[:-1].rstrip().removesuffix(',')}, copy=False)"
    return None


def parsed(expression: str) -> ast.Module | None:
    """The syntax tree of a site's source text, or None where it is no complete code."""
    # An expression may run over several lines, which only parentheses allow; where no columns
    # were recorded, the text is a whole statement, which parentheses forbid.
    for text in (f"({expression}\n)", expression.strip()):
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        return tree if tree.body else None
    return None


def called_name(call: ast.Call) -> str:
    """The last part of what is called: ``astype`` of ``x.astype(...)``."""
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _is_numpy(node: ast.expr) -> bool:
    """Whether an expression is NumPy itself, by the names that everyone gives it."""
    return isinstance(node, ast.Name) and node.id in _NUMPY_NAMES


def _converted_node(tree: ast.Module, copy: Copy) -> ast.expr | None:
    """The array of the conversion on a user's line, or None where that is not certain."""
    in_library = copy.site != copy.user_site
    statement = tree.body[0]
    if isinstance(statement, ast.Expr):
        call = statement.value
        if not isinstance(call, ast.Call):
            return None
        if called_name(call) in _FUNCTIONS | _METHODS | {"copyto"}:
            return _converted_operand(call, in_library)
        # Inside a library, the array is whatever the library made of its arguments.
        return None if in_library else _only_array_argument(call)
    name = copy.mechanism.rpartition(".")[2]
    calls = [
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and called_name(node) == name
    ]
    return _converted_operand(calls[0], in_library) if len(calls) == 1 else None


def _converted_operand(call: ast.Call, in_library: bool) -> ast.expr | None:
    """What a conversion's call converts: its receiver or one of its arguments."""
    name = called_name(call)
    if name == "copyto":
        return _argument(call, 1, frozenset({"src"}))
    function = call.func
    is_method = isinstance(function, ast.Attribute) and not _is_numpy(function.value)
    if name not in _FUNCTIONS and isinstance(function, ast.Attribute) and is_method:
        # A library's own method of that name, as of a data frame, converts arrays of its own.
        return None if in_library else function.value
    return _argument(call, 0, _FIRST_PARAMETERS)


def _argument(call: ast.Call, position: int, names: frozenset[str]) -> ast.expr | None:
    """An argument given by position or by one of the names of its parameter."""
    if position < len(call.args):
        before = call.args[: position + 1]
        return None if any(isinstance(item, ast.Starred) for item in before) else before[-1]
    return next((item.value for item in call.keywords if item.arg in names), None)


def _only_array_argument(call: ast.Call) -> ast.expr | None:
    """The argument of a native function that can be an array, if just one can."""
    values = [*call.args, *(item.value for item in call.keywords)]
    if called_name(call) in _CALLING_FUNCTIONS or any(
        isinstance(item, ast.Starred) for item in call.args
    ):
        return None
    arrays = [value for value in values if _can_be_array(value)]
    return arrays[0] if len(arrays) == 1 else None


def _can_be_array(node: ast.expr) -> bool:
    """Whether an expression may yield an array, judged by its form alone."""
    if isinstance(node, ast.Attribute):
        return node.attr not in _SCALAR_ATTRIBUTES and not _is_numpy(node.value)
    if isinstance(node, ast.Subscript):
        return _can_be_array(node.value)
    if isinstance(node, ast.Call):
        name = called_name(node)
        return name not in _SCALAR_FUNCTIONS and not name.startswith("c_")
    if isinstance(node, ast.UnaryOp):
        return _can_be_array(node.operand)
    if isinstance(node, ast.BinOp):
        return _can_be_array(node.left) or _can_be_array(node.right)
    return isinstance(node, ast.Name | ast.IfExp)


def described(node: ast.expr | None, expression: str) -> ArrayExpression | None:
    """An array's expression with what it does; None for one that makes a new array from values."""
    if node is None or not _can_be_array(node):
        return None
    # The text as written keeps the user's own quotes; the parenthesis before it moves the
    # columns of its first line by one.
    text = ast.get_source_segment(f"({expression}\n)", node)
    if text is None or len(text.splitlines()) != 1 or not _means(text, node):
        text = ast.unparse(node)
    return ArrayExpression(text=text, operation=_operation(node), base=_base(node))


def _means(text: str, node: ast.expr) -> bool:
    """Whether a piece of source text is the expression of a node."""
    try:
        return ast.dump(ast.parse(text, mode="eval").body) == ast.dump(node)
    except (SyntaxError, ValueError):
        return False


def _operation(node: ast.expr) -> Operation:
    """What an expression does last to the array that it starts from."""
    if isinstance(node, ast.Name):
        return Operation.NAMED
    if isinstance(node, ast.Attribute):
        return Operation.TRANSPOSED if node.attr in _TRANSPOSING else Operation.NAMED
    if isinstance(node, ast.Call):
        name = called_name(node)
        if name in _TRANSPOSING:
            return Operation.TRANSPOSED
        return Operation.BROADCAST if name.startswith("broadcast_") else Operation.OTHER
    if isinstance(node, ast.Subscript):
        index = node.slice
        if isinstance(index, ast.Constant) and isinstance(index.value, str):
            return Operation.FIELD
        if _is_column(index):
            return Operation.COLUMN
        return Operation.SLICED
    return Operation.OTHER


def _is_column(index: ast.expr) -> bool:
    """Whether an index is ``[:, j]`` with a single ``j``."""
    if not isinstance(index, ast.Tuple) or len(index.elts) != 2:
        return False
    rows, column = index.elts
    whole = isinstance(rows, ast.Slice) and rows.lower is rows.upper is rows.step is None
    single = isinstance(column, ast.Name | ast.UnaryOp) or (
        isinstance(column, ast.Constant) and isinstance(column.value, int)
    )
    return whole and single


def _base(node: ast.expr) -> str | None:
    """The variable or attribute that an expression is one view of, as one can assign to it."""
    operation = _operation(node)
    if operation is Operation.NAMED:
        operand: ast.expr | None = node
    elif operation is Operation.OTHER:
        operand = None
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        called_on_numpy = _is_numpy(node.func.value)
        operand = _argument(node, 0, _FIRST_PARAMETERS) if called_on_numpy else node.func.value
    else:
        operand = node.value if isinstance(node, ast.Subscript | ast.Attribute) else None
    return ast.unparse(operand) if operand is not None and _is_dotted(operand) else None


def _is_dotted(node: ast.expr) -> bool:
    """Whether an expression is a chain of attributes of a variable: ``self.mesh.points``."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name)
