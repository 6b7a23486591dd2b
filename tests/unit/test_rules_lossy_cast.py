"""IP311 lossy-cast on hand-made traces."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from trace_builder import LIBRARY, copied, site, trace_of

from interprobe.facts import Fact
from interprobe.findings import Finding, Severity
from interprobe.rules import ip311_lossy_cast as ip311
from interprobe.trace import Native

GLUE = Native(library=LIBRARY)


def _findings(
    *kinds: str,
    expression: str = "pick(x)",
    mechanism: str = "PyArray_FromAny",
    source: str = "int64",
    result: str = "int32",
    kind: str = "cast",
    **more: Any,
) -> list[Finding]:
    copy = copied(
        expression,
        np.ones(100, source),
        np.ones(100, result),
        ["dtype"],
        mechanism=mechanism,
        kind=kind,
        native=GLUE if mechanism.startswith("PyArray_") else None,
        **more,
    )
    facts = [Fact(kind=each, value=3, limit=64, text="7 became 5") for each in kinds]
    return list(ip311.check(trace_of(msgspec.structs.replace(copy, facts=facts))))


def _only(found: list[Finding]) -> Finding:
    assert len(found) == 1, found
    return found[0]


def test_the_worst_loss_leads() -> None:
    found = _only(_findings("lossy_fraction", "lossy_range", source="float64"))
    assert found.severity is Severity.ERROR
    assert found.cause == (
        "`x` holds float64, and libfit.so (through PyArray_FromAny) converted it to int32, without "
        "being asked by the program. 3 of the 64 values looked at became other numbers, because "
        "int32 cannot hold them (7 became 5) and 3 of the 64 values looked at lost what stood "
        "behind the decimal point (7 became 5)."
    )
    assert found.fix.code.startswith("x_as_int32 = x.astype(np.int32)\n")
    assert found.cost.seconds == 0


@pytest.mark.parametrize(
    ("kind", "severity"),
    [
        ("lossy_imaginary", Severity.ERROR),
        ("lossy_range", Severity.ERROR),
        ("lossy_overflow", Severity.ERROR),
        ("lossy_sign", Severity.WARNING),
        ("lossy_fraction", Severity.WARNING),
        ("lossy_integer", Severity.WARNING),
        ("lossy_underflow", Severity.NOTE),
        ("lossy_digits", Severity.NOTE),
    ],
)
def test_how_much_is_lost(kind: str, severity: Severity) -> None:
    assert _only(_findings(kind)).severity is severity


def test_a_librarys_own_line_may_know_what_it_does() -> None:
    inside = site("np.asarray(x, np.int32)", 7, "/usr/lib/python3/dist-packages/tool.py")
    found = _only(_findings("lossy_range", mechanism="numpy.asarray", inside=inside))
    assert found.severity is Severity.WARNING


def test_a_type_that_the_call_names_is_a_decision() -> None:
    assert _findings("lossy_range", expression="table(x, dtype=np.int32)") == []
    assert _findings("lossy_range", mechanism="numpy.require") == []


def test_values_that_survive_are_no_finding() -> None:
    assert _findings() == []
    assert _findings("write_lost_none_returned") == []


def test_what_is_written_back_is_computed_elsewhere() -> None:
    found = _only(
        _findings(
            "lossy_fraction",
            source="float64",
            mechanism="PyArray_ResolveWritebackIfCopy",
            kind="cast+writeback",
        )
    )
    assert found.cause.startswith(
        "What was computed as float64 is written back into an array of int32."
    )
    assert found.fix.text.startswith("Pass an array of float64")
