"""IP103 to IP106, the conversions of dtype, byte order, alignment and broadcast arrays."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest
from trace_builder import copied, native_code, retyped, trace_of, transposed

from interprobe.findings import Finding, Severity
from interprobe.rules import ip101_non_contiguous_view as ip101
from interprobe.rules import ip103_dtype_conversion as ip103
from interprobe.rules import ip104_byte_order_conversion as ip104
from interprobe.rules import ip105_alignment_conversion as ip105
from interprobe.rules import ip106_broadcast_materialised as ip106
from interprobe.trace import Copy

RULES = [ip103, ip104, ip105, ip106]


def _swapped(unmet: list[str] | None = None, **options: Any) -> Copy:
    source = np.zeros(100, ">f8")
    unmet = ["NOTSWAPPED"] if unmet is None else unmet
    options = {"mechanism": "numpy.asarray", "kind": "byteswap", **options}
    return copied("np.asarray(raw, np.float64)", source, np.zeros(100), unmet, **options)


def _misaligned(**options: Any) -> Copy:
    source = np.frombuffer(bytes(813), np.float64, offset=13)
    options = {"mechanism": "numpy.require", "kind": "align", **options}
    return copied('np.require(x, requirements="A")', source, np.zeros(100), ["ALIGNED"], **options)


def _spread(**options: Any) -> Copy:
    source = np.broadcast_to(np.zeros(50), (1000, 50))
    options = {"kind": "broadcast", **options}
    expression = "np.ascontiguousarray(np.broadcast_to(row, (1000, 50)))"
    return copied(expression, source, source.copy(), ["C_CONTIGUOUS"], **options)


def _only(rule: ModuleType, *records: Copy) -> Finding:
    (finding,) = rule.check(trace_of(*records))
    assert isinstance(finding, Finding)
    return finding


FIRING = [
    pytest.param(ip103, retyped, id="IP103"),
    pytest.param(ip104, _swapped, id="IP104"),
    pytest.param(ip105, _misaligned, id="IP105"),
    pytest.param(ip106, _spread, id="IP106"),
]


@pytest.mark.parametrize(("rule", "record"), FIRING)
def test_each_cause_fires_its_own_rule_only(rule: ModuleType, record: Any) -> None:
    trace = trace_of(record())
    fired = [one.CODE for one in [ip101, *RULES] if list(one.check(trace))]
    assert fired == [rule.CODE]


@pytest.mark.parametrize(("rule", "record"), FIRING)
def test_severity_follows_the_measured_share(rule: ModuleType, record: Any) -> None:
    (note,) = rule.check(trace_of(record(seconds=0.1999), seconds=2.0))
    (warning,) = rule.check(trace_of(record(seconds=0.2), seconds=2.0))
    assert (note.severity, warning.severity) == (Severity.NOTE, Severity.WARNING)
    assert warning.cost.share == pytest.approx(0.1)


@pytest.mark.parametrize(("rule", "record"), FIRING)
def test_records_of_one_place_merge_and_others_do_not(rule: ModuleType, record: Any) -> None:
    trace = trace_of(
        record(count=2, seconds=0.1),
        record(count=3, seconds=0.2),
        record(line=11),
        record(native=native_code()),
    )
    findings = list(rule.check(trace))
    assert [[one.index for one in finding.records] for finding in findings] == [[0, 1], [2], [3]]
    assert findings[0].cost.seconds == pytest.approx(0.3)
    assert findings[0].cost.bytes == trace.copies[0].bytes + trace.copies[1].bytes
    assert findings[0].evidence.startswith("5 copies of ")


@pytest.mark.parametrize(("rule", "record"), FIRING)
def test_an_explicit_copy_is_no_finding(rule: ModuleType, record: Any) -> None:
    assert not list(rule.check(trace_of(record(explicit=True))))


@pytest.mark.parametrize("rule", RULES)
def test_another_order_alone_is_no_finding(rule: ModuleType) -> None:
    assert not list(rule.check(trace_of(transposed())))


@pytest.mark.parametrize("rule", RULES)
def test_a_sequence_is_no_finding(rule: ModuleType) -> None:
    unmet = ["dtype", "NOTSWAPPED", "ALIGNED"]
    record = copied("np.array([1, 2])", None, np.zeros(2), unmet, kind="sequence")
    assert not list(rule.check(trace_of(record)))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("unmet", ["WRITEABLE", "OWNDATA", "ENSUREARRAY"])
def test_requirements_of_ownership_are_no_finding(rule: ModuleType, unmet: str) -> None:
    record = copied("f(x)", np.zeros(9), np.zeros(9), [unmet], kind="duplicate")
    assert not list(rule.check(trace_of(record)))


def test_ip103_names_both_types_and_their_sizes() -> None:
    finding = _only(ip103, retyped())
    assert "`x` holds float32, 4 bytes an element where float64 takes 8" in finding.cause
    assert finding.fix.code == "x = np.empty(shape, dtype=np.float64)  # where x is made"


def test_ip103_speaks_of_a_type_that_differs_only_in_what_its_name_does_not_tell() -> None:
    before, after = np.dtype("f4,i4"), np.dtype("i4,f4")
    record = copied("f(x)", np.zeros(9, before), np.zeros(9, after), ["dtype"], kind="cast")
    finding = _only(ip103, record)
    assert "holds records of 8 bytes with other fields" in finding.cause
    assert "dtype=dtype" in finding.fix.code


def test_a_dtype_that_differs_in_byte_order_alone_is_ip104() -> None:
    trace = trace_of(_swapped(unmet=["dtype"]))
    assert not list(ip103.check(trace))
    (finding,) = ip104.check(trace)
    assert "`raw` is big-endian" in finding.cause
    assert "asks for little-endian float64" in finding.cause


def test_another_dtype_in_foreign_byte_order_is_both_with_one_fix() -> None:
    unmet = ["dtype", "NOTSWAPPED"]
    source = np.zeros(100, ">f4")
    trace = trace_of(
        copied("np.asarray(raw, np.float64)", source, np.zeros(100), unmet, kind="cast+byteswap")
    )
    (retyping,), (swapping,) = ip103.check(trace), ip104.check(trace)
    assert retyping.fix == swapping.fix
    assert retyping.records == swapping.records
    assert "np.float64" in retyping.fix.code


def test_a_native_array_written_as_big_endian_is_swapped_where_it_leaves() -> None:
    record = copied("x.astype('>f8')", np.zeros(9), np.zeros(9, ">f8"), ["dtype"], kind="byteswap")
    finding = _only(ip104, record)
    assert "`x` is little-endian" in finding.cause
    assert "where the data are written" in finding.fix.text
    assert finding.fix.code.startswith("x_converted = x.astype('>f8')")


def test_one_swap_of_foreign_data_is_told_to_be_the_price() -> None:
    assert "need one swap" in _only(ip104, _swapped(count=1)).fix.text
    assert "need one swap" not in _only(ip104, _swapped(count=2)).fix.text


def test_the_swap_advised_by_ip104_leaves_nothing_to_convert() -> None:
    names = {"np": np, "raw": np.arange(5.0).astype(">f8")}
    exec(_only(ip104, _swapped(count=2)).fix.code, names)
    raw = names["raw"]
    assert isinstance(raw, np.ndarray)
    assert np.shares_memory(np.asarray(raw, np.float64), raw)
    assert raw.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_ip105_advises_padding_for_a_buffer() -> None:
    finding = _only(ip105, _misaligned())
    assert "`x` is misaligned" in finding.cause
    assert finding.fix.code == (
        "x = np.frombuffer(buffer, dtype=np.float64, offset=header)"
        "  # header: a multiple of 8 bytes"
    )


def test_ip105_advises_an_aligned_dtype_for_a_field_of_packed_records() -> None:
    field = np.zeros(100, dtype=[("kind", "u1"), ("energy", "f8")])["energy"]
    record = copied('np.require(e["energy"], None, "A")', field, field.copy(), ["ALIGNED"])
    fix = _only(ip105, record).fix
    assert fix.code == "e = np.empty(count, dtype=np.dtype(fields, align=True))"


def test_a_misaligned_field_with_gaps_gets_one_fix_for_both_causes() -> None:
    field = np.zeros(100, dtype=[("kind", "u1"), ("energy", "f8")])["energy"]
    unmet = ["C_CONTIGUOUS", "ALIGNED"]
    trace = trace_of(copied('np.require(e["energy"], None, "CA")', field, field.copy(), unmet))
    (gaps,), (alignment,) = ip101.check(trace), ip105.check(trace)
    assert gaps.fix == alignment.fix
    assert "Keep each field in an array of its own" in gaps.fix.text


def test_the_conversion_advised_for_misaligned_data_in_the_other_order_meets_both() -> None:
    source = np.frombuffer(bytes(813), np.float64, offset=13).reshape(10, 10).T
    record = copied(
        "ext.norm(m)",
        source,
        np.zeros((10, 10)),
        ["C_CONTIGUOUS", "ALIGNED"],
        mechanism="PyArray_FromAny",
        count=2,
        repeated=1,
    )
    code = _only(ip105, record).fix.code.splitlines()[-1]
    names: dict[str, Any] = {"np": np, "m": source}
    exec(code, names)
    assert names["m_converted"].flags.c_contiguous
    assert names["m_converted"].flags.aligned


def test_ip106_compares_what_is_in_memory_with_what_was_written() -> None:
    finding = _only(ip106, _spread())
    assert "the same 400 bytes of numbers again and again" in finding.cause
    assert "NumPy wrote out all 400 kB" in finding.cause
    assert "Pass `row`" in finding.fix.text


def test_ip106_fires_for_a_stride_of_zero_that_had_to_be_made_contiguous() -> None:
    assert _only(ip106, _spread(kind="strided")).rule == "IP106"


def test_a_broadcast_array_that_was_made_full_for_its_dtype_is_ip103_and_ip106() -> None:
    source = np.broadcast_to(np.zeros(50, np.float32), (1000, 50))
    result = np.zeros((1000, 50))
    trace = trace_of(copied("b.astype(float)", source, result, ["dtype"], kind="cast+broadcast"))
    assert len(list(ip103.check(trace))) == len(list(ip106.check(trace))) == 1


@pytest.mark.parametrize(
    ("array", "code"),
    [
        ("np.broadcast_to(row, (9, 5))", "row = np.empty(shape, dtype=np.float64)"),
        ("spread", ""),
    ],
)
def test_ip103_never_advises_to_make_a_broadcast_array_full(array: str, code: str) -> None:
    source = np.broadcast_to(np.zeros(5, np.float32), (9, 5))
    unmet = ["dtype", "C_CONTIGUOUS"]
    kind = "cast+broadcast"
    expression = f"np.ascontiguousarray({array}, float)"
    record = copied(expression, source, np.zeros((9, 5)), unmet, kind=kind)
    fix = _only(ip103, record).fix
    assert fix.code.partition("  #")[0] == code
    assert "as it is" not in fix.text  # it would still be written out, as IP106 says
    assert "asks for" not in fix.text


def test_a_broadcast_that_no_requirement_forced_is_no_finding() -> None:
    source = np.zeros(50)
    record = copied("f(dst, src)", source, np.zeros((1000, 50)), [], kind="broadcast")
    assert not list(ip106.check(trace_of(record)))


def test_a_broadcast_array_that_stays_broadcast_is_no_ip106() -> None:
    source = np.broadcast_to(np.zeros(50, np.float32), (1000, 50))
    record = copied("f(b)", source, np.zeros((1000, 50)), ["dtype"], kind="cast")
    assert not list(ip106.check(trace_of(record)))
