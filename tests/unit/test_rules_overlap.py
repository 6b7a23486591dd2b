"""IP109 overlap-temporary on hand-made traces."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from trace_builder import copied, site, strided, trace_of

from interprobe.findings import Finding, Severity
from interprobe.rules import ip107_repeated_conversion as ip107
from interprobe.rules import ip109_overlap_temporary as ip109
from interprobe.trace import Copy


def _overlapping(expression: str = "x[1:] += x[:-1]", **options: Any) -> Copy:
    options = {"mechanism": "numpy.add", "kind": "overlap", **options}
    return copied(expression, np.zeros(1000), np.zeros(1000), [], **options)


def _findings(*records: Copy, seconds: float = 1.0) -> list[Finding]:
    return list(ip109.check(trace_of(*records, seconds=seconds)))


def test_an_operation_in_place_on_overlapping_views() -> None:
    (finding,) = _findings(_overlapping(count=4))
    assert finding.cause == (
        "`x[1:] += x[:-1]` writes to memory that it also reads. To compute with the old numbers, "
        "NumPy copied what it reads aside first (8.00 kB each time), 4 times."
    )
    assert finding.fix.code == (
        "other = np.empty_like(x)  # once, before the loop\nnp.add(x[1:], x[:-1], out=other[1:])"
    )
    assert finding.cost.bytes == 4 * 8000


def test_the_code_of_the_fix_computes_the_same() -> None:
    (finding,) = _findings(_overlapping())
    x = np.arange(10.0)
    names: dict[str, Any] = {"np": np, "x": x}
    exec(finding.fix.code, names)
    x[1:] += x[:-1]
    assert np.array_equal(names["other"][1:], x[1:])


def test_an_assignment() -> None:
    record = _overlapping("x[...] = x[::-1]", mechanism="ndarray.__setitem__")
    (finding,) = _findings(record)
    assert finding.cause.startswith("`x[...] = x[::-1]` writes to memory that it also reads.")
    assert finding.fix.code.splitlines()[1] == "other[...] = x[::-1]"


def test_an_output_that_is_copied_back() -> None:
    (finding,) = _findings(_overlapping("np.sin(x[:-1], out=x[1:])", kind="overlap+writeback"))
    assert "computed into an array of its own and copied that back (8.00 kB)." in finding.cause
    assert finding.fix.code == ""


def test_what_happens_inside_a_library_is_put_on_the_users_line() -> None:
    inside = site("a[1:] -= a[:-1]", 99, "/usr/lib/python3/site-packages/fit/core.py")
    (finding,) = _findings(_overlapping("fit.solve(x)", inside=inside))
    assert finding.cause.startswith("np.add, inside `fit.solve(x)`, writes to memory")
    assert finding.fix.code == ""


@pytest.mark.parametrize(
    "record",
    [
        strided(),
        _overlapping(kind="strided"),
        _overlapping(kind="writeback"),
        _overlapping(explicit=True),
    ],
)
def test_other_copies_are_left_alone(record: Copy) -> None:
    assert not _findings(record)


def test_severity_follows_the_share() -> None:
    (note,) = _findings(_overlapping(seconds=0.09))
    (warning,) = _findings(_overlapping(seconds=0.11))
    assert (note.severity, warning.severity) == (Severity.NOTE, Severity.WARNING)


@pytest.mark.parametrize("kind", ["overlap", "gather", "cast+writeback"])
def test_what_depends_on_more_than_its_source_is_no_repeated_conversion(kind: str) -> None:
    record = _overlapping(kind=kind, count=10, repeated=9)
    assert not list(ip107.check(trace_of(record)))
