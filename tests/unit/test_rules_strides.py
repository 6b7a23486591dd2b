"""IP302 strides-ignored and IP303 byte-order-ignored on hand-made traces."""

from __future__ import annotations

import ast
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from trace_builder import argument, called, trace_of

from interprobe.facts import Fact
from interprobe.findings import Finding, Severity
from interprobe.rules import ip302_strides_ignored as ip302
from interprobe.rules import ip303_byte_order_ignored as ip303
from interprobe.trace import Call

DP = "POINTER(c_double)"
EXPRESSION = "lib.total(x[::2].ctypes.data_as(DP), n)"
EVERY_SECOND = np.arange(100.0)[::2]


def _untold(text: str, value: int = 25, limit: int = 0) -> Fact:
    return Fact("strides-untold", position=0, value=value, limit=limit, text=text)


def _told(text: str) -> Fact:
    return Fact("integers-tell", position=0, text=text)


def _call(
    array: NDArray[Any],
    *facts: Fact,
    declared: str = DP,
    expression: str = EXPRESSION,
    function: str = "total",
    line: int = 10,
    binding: str = "ctypes",
) -> Call:
    arguments = [argument(0, declared, array), argument(1, "c_size_t", None)]
    call = called(expression, arguments, function=function, line=line)
    return msgspec.structs.replace(call, facts=list(facts), binding=binding)


def _ignored(*calls: Call) -> list[Finding]:
    return list(ip302.check(trace_of(*calls)))


def _foreign(*calls: Call) -> list[Finding]:
    return list(ip303.check(trace_of(*calls)))


def test_a_strided_array_whose_length_alone_is_told_is_an_error() -> None:
    (finding,) = _ignored(_call(EVERY_SECOND, _untold("told=all;second=2;read=1")))
    assert finding.severity is Severity.ERROR
    assert finding.subject == "total"
    assert "takes every 2nd element of a larger array" in finding.cause
    assert "The second element is 2, but C reads 1 there." in finding.cause
    assert "Of the 50 elements that it goes through, 25 are not the array's." in finding.cause
    assert "contiguous = np.ascontiguousarray(x[::2])" in finding.fix.code
    ast.parse(finding.fix.code)


def test_what_lies_past_the_end_is_counted_in_bytes() -> None:
    fact = _untold("told=all", value=49, limit=392)
    (finding,) = _ignored(_call(np.arange(50.0)[::-1], fact))
    assert "runs backwards through memory" in finding.cause
    assert "49 are not the array's, and 392 bytes lie past the end" in finding.cause


def test_a_broadcast_array_is_said_to_repeat_elements() -> None:
    row = np.broadcast_to(np.float64(1.0), (30,))
    (finding,) = _ignored(_call(row, _untold("told=all", value=29, limit=232)))
    assert "repeats elements without storing them again" in finding.cause


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("told=all;doubt=handle", "memory of the library's own"),
        ("told=all;doubt=coincidence", "both a length and a step"),
        ("told=all;doubt=interleaved", "made for such records"),
        ("told=part", ""),
        ("told=nothing", ""),
    ],
)
def test_where_an_innocent_reading_exists_it_is_a_warning(text: str, word: str) -> None:
    (finding,) = _ignored(_call(EVERY_SECOND, _untold(text, value=0)))
    assert finding.severity is Severity.WARNING
    assert word in finding.cause
    assert "that it goes through" not in finding.cause


def test_a_function_that_takes_neighbours_elsewhere_is_not_made_for_a_step() -> None:
    field = _call(EVERY_SECOND, _untold("told=all;doubt=interleaved"))
    (finding,) = _ignored(field, _call(np.arange(50.0), line=11))
    assert finding.severity is Severity.ERROR
    assert "made for such records" not in finding.cause


def test_calls_of_one_line_are_one_finding_and_as_severe_as_the_worst() -> None:
    calls = [
        _call(EVERY_SECOND, _untold("told=all;doubt=handle")),
        _call(EVERY_SECOND, _untold("told=all")),
    ]
    (finding,) = _ignored(*calls)
    assert finding.severity is Severity.ERROR
    assert [record.index for record in finding.records] == [0, 1]


def test_cffi_is_told_how_to_make_its_pointer() -> None:
    expression = 'lib.total(ffi.from_buffer("double[]", x[::2]), n)'
    call = _call(
        EVERY_SECOND,
        _untold("told=all"),
        declared="double *",
        expression=expression,
        binding="cffi",
    )
    (finding,) = _ignored(call)
    assert finding.fix.code.endswith('ffi.from_buffer("double[]", contiguous)')


ROWS_FIRST = np.zeros((3, 5))
COLUMNS_FIRST = np.asfortranarray(ROWS_FIRST)


