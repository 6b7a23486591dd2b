"""IP310 struct-padding on hand-made traces, and the comparison of records that it rests on."""

from __future__ import annotations

import ast
import ctypes
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trace_builder import argument, called, trace_of

from interprobe.facts import Fact
from interprobe.findings import Finding, Severity
from interprobe.record_layouts import differences, parse_record, read_of_ones
from interprobe.rules import ip310_struct_padding as ip310

PADDED = "id@0:i4 value@8:f8 =16"
PACKED = "id@0:i4 value@4:f8 =12"
EXPRESSION = "lib.total(samples.ctypes.data_as(RP), n)"


class Record(ctypes.Structure):
    _fields_ = (("id", ctypes.c_int), ("value", ctypes.c_double))


def _findings(
    struct: str,
    array: str,
    *,
    count: int = 6,
    told: str | None = None,
    declared: str = "POINTER(Record)",
    binding: str = "ctypes",
) -> list[Finding]:
    parsed = parse_record(array)
    size = parsed.size if parsed is not None else 1
    facts = [Fact("record-layouts", position=0, value=size, text=f"C:{struct}|A:{array}")]
    if told is not None:
        facts.append(Fact("integers-tell", position=0, text=told))
    records = np.zeros(count, f"V{size}")
    call = called(EXPRESSION, [argument(0, declared, records), argument(1, "c_size_t", None)])
    call = msgspec.structs.replace(call, facts=facts, binding=binding)
    return list(ip310.check(trace_of(call)))


def test_packed_records_for_a_padded_struct_are_an_error_with_offsets_and_numbers() -> None:
    (finding,) = _findings(PADDED, PACKED)
    assert finding.severity is Severity.ERROR
    assert "C looks for value (float64) at offset 8" in finding.cause
    assert "in the middle of the array's value (float64 at 4)" in finding.cause
    assert "The second record lies 12 bytes behind the first" in finding.cause
    assert "to read all 6, it goes 24 bytes past the array's end" in finding.cause
    assert "6 records of 12 bytes, passed as POINTER(Record) of 16 bytes" in finding.evidence


def test_the_number_that_the_cause_states_is_the_one_that_c_reads() -> None:
    (finding,) = _findings(PADDED, PACKED)
    ones = np.ones(6, [("id", "i4"), ("value", "f8")])
    read = ones.ctypes.data_as(ctypes.POINTER(Record))[0].value
    assert f"where all members are 1, it reads {read:.6g}" in finding.cause


@pytest.mark.parametrize("names", [["id", "value"], ["value", "id"]])
def test_the_fix_gives_the_struct_its_layout_and_the_values_their_names(names: list[str]) -> None:
    formats = {"id": "i4", "value": "f8"}
    samples = np.zeros(3, [(name, formats[name]) for name in names])
    samples["id"], samples["value"] = [1, 2, 3], [0.5, 1.5, 2.5]
    array = " ".join(
        f"{name}@{samples.dtype.fields[name][1]}:{formats[name]}"  # type: ignore[index]
        for name in names
    )
    (finding,) = _findings(PADDED, f"{array} =12")
    namespace: dict[str, Any] = {"np": np, "samples": samples, "Record": Record}
    exec(finding.fix.code, namespace)
    fixed = namespace["samples"]
    pointer = fixed.ctypes.data_as(ctypes.POINTER(Record))
    assert [(pointer[i].id, pointer[i].value) for i in range(3)] == [(1, 0.5), (2, 1.5), (3, 2.5)]


def test_the_fix_for_cffi_pads_the_records() -> None:
    (finding,) = _findings(PADDED, PACKED, declared="struct record *", binding="cffi")
    namespace: dict[str, Any] = {"np": np, "samples": np.ones(2, [("id", "i4"), ("value", "f8")])}
    exec(finding.fix.code, namespace)
    assert namespace["samples"].dtype.itemsize == 16
    assert namespace["samples"]["value"].tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("struct", "array", "word"),
    [
        (PADDED, "id@0:i4 value@8:f4 =16", "where the array has value (float32)"),
        (PADDED, "id@0:>i4 value@8:f8 =16", "it reads 16777216"),
        (PADDED, "value@0:f8 id@8:i4 =16", "the array's id is at 8"),
        ("a@0:i4 b@4:i4 =8", "a@0:i8 =8", "in the middle of the array's a (int64 at 0)"),
        ("a@0:i8 =8", "a@0:i4 b@4:i4 =8", "where the array has a (int32)"),
        ("x@0:f8*3 =24", "x@0:f4*3 =24", "x[0] (float64) at offset 0"),
        ("p.x@0:f8 p.y@8:f8 =16", "p.x@0:f8 p.y@8:i8 =16", "p.y (float64) at offset 8"),
        ("a@0:i4 b@8:f8 =16", "a@0:i4 b@12:f4 =16", "and reads into the array's b"),
        ("a@0:i4 b@8:f8 =24", "a@0:i4 b@16:f8 =24", "where the array has nothing"),
    ],
)
def test_members_that_c_finds_otherwise_are_an_error(struct: str, array: str, word: str) -> None:
    (finding,) = _findings(struct, array)
    assert finding.severity is Severity.ERROR
    assert word in finding.cause


