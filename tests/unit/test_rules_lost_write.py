"""IP307 lost-write on hand-made traces."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from trace_builder import LIBRARY, argument, called, copied, site, trace_of

from interprobe.facts import Fact
from interprobe.findings import Finding, Severity
from interprobe.rules import ip307_lost_write as ip307
from interprobe.trace import Call, Copy, Native

SINGLE: NDArray[Any] = np.ones(100, np.float32)
DOUBLE: NDArray[Any] = np.ones(100)
GLUE = Native(library=LIBRARY)


def _fact(kind: str, expression: str, position: int | None = 0) -> Fact:
    return Fact(
        kind=kind,
        position=position,
        count=3,
        value=60,
        limit=64,
        text="1 became 2",
        site=site(expression),
    )


def _findings(
    expression: str = "scale(x, 2.0)",
    *,
    kind: str = "write_lost_none_returned",
    mechanism: str = "PyArray_FromAny",
    binding: str = "pybind11",
    function: str = "scale",
    native: Native | None = GLUE,
    conversion: str | None = None,
    position: int = 0,
) -> list[Finding]:
    """The findings on three calls with one lost copy each."""
    fact = _fact(kind, conversion or expression, position)
    arguments = [argument(0, None, SINGLE)]
    call = called(expression, arguments, function=function, count=3)
    copy = copied(
        conversion or expression,
        SINGLE,
        DOUBLE,
        ["dtype"],
        mechanism=mechanism,
        kind="cast",
        native=native,
        count=3,
    )
    call = msgspec.structs.replace(call, binding=binding, facts=[fact])
    copy = msgspec.structs.replace(copy, facts=[fact])
    return list(ip307.check(trace_of(copied("other", DOUBLE, DOUBLE, []), copy, call)))


def _only(found: list[Finding]) -> Finding:
    assert len(found) == 1, found
    return found[0]


def test_an_implicit_conversion_lost_what_was_written() -> None:
    found = _only(_findings())
    assert found.severity is Severity.ERROR
    assert found.cause == (
        "`x` is float32 (100,), contiguous, 400 bytes: scale takes float64, so it was handed a "
        "converted copy (by pybind11, through PyArray_FromAny). scale wrote into that copy (60 of "
        "64 elements looked at were changed; the first: 1 became 2), and it was dropped before "
        "anything could read it: `x` still holds what it held. The call returned None and changed "
        "nothing else that it was given."
    )
    assert found.evidence == (
        "3 lost copies in 3 calls of scale in libfit.so: float32 (100,), contiguous, 400 bytes -> "
        "float64 (100,), contiguous, 800 bytes"
    )
    assert [(index.list, index.index) for index in found.records] == [("calls", 0), ("copies", 1)]
    assert ".noconvert()" in found.fix.text
    assert found.fix.code == (
        "converted = np.ascontiguousarray(x, dtype=np.float64)\nscale(converted, 2.0)\n"
        "x[...] = converted"
    )


def test_a_conversion_in_the_call() -> None:
    found = _only(
        _findings(
            "lib.scale(np.asarray(x, float).ctypes.data_as(DP), 3)",
            kind="write_lost_zero_returned",
            mechanism="numpy.asarray",
            binding="ctypes",
            native=None,
            conversion="np.asarray(x, float)",
        )
    )
    assert found.severity is Severity.ERROR
    assert "np.asarray made a copy of it as float64 for the call" in found.cause
    assert "The call returned 0" in found.cause
    assert found.fix.code.splitlines()[1] == "lib.scale(converted.ctypes.data_as(DP), 3)"


@pytest.mark.parametrize(
    ("changes", "severity"),
    [
        ({"kind": "write_lost_integer_returned"}, Severity.WARNING),
        ({"function": "Model.fit"}, Severity.WARNING),
        ({"mechanism": "ndarray.astype", "native": None, "binding": "Cython"}, Severity.WARNING),
        ({"mechanism": "numpy.asarray", "binding": "Cython"}, Severity.WARNING),
        ({"mechanism": "ndarray.astype", "binding": "nanobind"}, Severity.ERROR),
        ({"mechanism": "PyArray_FromAny", "binding": "C API"}, Severity.ERROR),
    ],
)
def test_how_sure_it_is(changes: dict[str, Any], severity: Severity) -> None:
    assert _only(_findings(**changes)).severity is severity


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "write_lost_result_returned"},
        {"mechanism": "numpy.array", "binding": "Cython"},
        {"mechanism": "PyArray_NewCopy", "binding": "C API"},
        {"kind": "something_else"},
    ],
)
def test_scratch_space_is_no_loss(changes: dict[str, Any]) -> None:
    assert _findings(**changes) == []


def test_the_calls_words_name_the_output() -> None:
    kind = "write_lost_result_returned"
    found = _only(_findings("fill(n, out=x)", kind=kind, position=1))
    assert found.severity is Severity.ERROR
    assert "`out=` says that the result belongs into the array." in found.cause
    assert found.fix.code.splitlines()[1] == "fill(n, out=converted)"
    assert _findings("fill(n, out=y, x=x)", kind=kind, position=2) == []


def _in_library(expression: str, kind: str = "write_dropped_in_library") -> list[Finding]:
    copy = copied(
        expression,
        SINGLE,
        DOUBLE,
        ["dtype"],
        mechanism="ndarray.astype",
        inside=site("data.astype(float)", 80, "/usr/lib/python3/dist-packages/geo.py"),
    )
    copy = msgspec.structs.replace(copy, facts=[_fact(kind, "", None)])
    return list(ip307.check(trace_of(copy)))


def test_in_place_on_a_copy() -> None:
    found = _only(_in_library("t.transform(x, y, inplace=True)"))
    assert found.severity is Severity.ERROR
    assert found.cause.startswith("`inplace=True` says that the arrays passed are to be changed")
    assert _in_library("t.transform(x, y)") == []
    assert _in_library("t.transform(x, y, inplace=False)") == []
    assert _in_library("t.transform(x, y, inplace=flag)") == []


def test_an_ignored_output() -> None:
    fact = Fact(kind="output_ignored", position=2, value=400, text="0 instead of 7")
    call: Call = called("blur(a, 5, dst=y)", [argument(2, None, DOUBLE)], function="blur")
    found = _only(list(ip307.check(trace_of(msgspec.structs.replace(call, facts=[fact])))))
    assert found.severity is Severity.ERROR
    assert "`dst=y` says where to write, but blur did not take `y`" in found.cause
    assert "It holds 0 instead of 7." in found.cause
    assert found.fix.code == "y = blur(a, 5, dst=y)"


def _overwritten(expression: str, unmet: list[str]) -> list[Finding]:
    matrix = np.ones((30, 40))
    copy: Copy = copied(
        expression,
        matrix,
        np.asfortranarray(matrix),
        unmet,
        mechanism="PyArray_FromArray",
        native=GLUE,
    )
    return list(ip307.check(trace_of(copy)))


def test_permission_to_overwrite_is_a_note() -> None:
    found = _only(_overwritten("lu_factor(a, overwrite_a=True)", ["F_CONTIGUOUS"]))
    assert found.severity is Severity.NOTE
    assert "`overwrite_a=True` allows the call to overwrite `a`" in found.cause
    assert _overwritten("lu_factor(a, overwrite_a=False)", ["F_CONTIGUOUS"]) == []
    assert _overwritten("lu_factor(a)", ["F_CONTIGUOUS"]) == []
    assert _overwritten("solve(a, b, overwrite_a=True)", ["F_CONTIGUOUS"]) == []
    assert _overwritten("lu_factor(a, overwrite_a=True)", ["OWNDATA"]) == []
