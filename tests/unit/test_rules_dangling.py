"""IP401 dangling-pointer on hand-made traces."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from trace_builder import argument, called, layout_of, site, trace_of

from interprobe.facts import Fact
from interprobe.findings import Finding, Severity
from interprobe.rules import ip401_dangling_pointer as ip401
from interprobe.trace import Argument, Call

FREED = "pointer to a freed array"
ARRAY = np.zeros(1000)


def _argument(declared: str | None = "POINTER(c_double)", name: str | None = None) -> Argument:
    """An argument that leads to where ARRAY was."""
    return msgspec.structs.replace(argument(0, declared, None, name=name), freed=layout_of(ARRAY))


def _facts(*kinds: str, how: str = "ndarray.ctypes.data", since: int = 0) -> list[Fact]:
    taken = site("x.ctypes", line=3)
    return [
        Fact(FREED, 0, value=8000, limit=since, text=how, site=taken),
        Fact("array freed", 0, value=8000, site=site("del x", line=4)),
        *(Fact(kind, 0, value=8000) for kind in kinds),
    ]


def _call(
    given: Argument,
    facts: list[Fact],
    *,
    function: str = "total",
    count: int = 1,
    line: int = 10,
) -> Call:
    made = called("lib.total(p, n)", [given], function=function, count=count, line=line)
    return msgspec.structs.replace(made, facts=facts)


def _only(*calls: Call) -> Finding:
    (finding,) = ip401.check(trace_of(*calls))
    return finding


def test_a_pointer_to_a_freed_array_is_an_error() -> None:
    finding = _only(_call(_argument(), _facts(since=3)))
    assert finding.severity is Severity.ERROR
    assert "Argument 1 of total points into an array (float64 (1000,)" in finding.cause
    assert "taken at line 3 (`x.ctypes`), and the array was freed at line 4." in finding.cause
    assert finding.evidence.endswith("handed out 3 further blocks of array data")
    assert finding.fix.code.startswith("pointer = x.ctypes.data_as(")


def test_calls_without_the_fact_are_no_finding() -> None:
    calls = [
        called("lib.total(p, n)", [argument(0, "POINTER(c_double)", ARRAY)]),
        _call(_argument(), [Fact("something else", 0)]),
    ]
    assert list(ip401.check(trace_of(*calls))) == []


@pytest.mark.parametrize(
    "declared",
    ["c_ulong", "c_long", "c_size_t", "int", "c_int64", "uintptr_t", "unsigned long", "size_t"],
)
def test_a_number_is_a_warning(declared: str) -> None:
    finding = _only(_call(_argument(declared), _facts()))
    assert finding.severity is Severity.WARNING
    assert "is a number that is the address of an array" in finding.cause


@pytest.mark.parametrize(
    "declared", ["c_void_p", "POINTER(c_double)", "c_double_Array_4", "double *", "size_t *", None]
)
def test_a_pointer_is_no_number(declared: str | None) -> None:
    assert _only(_call(_argument(declared), _facts())).severity is Severity.ERROR


def test_what_c_wrote_is_an_error_in_any_case() -> None:
    facts = _facts("freed array written", "pointer passed while the array lived")
    finding = _only(_call(_argument("c_size_t", ".data"), facts, function="release_it"))
    assert finding.severity is Severity.ERROR
    assert "C wrote into these 8.00 kB" in finding.cause


@pytest.mark.parametrize("function", ["unregister_buffer", "lib_free", "bufferRelease", "close"])
def test_a_function_that_gives_memory_up_is_a_note(function: str) -> None:
    finding = _only(_call(_argument(), _facts(), function=function))
    assert finding.severity is Severity.NOTE


@pytest.mark.parametrize("function", ["enclosed", "freedom", "sum", "register_buffer", "closest"])
def test_other_functions_are_not_taken_for_such(function: str) -> None:
    finding = _only(_call(_argument(), _facts(), function=function))
    assert finding.severity is Severity.ERROR


def test_a_member_that_was_in_use_before_is_a_note() -> None:
    facts = _facts("pointer passed while the array lived")
    finding = _only(_call(_argument("POINTER(c_double)", ".data"), facts))
    assert finding.severity is Severity.NOTE
    assert "holds a pointer (.data) that leads into" in finding.cause


def test_a_member_that_is_left_over_when_all_is_destroyed_is_no_finding() -> None:
    facts = _facts("pointer passed while the array lived")
    calls = [
        _call(_argument("POINTER(c_double)", ".data"), facts, function="destroy_job"),
        _call(_argument("c_size_t"), facts, function="unregister"),
    ]
    assert list(ip401.check(trace_of(*calls))) == []


def test_calls_of_one_place_are_one_finding() -> None:
    finding = _only(
        _call(_argument(), _facts(), count=2),
        _call(_argument("c_void_p"), _facts(), count=3),
    )
    assert [record.index for record in finding.records] == [0, 1]
    assert finding.evidence.startswith("5 calls of total")
    assert finding.cause.count("Argument 1") == 1


def test_a_call_that_never_returned_is_a_finding_too() -> None:
    assert _only(_call(_argument(), _facts(), count=0)).evidence.startswith("1 call of total")


def test_where_nothing_is_known_of_places() -> None:
    facts = [Fact(FREED, 0, value=800), Fact(FREED, None)]
    finding = _only(_call(argument(0, None, None), facts))
    assert "points into an array that was freed before the call. These 800 bytes" in finding.cause
    assert finding.fix.code.startswith("pointer = values.ctypes.data_as(")


def test_another_file_is_named() -> None:
    facts = [
        Fact(FREED, 0, value=8000, site=site("(x * 2).ctypes", line=7, file="/home/ada/lib.py"))
    ]
    finding = _only(_call(_argument(), facts))
    assert "taken at lib.py:7 (`(x * 2).ctypes`)." in finding.cause
    assert finding.fix.code.splitlines()[0] == "values = (x * 2)"


def test_cffi_is_advised_in_its_own_words() -> None:
    finding = _only(_call(_argument(), _facts(how="buffer protocol")))
    assert "ffi.from_buffer" in finding.fix.code