def test_members_of_the_same_names_in_another_order_are_a_warning() -> None:
    (finding,) = _findings("x@0:f8 y@8:f8 =16", "y@0:f8 x@8:f8 =16")
    assert finding.severity is Severity.WARNING
    assert "where the array has y; the array's x is at 8" in finding.cause


@pytest.mark.parametrize(
    ("struct", "array"),
    [
        (PADDED, PADDED),
        (PADDED, "number@0:u4 weight@8:f8 =16"),  # other names
        ("x@0:f8 y@8:f8 z@16:f8 =24", "xyz@0:f8*3 =24"),
        ("p.x@0:f8 p.y@8:f8 =16", "x@0:f8 y@8:f8 =16"),
        ("flags@0:x4 more@0:x4 n@4:i4 =8", "bits@0:u4 n@4:i4 =8"),
        ("name@0:S1*8 n@8:i4 =12", "name@0:S8*1 n@8:i4 =12"),
        ("at@0:p8 n@8:i4 =16", "at@0:u8 n@8:i4 =16"),
        ("when@0:i8 =8", "when@0:M8 =8"),
        ("a@0:i4 reserved@4:i4 b@8:f8 =16", "a@0:i4 b@8:f8 =16"),
        ("a@0:i4 tail@4:i4 b@8:f8 =16", "a@0:i4 b@8:f8 =16"),
        ("id@0:i4 value@8:f8 =16...", "id@0:i4 value@8:f8 =16..."),
    ],
)
def test_records_of_one_layout_are_no_finding(struct: str, array: str) -> None:
    assert _findings(struct, array) == []


def test_a_single_record_may_be_followed_by_more() -> None:
    assert _findings("id@0:i4 =4", "id@0:i4 value@4:f4 =8", count=1) == []
    assert len(_findings("id@0:i4 =4", "id@0:i4 value@4:f4 =8", count=2)) == 1


def test_a_call_that_tells_the_size_of_a_record_may_step_as_it_likes() -> None:
    struct, array = "id@0:i4 =4", "id@0:i4 value@4:f4 =8"
    assert _findings(struct, array, told="1:d0=n 2:i") == []
    assert len(_findings(struct, array, told="1:d0=n=i")) == 1


def test_records_of_which_only_the_size_is_known_are_compared_by_it() -> None:
    (finding,) = _findings(PADDED, "=12...")
    assert "it goes 24 bytes past" in finding.cause
    assert _findings(PADDED, "=16...") == []


@pytest.mark.parametrize("line", ["", "...", "id@0:i4", "id@x:i4 =4", "=4 id@0:i4", "id@0:i4*x =4"])
def test_a_line_that_is_none_is_no_record(line: str) -> None:
    assert parse_record(line) is None
    assert _findings(PADDED, line) == []


def test_a_record_is_parsed_with_its_arrays_laid_out() -> None:
    layout = parse_record("id@0:i4 xyz@8:>f8*2 =24")
    assert layout is not None
    assert [(member.name, member.offset, member.noun) for member in layout.members] == [
        ("id", 0, "int32"),
        ("xyz[0]", 8, "big-endian float64"),
        ("xyz[1]", 16, "big-endian float64"),
    ]


MEMBERS = st.builds(
    "{}@{}:{}{}{}{}".format,
    st.sampled_from(["a", "b", "c.d"]),
    st.one_of(st.integers(0, 40), st.just(10**15)),
    st.sampled_from(["", ">"]),
    st.sampled_from("iufcbVSpxM"),
    st.sampled_from([0, 1, 2, 4, 8, 16, 10**12]),
    st.sampled_from(["", "*3", "*0", "*100000000"]),
)
LINES = st.builds(
    "{} ={}{}".format,
    st.lists(MEMBERS, max_size=4).map(" ".join),
    st.sampled_from([0, 1, 12, 16, 10**15]),
    st.sampled_from(["", "..."]),
)


@given(LINES, LINES)
def test_any_two_records_can_be_compared(struct: str, array: str) -> None:
    declared, held = parse_record(struct), parse_record(array)
    if declared is None or held is None:
        return
    for difference in differences(declared, held):
        read_of_ones(declared, held, difference.wanted)
    assert differences(declared, declared) == [] or len(declared.members) > 1
    for finding in _findings(struct, f"id@0:i4 ={min(max(held.size, 1), 99)}"):
        assert finding.cause
        ast.parse(finding.fix.code)
