"""IP308 read-only-written, IP309 overlapping-arguments and IP314 input-modified by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from trace_builder import argument, called, trace_of

from interprobe.facts import Fact
from interprobe.findings import Finding, Severity
from interprobe.rules import ip308_read_only_written as ip308
from interprobe.rules import ip309_overlapping_arguments as ip309
from interprobe.rules import ip314_input_modified as ip314
from interprobe.trace import Call

DP = "POINTER(c_double)"
TEXT = "element 1 was 0 and is 2"


def _call(*facts: Fact, true: tuple[str | None, str | None] = (None, None), **options: Any) -> Call:
    expression = "lib.add(x.ctypes.data_as(DP), y.ctypes.data_as(DP), n)"
    given = [
        argument(0, DP, np.zeros(100), true[0], "a" if true[0] else None),
        argument(1, DP, np.zeros(100), true[1], "b" if true[1] else None),
        argument(2, "c_ulong", None),
    ]
    return replace(called(expression, given, function="add", **options), facts=list(facts))


def _read_only(limit: int = 1, other: int | None = None) -> Fact:
    return Fact("changed-read-only", position=1, other=other, value=7, limit=limit, text=TEXT)


def test_a_read_only_array_that_changed_is_an_error() -> None:
    (finding,) = ip308.check(trace_of(_call(_read_only())))
    assert finding.severity is Severity.ERROR
    assert "Argument 2 (`y`) of add is marked as read-only" in finding.cause
    assert "at least 7 bytes of it changed during the call: element 1 was 0 and is 2" in (
        finding.cause
    )
    assert finding.fix.code.startswith("result = y.copy()")


def test_a_read_only_view_of_a_writeable_array_is_a_warning() -> None:
    (finding,) = ip308.check(trace_of(_call(_read_only(limit=0))))
    assert finding.severity is Severity.WARNING


def test_what_may_have_been_written_through_another_argument_is_no_finding() -> None:
    assert not list(ip308.check(trace_of(_call(_read_only(other=0)))))
    assert not list(ip308.check(trace_of(_call(Fact("changed", position=1, value=7)))))


def test_an_unread_change_is_told_without_numbers() -> None:
    fact = Fact("changed-read-only", position=1, limit=1)
    (finding,) = ip308.check(trace_of(_call(fact)))
    assert "but it changed during the call." in finding.cause


def _overlap(kind: str = "overlap", limit: int = 8) -> Fact:
    return Fact(kind, position=0, other=1, value=784, limit=limit, text=TEXT)


def _overlaps(call: Call) -> list[Finding]:
    return list(ip309.check(trace_of(call)))


def test_arrays_that_overlap_in_part_are_a_warning() -> None:
    (finding,) = _overlaps(_call(_overlap()))
    assert finding.severity is Severity.WARNING
    assert "share 784 bytes of memory: the second begins 1 element after" in finding.cause
    assert TEXT in finding.cause
    assert finding.fix.code.startswith("source = x.copy()")


def test_a_distance_that_is_no_number_of_elements_is_told_in_bytes() -> None:
    (finding,) = _overlaps(_call(_overlap(limit=12)))
    assert "begins 12 bytes after" in finding.cause


@pytest.mark.parametrize("true", ["double *restrict", "double *__restrict__ y"])
def test_a_prototype_with_restrict_makes_it_an_error(true: str) -> None:
    (finding,) = _overlaps(_call(_overlap(), true=("const double *", true)))
    assert finding.severity is Severity.ERROR
    assert "forbids that with `restrict`" in finding.cause


def test_the_same_array_twice_is_reported_only_under_restrict() -> None:
    same = _overlap("same-memory", 0)
    assert not _overlaps(_call(same))
    assert not _overlaps(_call(same, true=("const double *", "double *")))
    (finding,) = _overlaps(_call(same, true=("const double *restrict", "double *restrict")))
    assert finding.severity is Severity.WARNING
    assert "begin at the same place" in finding.cause


def _changed(true: str | None, *more: Fact, other: int | None = None) -> list[Finding]:
    fact = Fact("changed", position=0, other=other, value=7, limit=800, text=TEXT)
    return list(ip314.check(trace_of(_call(fact, *more, true=(true, None)))))


@pytest.mark.parametrize("true", ["const double *", "double const *x", "const double *restrict"])
def test_an_input_that_changed_against_its_prototype_is_a_warning(true: str) -> None:
    (finding,) = _changed(true)
    assert finding.severity is Severity.WARNING
    assert f"is `{true}` in the function's own prototype" in finding.cause
    assert TEXT in finding.cause


@pytest.mark.parametrize("true", [None, "double *", "double *const", "const double **", "double"])
def test_an_array_that_the_callee_may_change_is_no_finding(true: str | None) -> None:
    assert not _changed(true)


def test_an_input_that_shares_memory_with_another_argument_is_no_finding() -> None:
    assert not _changed("const double *", other=1)


def test_a_read_only_input_is_for_the_other_rule() -> None:
    read_only = Fact("changed-read-only", position=0, value=7, limit=1)
    assert not _changed("const double *", read_only)
    assert _changed("const double *", replace(read_only, position=1))


def test_calls_of_one_place_are_one_finding() -> None:
    calls = [
        _call(_read_only(), count=2),
        _call(_read_only(), count=3),
        _call(_read_only(), line=9),
    ]
    findings = list(ip308.check(trace_of(*calls)))
    assert [[record.index for record in each.records] for each in findings] == [[0, 1], [2]]
    assert findings[0].evidence.startswith("5 calls of add")
