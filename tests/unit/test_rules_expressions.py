"""Which expression of the user's line was converted, and what it does to its variable."""

from __future__ import annotations

import pytest
from trace_builder import argument, site, transposed

from interprobe.expressions import (
    ArrayExpression,
    Operation,
    converted_array,
    is_call,
    pointed_array,
    sparing_call,
)


def _converted(expression: str, *, mechanism: str = "numpy.asarray", inside: bool = False) -> str:
    place = site("somewhere", 3, "/usr/lib/library.py") if inside else None
    found = converted_array(transposed(expression, mechanism=mechanism, inside=place))
    return found.text if found is not None else ""


@pytest.mark.parametrize(
    ("expression", "array"),
    [
        ("np.ascontiguousarray(a[:, ::2])", "a[:, ::2]"),
        ("np.asarray(a=x)", "x"),
        ("np.array(object=x)", "x"),
        ("asarray(x)", "x"),
        ("numpy.require(x.T, None, 'C')", "x.T"),
        ("np.ravel(x)", "x"),
        ("self.mesh.points.astype(float)", "self.mesh.points"),
        ("x.T.ravel()", "x.T"),
        ("(a + b).astype(float)", "a + b"),
        ("np.copyto(out, x.T)", "x.T"),
        ("np.copyto(dst=out, src=x)", "x"),
        ('np.asarray(points["x"])', 'points["x"]'),
        ("np.asarray(\n    x.T,\n    dtype=float,\n)", "x.T"),
        ("np.asarray(x[\n0])", "x[0]"),
        ("np.asarray(größe.T)", "größe.T"),
        ("y = np.asarray(x.T)", "x.T"),
        ("ext.norm(x.T, 3)", "x.T"),
        ("ext.norm(x, len(x), x.shape[0], np.float64)", "x"),
        ("lib.f(x, ctypes.c_size_t(3))", "x"),
        ("ext.norm(values=x)", "x"),
        ("ext.norm(2 * x)", "2 * x"),
    ],
)
def test_the_converted_array_is_found(expression: str, array: str) -> None:
    assert _converted(expression) == array


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "ext.norm(x, y)",
        "ext.norm(*arrays)",
        "ext.norm()",
        "ext.norm(3)",
        "a @ b",
        "x",
        "np.asarray([a, b])",
        "np.asarray(*arrays)",
        "np.asarray()",
        "y = np.asarray(a) + np.asarray(b)",
        "y = ext.norm(x)",
        "np.asarray(",
        "return",
        "\0",
        "-" * 2000 + "x",
    ],
)
def test_what_the_text_does_not_tell_is_not_guessed(expression: str) -> None:
    assert _converted(expression) == ""


def test_a_name_that_is_not_the_mechanism_does_not_count_in_a_statement() -> None:
    assert _converted("y = np.asarray(x)", mechanism="ndarray.astype") == ""


@pytest.mark.parametrize(
    ("expression", "array"),
    [
        ("np.require(x, None, 'C')", "x"),
        ("np.asarray(frame)", "frame"),
        ("frame.astype(float)", ""),
        ("model.fit(X)", ""),
    ],
)
def test_inside_a_library_only_numpys_own_functions_tell(expression: str, array: str) -> None:
    assert _converted(expression, inside=True) == array


@pytest.mark.parametrize(
    ("array", "operation", "base"),
    [
        ("x", Operation.NAMED, "x"),
        ("self.field", Operation.NAMED, "self.field"),
        ("rows[0].field", Operation.NAMED, None),
        ("field.T", Operation.TRANSPOSED, "field"),
        ("self.field.transpose()", Operation.TRANSPOSED, "self.field"),
        ("np.transpose(field)", Operation.TRANSPOSED, "field"),
        ("np.swapaxes(a=field, axis1=0, axis2=1)", Operation.TRANSPOSED, "field"),
        ("a[::2].T", Operation.TRANSPOSED, None),
        ("points['x']", Operation.FIELD, "points"),
        ("table[:, 3]", Operation.COLUMN, "table"),
        ("table[:, -1]", Operation.COLUMN, "table"),
        ("table[:, j]", Operation.COLUMN, "table"),
        ("table[1:, 3]", Operation.SLICED, "table"),
        ("table[:, ::2]", Operation.SLICED, "table"),
        ("table[3]", Operation.SLICED, "table"),
        ("np.broadcast_to(row, shape)", Operation.BROADCAST, "row"),
        ("load(path)", Operation.OTHER, None),
        ("a + b", Operation.OTHER, None),
    ],
)
def test_what_an_expression_does_to_its_variable(
    array: str, operation: Operation, base: str | None
) -> None:
    found = converted_array(transposed(f"np.asarray({array})", mechanism="numpy.asarray"))
    assert found == ArrayExpression(array, operation, base)


@pytest.mark.parametrize(
    ("expression", "position", "array"),
    [
        ("lib.f(x.ctypes.data_as(DP), y.ctypes.data)", 0, "x"),
        ("lib.f(x.ctypes.data_as(DP), y.ctypes.data)", 1, "y"),
        ("lib.f(ctypes.c_void_p(x.ctypes.data))", 0, "x"),
        ("lib.f(np.asarray(x).ctypes.data)", 0, "np.asarray(x)"),
        ("lib.f(pointer)", 0, None),
        ("lib.f(x.ctypes.data)", 1, None),
        ("lib.f(*pointers, x.ctypes.data)", 1, None),
        ("value = lib.f(x.ctypes.data)", 0, None),
    ],
)
def test_the_array_behind_a_pointer(expression: str, position: int, array: str | None) -> None:
    found = pointed_array(expression, argument(position, None, None).position)
    assert (found.text if found is not None else None) == array


@pytest.mark.parametrize(
    ("expression", "sparing"),
    [
        ("np.array(x)", "np.asarray(x)"),
        ("np.array(x, float)", "np.asarray(x, float)"),
        ("np.array(np.array(x))", "np.asarray(np.array(x))"),
        ("np.array(x, ndmin=2)", None),
        ("array(x)", None),
        ("np.array()", None),
        ("x.astype(float)", "x.astype(float, copy=False)"),
        ("x.astype(float, copy=True)", None),
        ("np.asarray(x)", None),
        ("y = np.array(x)", None),
        ("np.array(", None),
    ],
)
def test_a_call_that_copies_only_what_does_not_fit(expression: str, sparing: str | None) -> None:
    assert sparing_call(expression) == sparing


@pytest.mark.parametrize(
    ("expression", "call"), [("f(x)", True), ("y = f(x)", False), ("x + f(x)", False), ("", False)]
)
def test_whether_a_text_is_one_call(expression: str, call: bool) -> None:
    assert is_call(expression) is call
