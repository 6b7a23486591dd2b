"""IP108 expression-temporaries on hand-made traces."""

from __future__ import annotations

import numpy as np
import pytest
from trace_builder import allocated, site, temporary, trace_of

from interprobe.findings import Finding, RecordIndex, Severity
from interprobe.rules import ip108_expression_temporaries as ip108
from interprobe.trace import Temporary

LARGE = np.zeros(200_000)


def _findings(*records: Temporary, seconds: float = 1.0, processes: int = 1) -> list[Finding]:
    return list(ip108.check(trace_of(*records, seconds=seconds, processes=processes)))


def test_temporaries_of_a_line_are_one_finding_with_exact_figures() -> None:
    (finding,) = _findings(
        temporary("x * x", LARGE, count=3), temporary("y * y", LARGE, count=3, seconds=0.12)
    )
    assert finding.cause.startswith("`x * x` and `y * y` each made an array")
    assert "6 temporaries, 9.60 MB" in finding.cause
    assert finding.cost.bytes == 6 * 1_600_000
    assert "filling them took 170 ms" in finding.evidence
    assert finding.records == [RecordIndex("temporaries", 0), RecordIndex("temporaries", 1)]
    assert "arithmetic included" in finding.evidence


def test_lines_are_told_apart() -> None:
    found = _findings(temporary("x * x", LARGE), temporary("x * x", LARGE, line=11))
    assert [finding.user_site.line for finding in found] == [10, 11]


@pytest.mark.parametrize(("elements", "fires"), [(131_071, False), (131_072, True)])
def test_it_takes_a_mebibyte(elements: int, fires: bool) -> None:
    assert bool(_findings(temporary("x * x", np.zeros(elements)))) is fires


def test_small_temporaries_add_up() -> None:
    assert not _findings(temporary("x * x", np.zeros(10_000), count=13))
    assert _findings(temporary("x * x", np.zeros(10_000), count=14))


def test_what_a_library_computes_inside_is_left_alone() -> None:
    inside = site("a * b", 99, "/usr/lib/python3/site-packages/fit/core.py")
    assert not _findings(temporary("fit.solve(x)", LARGE, inside=inside))


@pytest.mark.parametrize(
    ("expression", "mechanism", "code"),
    [
        ("x * y", "numpy.multiply", "np.multiply(x, y, out=work)"),
        ("x[1:] - (y + 1)", "numpy.subtract", "np.subtract(x[1:], y + 1, out=work)"),
        ("-x", "numpy.negative", "np.negative(x, out=work)"),
        ("np.exp(x)", "numpy.exp", "np.exp(x, out=work)"),
    ],
)
def test_the_cure_writes_into_an_array_made_once(
    expression: str, mechanism: str, code: str
) -> None:
    (finding,) = _findings(temporary(expression, LARGE, mechanism=mechanism))
    first, second = finding.fix.code.splitlines()
    assert first == "work = np.empty(shape, dtype=np.float64)  # once, before the loop"
    assert second == code
    x, y = np.arange(5.0), np.arange(4.0) if "1:" in expression else np.arange(5.0)
    names = {"np": np, "x": x, "y": y, "shape": y.shape}
    wanted = eval(expression, names)
    exec(finding.fix.code, names)
    assert np.array_equal(names["work"], wanted)  # type: ignore[arg-type]


@pytest.mark.parametrize("expression", ["", "np.add(x, y, where=m)", "x < y < z", "f(", "x"])
def test_code_that_cannot_be_rewritten_gets_a_sentence_only(expression: str) -> None:
    (finding,) = _findings(temporary(expression, LARGE))
    assert finding.fix.code == ""
    assert "out=" in finding.fix.text


def test_a_ufunc_whose_name_is_a_keyword_is_called_in_no_code() -> None:
    (finding,) = _findings(temporary("x * y", LARGE, mechanism="else"))
    assert finding.fix.code == ""


def test_no_share_is_claimed_since_the_arithmetic_is_part_of_the_seconds() -> None:
    (finding,) = _findings(temporary("x * x", LARGE, seconds=0.9))
    assert finding.severity is Severity.NOTE
    assert (finding.cost.seconds, finding.cost.share) == (0.0, 0.0)


def test_more_than_three_operations_are_counted() -> None:
    (finding,) = _findings(*(temporary(f"x * {factor}", LARGE) for factor in range(5)))
    assert finding.cause.startswith("`x * 0`, `x * 1`, `x * 2` and 2 other operations each made")


def test_what_fresh_memory_took_is_the_cost_that_is_known() -> None:
    record = temporary("x * x", LARGE, count=10, seconds=0.6)
    fresh = allocated("x * x", LARGE.nbytes, count=10, live_most=2, seconds=0.5)
    elsewhere = allocated("y * y", LARGE.nbytes, count=10, seconds=0.5)
    (finding,) = ip108.check(trace_of(record, fresh, elsewhere))
    assert finding.severity is Severity.WARNING
    assert (finding.cost.seconds, finding.cost.share) == (pytest.approx(0.4), pytest.approx(0.4))
    assert "an estimated 400 ms of it to get new memory" in finding.evidence
    once = allocated("x * x", LARGE.nbytes, seconds=0.5)
    (finding,) = ip108.check(trace_of(record, once))
    assert finding.cost.seconds == 0.0
