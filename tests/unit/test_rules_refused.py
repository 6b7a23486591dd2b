"""IP315 finds the argument that a message speaks of, and its cure makes the array fit."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trace_builder import argument, called, layout_of, site, trace_of

from interprobe.analysis import analyse
from interprobe.facts import Fact
from interprobe.findings import Finding, Severity
from interprobe.refusals import numpy_name, unmet
from interprobe.refused_arguments import refused_arguments
from interprobe.rules import ip315_refused_array as ip315
from interprobe.trace import Call

D = np.ones(12)
M = np.ones((3, 4))
S = np.ones(12, np.float32)
F = np.ones((4, 3)).T
GAP = np.ones((3, 8))[:, ::2]
I8 = np.ones(12, np.int64)
BIG = np.ones(12, ">f8")
TIMES = np.zeros(3, "M8[s]")
CUBE = np.ones((2, 2, 2))
FIXED = np.ones(12)
FIXED.flags.writeable = False
SHIFTED = np.frombuffer(bytearray(97), np.float64, 12, 1)
ARRAYS = {"d": D, "m": M, "s": S, "f": F, "gap": GAP, "i": I8, "big": BIG, "times": TIMES,
          "cube": CUBE, "fixed": FIXED, "shifted": SHIFTED}  # fmt: skip

OVERLOADS = "incompatible function arguments. The following argument types are supported:\n    1. "


def call(
    expression: str,
    text: str,
    *arrays: Any,
    binding: str = "Cython",
    raised: int = 1,
    count: int = 1,
) -> Call:
    arguments = [argument(position, None, array) for position, array in enumerate(arrays)]
    record = called(expression, arguments, function="kernel", count=count)
    return msgspec.structs.replace(
        record, binding=binding, facts=[Fact(kind="raised", count=raised, text=text)]
    )


def findings(record: Call) -> list[Finding]:
    return list(ip315.check(trace_of(record)))


def arrays_of(expression: str) -> list[Any]:
    """What the arguments of a call are, by the names of ARRAYS."""
    inside = expression.partition("(")[2].rpartition(")")[0]
    return [ARRAYS.get(word.split("=")[-1].strip()) for word in inside.split(",")]


REFUSED = [
    # Cython
    ("k(s)", "ValueError: Buffer dtype mismatch, expected 'double' but got 'float'",
     "takes float64 (`double`), but `s` (argument 1) holds float32"),
    ("k(i)", "ValueError: Buffer dtype mismatch, expected 'float64_t' but got 'long'",
     "but `i` (argument 1) holds int64"),
    ("k(d)", "ValueError: Buffer dtype mismatch, expected 'float' but got 'double'",
     "takes float32 (`float`), but `d` (argument 1) holds float64"),
    ("k(m)", "ValueError: Buffer has wrong number of dimensions (expected 1, got 2)",
     "takes an array with 1 dimension, but `m` (argument 1) has 2"),
    ("k(d)", "ValueError: Buffer has wrong number of dimensions (expected 2, got 1)",
     "with 2 dimensions, but `d` (argument 1) has 1: its shape is (12,)"),
    ("k(d)", "ValueError: Buffer has wrong number of dimensions (expected 3, got 1)",
     "3 dimensions"),
    ("k(cube)", "ValueError: Buffer has wrong number of dimensions (expected 2, got 3)", "has 3"),
    ("k(f)", "ValueError: ndarray is not C-contiguous",
     "row after row (C order), but `f` (argument 1) has them column after column"),
    ("k(gap)", "ValueError: ndarray is not C-contiguous",
     "`gap` (argument 1) takes every 2nd element of each row of a larger array"),
    ("k(m)", "ValueError: ndarray is not Fortran contiguous", "column after column"),
    ("k(fixed)", "ValueError: buffer source array is read-only", "is read-only"),
    ("k(big)", "ValueError: Big-endian buffer not supported on little-endian compiler",
     "big-endian"),
    ("k(gap)", "ValueError: Buffer and memoryview are not contiguous in the same dimension.",
     "without gaps"),
    ("k(i)", "TypeError: No matching signature found", "`i` (argument 1): int64 with 1 dimension"),
    ("k(times)", "ValueError: cannot include dtype 'M' in a buffer", "datetime64[s]"),
    ("k(d, gap)", "ValueError: ndarray is not C-contiguous", "`gap` (argument 2)"),
    ("k(d, right=gap)", "ValueError: ndarray is not C-contiguous", "`gap` (argument 2, `right`)"),
    # NumPy's C API, Python's buffers, SWIG's numpy.i, rust-numpy
    ("k(d)", "TypeError: Cannot cast array data from dtype('float64') to dtype('float32') "
     "according to the rule 'safe'", "takes float32, but `d` (argument 1) holds float64"),
    ("k(fixed)", "ValueError: output array is read-only", "is read-only"),
    ("k(fixed)", "ValueError: assignment destination is read-only", "is read-only"),
    ("k(fixed)", "ValueError: WRITEBACKIFCOPY base is read-only", "is read-only"),
    ("k(fixed)", "TypeError: argument 1 must be read-write bytes-like object, not numpy.ndarray",
     "is read-only"),
    ("k(gap)", "TypeError: argument 1 must be read-write bytes-like object, not numpy.ndarray",
     "every 2nd element"),
    ("k(gap)", "ValueError: expected a C-contiguous array", "every 2nd element"),
    ("k(gap)", "ValueError: Argument must be contiguous", "every 2nd element"),
    ("k(shifted)", "ValueError: the data must be aligned", "misaligned"),
    ("k(d)", "ValueError: object of too small depth for desired array", "more dimensions"),
    ("k(cube)", "ValueError: object too deep for desired array", "fewer dimensions than the 3"),
    ("k(s)", "TypeError: Array of type 'double' required.  Array of type 'float' given", "float64"),
    ("k(f)", "TypeError: Array must be contiguous.  A non-contiguous array was given", "C order"),
    ("k(big)", "TypeError: Array must have native byteorder.  A byte-swapped array was given",
     "big-endian"),
    ("k(d)", "TypeError: Array must have 2 dimensions.  Given array has 1 dimensions",
     "2 dimensions"),
    ("k(d)", "TypeError: in method 'total', argument 1 of type 'double *'", "to `double`"),
    ("k(s)", "TypeError: type mismatch:\n from=float32, to=float64", "float64"),
    ("k(s)", "TypeError: argument 'values': 'ndarray' object cannot be converted to "
     "'PyArray<T, D>'",
     "`s` (argument 1, `values`)"),
    ("k(d)", "TypeError: dimensionality mismatch:\n from=1, to=2", "2 dimensions"),
    ("k(s)", "ValueError: dtype must be float64, got float32", "float64"),
    ("k(weights=s, index=i)", "ValueError: weights must be a float64 array", "`weights`"),
    ("k(d)", "ValueError: expected a 2-D array", "2 dimensions"),
    # f2py
    ("k(d)", "ValueError: mod.f: failed to create array from the 1st argument `a` -- 0-th "
     "dimension must be fixed to 3 but got 12",
     "shape (3,), but the shape of `d` (argument 1, `a`) is (12,)"),
    ("k(m)", "ValueError: mod.f: failed to create array from the 2nd keyword `a` -- 0-th "
     "dimension must be fixed to 5 but got 3", "takes 5 elements along axis 0"),
    ("k(m)", "ValueError: failed to initialize intent(inout) array -- input not fortran contiguous",
     "Fortran order"),
    ("k(s)", "ValueError: failed to initialize intent(inout|inplace|cache) array, input 'f' not "
     "compatible to 'd'", "takes float64"),
    ("k(s)", "ValueError: failed to initialize intent(inout) array -- expected elsize=8 but got 4",
     "elements of 8 bytes"),
    ("k(cube)", "ValueError: too many axes: 3 (effrank=3), expected rank=2", "2 dimensions"),
]  # fmt: skip

CURED = [
    (expression, text)
    for expression, text, _ in REFUSED
    if not any(words in text for words in ("in method", "depth", "too deep", "0-th dimension"))
]
"""Those that another array cures: not a pointer, and not a shape that only the program knows."""

BY_CTYPES = [
    ("k(s)", "array must have data type float64", "takes float64"),
    ("k(m)", "array must have 1 dimension(s)", "1 dimension"),
    ("k(gap)", "array must have flags ['C_CONTIGUOUS']", "C order"),
    ("k(m)", "array must have flags ['F_CONTIGUOUS']", "Fortran order"),
    ("k(fixed)", "array must have flags ['C_CONTIGUOUS', 'WRITEABLE']", "is read-only"),
    ("k(d)", "array must have shape (3,)", "shape (3,)"),
    ("k(d)", "expected LP_c_double instance instead of numpy.ndarray", "a pointer to `c_double`"),
    ("k(s)", "expected LP_c_double instance instead of LP_c_float", "`POINTER(c_float)`"),
    ("k(d)", "Don't know how to convert parameter 1", "takes a pointer"),
    ("k(d)", "'numpy.ndarray' object cannot be interpreted as ctypes.c_void_p", "a pointer, and"),
    ("k(d)", "'numpy.ndarray' object cannot be interpreted as ctypes.c_char_p", "to `char`"),
    ("k(d)", "argument must be an ndarray", "takes the array itself"),
    ("k(d)", "only 0-dimensional arrays can be converted to Python scalars", "a single number"),
]


@pytest.mark.parametrize(("expression", "text", "said"), REFUSED)
def test_a_refused_argument_is_named_with_what_it_is_instead(
    expression: str, text: str, said: str
) -> None:
    (found,) = findings(call(expression, text, *arrays_of(expression)))
    assert said in found.cause
    assert found.cause.startswith("kernel ")
    assert found.subject == "kernel"
    assert " ".join(text.split()) in found.evidence
    assert found.severity is Severity.NOTE


@pytest.mark.parametrize(("expression", "message", "said"), BY_CTYPES)
def test_ctypes_names_the_argument_itself(expression: str, message: str, said: str) -> None:
    array = arrays_of(expression)[0]
    text = f"ArgumentError: argument 2: TypeError: {message}"
    (found,) = findings(call(f"k(m, {expression[2:-1]})", text, M, array, binding="ctypes"))
    assert said in found.cause
    assert "(argument 2)" in found.cause


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ("c_void_p", "takes a pointer, and nothing turns an array into one"),
        ("c_char_p", "takes a pointer to `char`"),
        ("c_double", "takes a single number"),
        ("numpy.ndarray", None),
    ],
)
def test_the_wrong_type_of_python_311_is_what_the_declaration_says(
    declared: str, said: str | None
) -> None:
    text = "ArgumentError: argument 1: TypeError: wrong type"
    record = called("k(d)", [argument(0, declared, D)])
    facts = [Fact(kind="raised", text=text)]
    found = findings(msgspec.structs.replace(record, binding="ctypes", facts=facts))
    assert [said in each.cause for each in found if said] == ([True] if said else [])
    assert len(found) == (said is not None)


@pytest.mark.parametrize(
    ("expression", "text", "said"),
    [
        ("k(s)", f"{OVERLOADS}(arg0: numpy.ndarray[numpy.float64]) -> float", "takes float64"),
        ("k(s)", f"{OVERLOADS}(v: numpy.typing.NDArray[numpy.float64]) -> int", "argument 1, `v`"),
        ("k(f)", f"{OVERLOADS}(arg0: numpy.ndarray[numpy.float64]) -> float", "C order"),
        ("k(m)", f"{OVERLOADS}(arg0: numpy.ndarray[numpy.float64]) -> float", "Fortran order"),
        (
            "k(fixed)",
            f"{OVERLOADS}(arg0: numpy.ndarray[numpy.float64[m, 1], flags.writeable]) -> None",
            "is read-only",
        ),
        (
            "k(m)",
            f'{OVERLOADS}(x: typing.Annotated[numpy.typing.NDArray[numpy.float64], "[m, n]", '
            '"flags.writeable", "flags.f_contiguous"]) -> None',
            "Fortran order",
        ),
        (
            "k(d)",
            f"{OVERLOADS}k(x: ndarray[dtype=float64, shape=(*, 3), order='C']) -> int",
            "2 dimensions",
        ),
        (
            "k(m)",
            f"{OVERLOADS}k(x: ndarray[dtype=float64, shape=(*, 3), order='C']) -> int",
            "shape (any, 3)",
        ),
        (
            "k(fixed)",
            f"{OVERLOADS}k(x: ndarray[dtype=float64, shape=(*)]) -> int",
            "is read-only",
        ),
        (
            "k(s, x)",
            f"{OVERLOADS}(arg0: numpy.ndarray[numpy.float64], arg1: float) -> float",
            "takes float64",
        ),
        (
            "k(m, x)",
            f"{OVERLOADS}k(x: ndarray[dtype=float64, shape=(*)], name: str) -> int",
            "1 dimension",
        ),
        (
            "k(s, d)",
            f"{OVERLOADS}(self: mod.Box, a: numpy.ndarray[numpy.float64], b: float) -> int",
            "`s` (argument 1, `a`)",
        ),
        (
            "k(i)",
            f"{OVERLOADS}(a: numpy.ndarray[numpy.float64]) -> int\n"
            "    2. (a: numpy.ndarray[numpy.float32]) -> int",
            "takes float64",
        ),
    ],
)
def test_overloads_are_compared_with_the_arrays(expression: str, text: str, said: str) -> None:
    text = f"TypeError: k(): {text}\n\nInvoked with: array([1., 1.]), 2.0"
    (found,) = findings(call(expression, text, *arrays_of(expression), binding="pybind11"))
    assert said in found.cause
    assert "Invoked" not in found.evidence


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("k(d)", "ValueError: values must be positive"),
        ("k(d)", "ValueError: left has 12 elements, right 3"),
        ("k(d)", "IndexError: index 12 is out of bounds for axis 0 with size 12"),
        ("k(d)", "TypeError: Argument 'name' has incorrect type (expected str, got int)"),
        ("k(d)", "TypeError: only 0-dimensional arrays can be converted to Python scalars"),
        ("k(d)", "KeyError: d"),
        ("k(d)", "StopIteration: "),
        ("k(d)", ""),
        ("k(s)", "ValueError: dtype must be float64 or float16"),
        ("k(m)", "ValueError: x must be 1-D or 2-D"),
        # The arrays meet what the message asks for: another one was refused, inside the callee.
        ("k(d)", "ValueError: ndarray is not C-contiguous"),
        ("k(d)", "ValueError: Buffer dtype mismatch, expected 'double' but got 'float'"),
        ("k(s)", "ValueError: Buffer dtype mismatch, expected 'double' but got 'long'"),
        ("k(m)", "ValueError: Buffer has wrong number of dimensions (expected 2, got 1)"),
        ("k(d)", "ValueError: buffer source array is read-only"),
        ("k(d)", "OSError: the file is read-only"),
        ("k(d, m)", "ValueError: object of too small depth for desired array"),
        ("k(1)", "ValueError: ndarray is not C-contiguous"),
        (
            "k(d, 3)",
            f"TypeError: k(): {OVERLOADS}(a: numpy.ndarray[numpy.float64], b: str) -> int",
        ),
        # The float32 array would have been converted: it was the text that was missing.
        (
            "k(s, 3)",
            f"TypeError: k(): {OVERLOADS}(a: numpy.ndarray[numpy.float64], b: str) -> int\n\n"
            "Invoked with: array([1., 1.], dtype=float32), 3",
        ),
        (
            "k(s, 3)",
            f"TypeError: k(): {OVERLOADS}k(a: ndarray[dtype=float64, shape=(*)], b: str) -> int\n\n"
            "Invoked with types: ndarray, int",
        ),
        (
            "k(f, 3)",
            f"TypeError: k(): {OVERLOADS}(a: numpy.ndarray[numpy.float64], b: mod.Box) -> int\n\n"
            "Invoked with: array([[1., 1.]]), 3",
        ),
        ("k(s)", f"TypeError: k(): {OVERLOADS}(a: mod.Box) -> int"),
        ("k(s)", f"TypeError: k(): {OVERLOADS}(a: numpy.ndarray[numpy."),
        ("k(s)", f"TypeError: k(): {OVERLOADS}(a: list[float]) -> int"),
    ],
)
def test_what_is_not_about_an_argument_yields_nothing(expression: str, text: str) -> None:
    assert findings(call(expression, text, *arrays_of(expression))) == []


def test_a_call_that_raised_nothing_yields_nothing() -> None:
    assert findings(called("k(d)", [argument(0, None, GAP)])) == []


@pytest.mark.parametrize(("expression", "text"), CURED)
def test_the_cure_makes_an_array_that_meets_the_demand(expression: str, text: str) -> None:
    record = call(expression, text, *arrays_of(expression))
    (refused,) = refused_arguments(record, text)
    (found,) = findings(record)
    assert refused.array is not None
    names: dict[str, Any] = {"np": np, **ARRAYS}
    exec(found.fix.code, names)
    cured = layout_of(names[refused.array.text])
    assert cured != refused.given
    if not (refused.part.any_type or refused.part.exportable):
        assert unmet(cured, refused.part) is None


def test_where_several_arrays_fail_all_are_named() -> None:
    (found,) = findings(call("k(gap, f)", "ValueError: ndarray is not C-contiguous", GAP, F))
    assert "does not say which argument" in found.cause
    assert "`gap` (argument 1)" in found.cause
    assert "`f` (argument 2)" in found.cause
    assert found.fix.code.splitlines() == [
        "gap = np.ascontiguousarray(gap)",
        "f = np.ascontiguousarray(f)",
    ]


def test_one_array_passed_twice_is_named_once() -> None:
    (found,) = findings(call("k(gap, gap)", "ValueError: ndarray is not C-contiguous", GAP, GAP))
    assert "does not say which" not in found.cause


def test_a_pointer_is_made_of_an_array_of_its_type() -> None:
    text = (
        "ArgumentError: argument 1: TypeError: expected LP_c_double instance instead of LP_c_float"
    )
    (found,) = findings(call("k(s.ctypes.data_as(FP))", text, S, binding="ctypes"))
    assert found.fix.code == (
        "s = np.ascontiguousarray(s, dtype=np.float64)\n"
        "pointer = s.ctypes.data_as(ctypes.POINTER(ctypes.c_double))"
    )
    text = "TypeError: initializer for ctype 'double *' must be a cdata pointer, not numpy.ndarray"
    (found,) = findings(call("k(ffi.from_buffer('double[]', m), d)", text, M, D, binding="cffi"))
    assert "`d` (argument 2)" in found.cause
    assert found.fix.code == 'pointer = ffi.from_buffer("double[]", d)'


def test_read_only_arrays_are_cured_in_the_declaration_where_cython_only_reads() -> None:
    text = "ValueError: buffer source array is read-only"
    (found,) = findings(call("k(fixed)", text, FIXED))
    assert "const double[:]" in found.fix.text
    (found,) = findings(call("k(fixed)", text, FIXED, binding="C API"))
    assert "const" not in found.fix.text


def test_a_type_that_only_the_source_explains_is_named() -> None:
    text = "ValueError: Buffer dtype mismatch, expected 'DTYPE_t' but got 'float'"
    (found,) = findings(call("k(s)", text, S))
    assert "its own type `DTYPE_t`" in found.cause
    assert found.fix.code == "s = np.ascontiguousarray(s, dtype=DTYPE_t)"
    (found,) = findings(call("k(s)", text.replace("DTYPE_t", "class"), S))
    assert found.fix.code == "s = np.ascontiguousarray(s, dtype=wanted)"


def test_inside_a_library_the_source_of_the_users_line_names_no_argument() -> None:
    record = call("tool.run(s)", "ValueError: ndarray is not C-contiguous", GAP)
    inside = msgspec.structs.replace(record, site=site("k(work)", 3, "/usr/lib/tool.py"))
    (found,) = findings(inside)
    assert "the array of argument 1" in found.cause
    assert "`s`" not in found.cause


def test_the_calls_are_counted_and_their_time_is_the_cost() -> None:
    text = "ValueError: ndarray is not C-contiguous"
    (found,) = findings(call("k(gap)", text, GAP, raised=50, count=50))
    assert found.evidence.startswith("50 calls of kernel")
    assert (found.cost.seconds, found.cost.share) == (0.25, 0.25)
    (found,) = findings(call("k(gap)", text, GAP, raised=2, count=50))
    assert found.cost.seconds == pytest.approx(0.02)


@pytest.mark.parametrize(
    ("status", "process", "handled", "severity", "said"),
    [
        (0, 0, True, Severity.NOTE, "The program went on after the exception"),
        (1, 0, True, Severity.NOTE, ""),
        (None, 0, False, Severity.NOTE, ""),
        (0, 0, False, Severity.NOTE, "The program went on"),
        (1, 0, False, Severity.ERROR, "ended with it, with exit status 1"),
        (0, 1, False, Severity.ERROR, "Nothing handled the exception"),
    ],
)
def test_only_what_ends_the_program_is_an_error(
    status: int | None, process: int, handled: bool, severity: Severity, said: str
) -> None:
    text = "ValueError: ndarray is not C-contiguous"
    record = call("k(gap)", text, GAP)
    facts = record.facts if handled else [*record.facts, Fact(kind="unhandled", text=text)]
    trace = trace_of(msgspec.structs.replace(record, facts=facts, process=process))
    meta = msgspec.structs.replace(trace.meta, exit_status=status)
    (found,) = ip315.check(msgspec.structs.replace(trace, meta=meta))
    assert found.severity is severity
    assert said in found.cause
    assert ("Nothing handled" in found.cause) is (severity is Severity.ERROR)


@pytest.mark.parametrize(
    ("binding", "text", "count", "rules"),
    [
        ("ctypes", "ArgumentError: argument 1: TypeError: wrong type", 1, set()),
        ("ctypes", "ArgumentError: argument 1: TypeError: wrong type", 2, {"IP301"}),
        ("ctypes", "ValueError: the kernel says no", 1, {"IP301"}),  # its errcheck: C has run
        ("cffi", "TypeError: initializer for ctype 'int' must be a cdata", 1, set()),
    ],
)
def test_what_was_refused_before_c_ran_is_no_misreading(
    binding: str, text: str, count: int, rules: set[str]
) -> None:
    record = called("lib.f(s)", [argument(0, "POINTER(c_double)", S)], count=count)
    facts = [Fact(kind="raised", text=text)]
    trace = trace_of(msgspec.structs.replace(record, binding=binding, facts=facts))
    assert {found.rule for found in analyse(trace).findings} == rules
    assert analyse(trace).calls == trace.calls


def test_calls_of_one_line_are_one_finding() -> None:
    one = call("k(x)", "ValueError: ndarray is not C-contiguous", GAP)
    other = call("k(x)", "ValueError: buffer source array is read-only", FIXED)
    (found,) = ip315.check(trace_of(one, other))
    assert [record.index for record in found.records] == [0, 1]
    assert "every 2nd element" in found.cause
    assert "read-only" in found.cause


def test_element_types_are_known_in_every_spelling() -> None:
    for written in (
        "double",
        "float64",
        "float64_t",
        "np.float64",
        "c_double",
        "f64",
        "npy_double",
    ):
        assert numpy_name(written) == "float64"
    assert numpy_name("complex double") == numpy_name("complex128_t") == "complex128"
    assert numpy_name("DTYPE_t") is numpy_name("Point") is None


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([text for _, text, _ in REFUSED]),
    st.text(max_size=30),
    st.integers(0, 120),
    st.lists(st.sampled_from([None, *ARRAYS.values()]), max_size=4),
    st.sampled_from(
        ["k(a, b)", "k(*a)", "k(a.ctypes, n=b, c=c)", "x = 1", "", "k(a[::2], (b+c).T)"]
    ),
)
def test_whatever_a_message_says_the_rule_answers(
    text: str, inserted: str, where: int, arrays: list[Any], expression: str
) -> None:
    changed = text[:where] + inserted + text[where:]
    for found in analyse(trace_of(call(expression, changed, *arrays))).findings:
        assert found.cause
        compile(found.fix.code, "cure", "exec")