def test_both_orders_with_the_same_lengths_in_the_same_places_are_a_warning() -> None:
    told = _told("1:d0 2:d1")
    (finding,) = _ignored(_call(ROWS_FIRST, told), _call(COLUMNS_FIRST, told, line=12))
    assert finding.severity is Severity.WARNING
    assert finding.user_site.line == 12
    assert "line 10 of" in finding.cause
    assert "read transposed" in finding.cause


@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        ("1:d0 2:d1 3:d1", "1:d0 2:d1 3:d0"),  # the leading dimension
        ("1:101 2:d0 3:d1", "1:102 2:d0 3:d1"),  # row-major, column-major
        ("1:d0 2:d1", "1:d1 2:d0"),  # the transpose, rightly told
        ("1:d0=d1 2:d0=d1", "1:d0=d1 2:d0=d1"),  # square: which is which is not known
        ("1:n", "1:n"),  # all elements, in any order
        ("1:d0 2:d1 3:t0", "1:d0 2:d1 3:t0"),
        ("1:d0 2:d1 handle", "1:d0 2:d1 handle"),
        ("", ""),
    ],
)
def test_orders_that_the_function_may_be_told_of_are_no_finding(rows: str, columns: str) -> None:
    first, second = _call(ROWS_FIRST, _told(rows)), _call(COLUMNS_FIRST, _told(columns), line=12)
    assert _ignored(first, second) == []


def test_one_order_alone_is_no_finding() -> None:
    assert _ignored(_call(COLUMNS_FIRST, _told("1:d0 2:d1"))) == []
    other = _call(ROWS_FIRST, _told("1:d0 2:d1"), function="other")
    assert _ignored(_call(COLUMNS_FIRST, _told("1:d0 2:d1")), other) == []


BIG = np.ones(10, ">f8")


@pytest.mark.parametrize(
    ("dtype", "declared", "read"),
    [
        (">f8", DP, "where the array has 1.0, C reads 3.03865e-319"),
        (">f4", "POINTER(c_float)", "where the array has 1.0, C reads 4.60060e-41"),
        (">i4", "POINTER(c_int)", "where the array has 1, C reads 16777216"),
        (">i8", "ndpointer_<i8_1d", "where the array has 1, C reads 72057594037927936"),
    ],
)
def test_foreign_bytes_behind_a_typed_pointer_are_an_error(
    dtype: str, declared: str, read: str
) -> None:
    (finding,) = _foreign(_call(np.ones(10, dtype), declared=declared))
    assert finding.severity is Severity.ERROR
    assert read in finding.cause.replace("4.6006e-41", "4.60060e-41")
    assert "most significant byte first" in finding.cause
    ast.parse(finding.fix.code)


def test_the_fix_turns_the_bytes_once() -> None:
    expression = "lib.total(x.ctypes.data_as(DP), n)"
    (finding,) = _foreign(_call(BIG, expression=expression))
    assert finding.fix.code == "x = x.astype(np.float64)"


def test_a_raw_pointer_whose_elements_are_counted_is_a_warning() -> None:
    (finding,) = _foreign(_call(BIG, _told("1:d0=n"), declared="c_void_p"))
    assert finding.severity is Severity.WARNING
    assert "The call counts its elements" in finding.cause


@pytest.mark.parametrize(
    "call",
    [
        _call(BIG, _told("1:b"), declared="c_void_p"),
        _call(BIG, _told("1:i 2:d0=n"), declared="c_void_p"),  # fwrite's size and number
        _call(BIG, _told("1:7"), declared="c_void_p"),
        _call(BIG, declared="c_void_p"),
        _call(BIG, _told("1:d0=n"), declared="c_char_p"),
        _call(BIG, _told("1:d0=n"), declared="POINTER(c_ubyte)"),
        _call(BIG, _told("1:d0=n"), declared="unsigned char *", binding="cffi"),
        _call(BIG, declared="ndpointer_<>f8_1d"),
        _call(BIG, function="byteswap_doubles"),
        _call(BIG, function="ntohd_array"),
        _call(BIG, function="from_be_f64"),
        _call(np.ones(10)),
        _call(np.ones(10, "u1"), declared="POINTER(c_ubyte)"),
        _call(np.ones(0, ">f8")),
        _call(BIG, declared="object", binding="pybind11"),
    ],
)
def test_foreign_bytes_that_may_be_meant_so_are_no_finding(call: Call) -> None:
    assert _foreign(call) == []


@given(st.text(alphabet="tolda=;all:d0123 n-handlebis", max_size=40), st.integers(), st.integers())
def test_no_text_of_a_fact_makes_the_rules_raise(text: str, value: int, limit: int) -> None:
    facts = [_untold(text, value, limit), _told(text)]
    calls = [
        _call(EVERY_SECOND, *facts),
        _call(ROWS_FIRST, *facts),
        _call(COLUMNS_FIRST, *facts),
        _call(BIG, *facts, declared="void *"),
    ]
    for finding in [*_ignored(*calls), *_foreign(*calls)]:
        assert finding.cause
        ast.parse(finding.fix.code)
