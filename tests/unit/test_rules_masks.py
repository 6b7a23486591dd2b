"""IP313 mask-dropped on hand-made traces."""

from __future__ import annotations

import ast

import msgspec
import numpy as np
import pytest
from trace_builder import argument, called, layout_of, site, trace_of

from interprobe.facts import Fact
from interprobe.findings import Finding, Severity
from interprobe.rules import ip313_mask_dropped as ip313
from interprobe.trace import Borrow, Call, Trace

READINGS = np.arange(10.0)
MASK = Fact("mask-dropped", position=0, value=3, limit=10, text="-9999")


def _call(expression: str, *facts: Fact, binding: str = "ctypes") -> Call:
    call = called(expression, [argument(0, "POINTER(c_double)", READINGS)])
    return msgspec.structs.replace(call, facts=list(facts), binding=binding)


def _borrow(
    requested: str = "STRIDES|FORMAT",
    consumer: str = "field.cpython-312-x86_64-linux-gnu.so:total",
    expression: str = "field.total(readings)",
    fact: Fact | None = None,
) -> Borrow:
    place = site(expression)
    fact = msgspec.structs.replace(MASK, position=None) if fact is None else fact
    return Borrow(0, place, place, consumer, requested, layout_of(READINGS), 2, 160, [fact])


def _findings(*calls: Call, borrows: list[Borrow] | None = None) -> list[Finding]:
    trace: Trace = msgspec.structs.replace(trace_of(*calls), borrows=borrows or [])
    return list(ip313.check(trace))


def test_a_masked_array_behind_a_pointer_is_a_warning_with_its_count_and_value() -> None:
    (finding,) = _findings(_call("lib.total(readings.ctypes.data_as(DP), 10)", MASK))
    assert finding.severity is Severity.WARNING
    assert "a pointer to `readings`, which is masked" in finding.cause
    assert "3 of 10 elements count as missing" in finding.cause
    assert "-9999 in the first of them" in finding.cause
    assert "readings = readings.compressed()" in finding.fix.code
    ast.parse(finding.fix.code)


def test_a_masked_array_given_to_an_extension_is_named_as_the_argument() -> None:
    (finding,) = _findings(_call("filters.smooth(readings)", MASK, binding="f2py"))
    assert "Argument 1 of total is `readings`, which is masked." in finding.cause


def test_a_masked_array_read_in_place_is_a_warning_of_the_call_that_read_it() -> None:
    call = _call("field.total(readings)", binding="Cython")
    (finding,) = _findings(call, borrows=[_borrow()])
    assert finding.subject == "total"
    assert "total reads `readings`, which is masked, in place." in finding.cause
    assert [(record.list, record.index) for record in finding.records] == [("borrows", 0)]
    (finding,) = _findings(borrows=[_borrow()])
    assert finding.subject.startswith("field.cpython")


@pytest.mark.parametrize(
    "borrow",
    [
        _borrow(requested="SIMPLE"),  # bytes, as for a hash
        _borrow(requested="ndarray.ctypes", consumer="Python"),
        _borrow(requested="INDIRECT|FORMAT", consumer="memoryview"),
        _borrow(fact=Fact("another-kind")),
    ],
)
def test_borrows_that_may_not_read_numbers_are_no_finding(borrow: Borrow) -> None:
    assert _findings(borrows=[borrow]) == []


def test_a_line_that_hands_over_the_mask_as_well_is_no_finding() -> None:
    mask = msgspec.structs.replace(_borrow(), layout=layout_of(READINGS > 5), facts=[])
    assert _findings(borrows=[_borrow(), mask]) == []


def test_a_call_and_the_borrow_behind_it_are_one_finding() -> None:
    call = _call("field.total(readings)", MASK, binding="pybind11")
    (finding,) = _findings(call, borrows=[_borrow()])
    assert finding.records[0].list == "calls"


def test_a_class_with_arithmetic_of_its_own_is_a_note() -> None:
    fact = Fact("class-dropped", position=0, text="units.quantity.Quantity")
    (finding,) = _findings(_call("lib.total(lengths.ctypes.data_as(DP), 10)", fact))
    assert finding.severity is Severity.NOTE
    assert "`lengths` of the class Quantity" in finding.cause


def test_facts_about_arguments_that_are_not_there_are_passed_over() -> None:
    stray = msgspec.structs.replace(MASK, position=7)
    assert _findings(_call("lib.total(readings.ctypes)", stray, Fact("mask-dropped"))) == []
