"""IP404 leaked-ownership on hand-made traces."""

from __future__ import annotations

import msgspec
import numpy as np
from trace_builder import called, layout_of, site, trace_of

from interprobe.facts import Fact
from interprobe.findings import Finding, Severity, Site
from interprobe.rules import ip404_leaked_ownership as ip404
from interprobe.trace import Borrow, Call, Trace

WRAPPED = "np.ctypeslib.as_array(lib.make(n), (n,))"


def _facts(grown: int = 8_100_000, *, total: int = 8_000_000, count: int = 200) -> list[Fact]:
    return [
        Fact("memory without an owner", value=grown, limit=total),
        Fact("arrays without an owner", value=count, limit=40_000),
    ]


def _call(facts: list[Fact]) -> Call:
    return msgspec.structs.replace(called("maker.make(n)", [], function="make"), facts=facts)


def _borrow(facts: list[Fact], place: Site) -> Borrow:
    return Borrow(
        process=0,
        site=place,
        user_site=place,
        consumer="np.asarray",
        requested="numpy.asarray",
        layout=layout_of(np.zeros(5000)),
        count=1,
        bytes=40_000,
        facts=facts,
    )


def _findings(trace: Trace) -> list[Finding]:
    return list(ip404.check(trace))


def test_arrays_that_a_function_returned() -> None:
    (finding,) = _findings(trace_of(_call(_facts())))
    assert finding.severity is Severity.WARNING
    assert finding.cause.startswith("make (libfit.so) made 200 arrays of up to 40.0 kB")
    assert "memory in use has grown by 8.10 MB, as much as they had (8.00 MB)" in finding.cause
    assert finding.cost.bytes == 8_100_000
    assert "PyArray_SetBaseObject" in finding.fix.code
    assert (finding.records[0].list, finding.records[0].index) == ("calls", 0)


def test_pointers_that_the_program_wrapped() -> None:
    place = msgspec.structs.replace(site(WRAPPED), source=f"    rows = {WRAPPED}")
    trace = msgspec.structs.replace(trace_of(), borrows=[_borrow(_facts(), place)])
    (finding,) = _findings(trace)
    assert finding.subject == f"`{WRAPPED}`"
    assert finding.fix.code.startswith("weakref.finalize(rows, lib.release, pointer)")
    assert (finding.records[0].list, finding.records[0].index) == ("borrows", 0)


def test_a_place_without_source_text() -> None:
    trace = msgspec.structs.replace(trace_of(), borrows=[_borrow(_facts(), site(""))])
    (finding,) = _findings(trace)
    assert finding.subject == "numpy.asarray"
    assert finding.fix.code.startswith("weakref.finalize(values, ")


def test_without_growth_or_arrays_there_is_no_finding() -> None:
    calls = [_call([]), _call(_facts()[:1]), _call(_facts()[1:]), _call(_facts(count=0))]
    assert _findings(trace_of(*calls)) == []
