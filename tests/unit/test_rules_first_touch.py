"""IP601 first-touch-faults on hand-made traces."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from trace_builder import SCRIPT, allocated, called, copied, site, temporary, trace_of

from interprobe.allocation_records import Allocation
from interprobe.findings import Finding, RecordIndex, Severity, Site
from interprobe.reused_outputs import computes_from_arrays, refilling_code
from interprobe.rules import ip601_first_touch_faults as ip601
from interprobe.trace import Call, Copy, Memory, Temporary

MB = 10**6


def _findings(*records: Copy | Temporary | Allocation, seconds: float = 1.0) -> list[Finding]:
    return list(ip601.check(trace_of(*records, seconds=seconds)))


def loop(expression: str = "np.sin(x)", **options: object) -> Allocation:
    """Ten arrays of 80 MB in turns, all in fresh memory."""
    settings = {"count": 10, "live_most": 2, "seconds": 0.5, **options}
    return allocated(expression, 80 * MB, **settings)  # type: ignore[arg-type]


def test_the_finding_says_what_fresh_memory_cost_and_what_can_be_spared() -> None:
    (finding,) = _findings(loop())
    assert finding.cause.startswith("`np.sin(x)` made a new array 10 times")
    assert "no more than 2 were in use at once" in finding.cause
    assert "800 MB" in finding.cause
    assert "400 ms of it (40% of the run)" in finding.cause
    assert "625 us per MB" in finding.evidence
    assert finding.severity is Severity.WARNING
    assert finding.cost.seconds == pytest.approx(0.4)  # of ten arrays two are needed
    assert finding.cost.bytes == 640 * MB
    assert finding.records == [RecordIndex("allocations", 0)]
    assert finding.saving is not None
    assert finding.saving.method == "estimated"
    assert finding.saving.seconds == finding.cost.seconds


@pytest.mark.parametrize(("seconds", "found"), [(0.0124, False), (0.0126, True)])
def test_one_percent_of_the_run_is_the_least(seconds: float, found: bool) -> None:
    assert bool(_findings(loop(seconds=seconds))) is found


def test_a_small_share_is_a_note() -> None:
    (finding,) = _findings(loop(seconds=0.05))
    assert finding.severity is Severity.NOTE


QUIET = {
    "few arrays": {"count": 3, "live_most": 0},
    "arrays that are kept": {"live_most": 10},
    "arrays that live on": {"ended": 3},
    "a pool that is in use": {"count": 10, "live_most": 3},
    "a cost that nobody measured": {"seconds": None},
    "memory that was used again": {"touched": 0, "seconds": 0.0},
    "arrays of a library": {"inside": site("x * 2", 3, "/usr/lib/python3/site-packages/fit.py")},
}


@pytest.mark.parametrize("name", QUIET)
def test_what_is_no_finding(name: str) -> None:
    assert _findings(loop(**QUIET[name])) == []


def test_copies_and_temporaries_are_left_to_their_rules() -> None:
    view, result = np.zeros((10_000, 2_000), order="F"), np.zeros((10_000, 1_000))
    expression = "np.ascontiguousarray(x)"
    needless = copied(expression, view, result, ["C_CONTIGUOUS"], count=10)
    assert _findings(loop(expression), needless) == []
    assert _findings(loop(expression), msgspec.structs.replace(needless, count=1, bytes=80 * MB))
    asked_for = copied("x.copy()", result, result, [], kind="duplicate", explicit=True, count=10)
    assert _findings(loop("x.copy()"), asked_for)
    assert _findings(loop("x * y"), temporary("x * y", result, count=10)) == []


def test_other_processes_and_lines_do_not_matter() -> None:
    result = np.zeros((10_000, 1_000))
    assert _findings(loop("x * y"), temporary("x * y", result, count=10, line=11))
    assert _findings(loop("x * y"), temporary("x * y", result, count=10, process=1))


@pytest.mark.parametrize(
    ("line", "expression", "again"),
    [
        ("y = a * b", "a * b", "np.multiply(a, b, out=y)"),
        ("y = a @ b", "a @ b", "np.matmul(a, b, out=y)"),
        ("y = -a", "-a", "np.negative(a, out=y)"),
        ("y = a < b", "a < b", "np.less(a, b, out=y)"),
        ("y = np.hypot(a, b)", "np.hypot(a, b)", "np.hypot(a, b, out=y)"),
        ("y = np.exp(a, dtype='f8')", "np.exp(a, dtype='f8')", "np.exp(a, dtype='f8', out=y)"),
        ("y = np.ones(3)", "np.ones(3)", "y.fill(1)"),
        ("y = a.copy()", "a.copy()", "np.copyto(y, a)"),
        ("z = np.dot(a, b)[0]", "np.dot(a, b)", "np.dot(a, b, out=work)"),
        ("y = np.concatenate([a[0], b[0]])",) * 1
        + ("np.concatenate([a[0], b[0]])", "np.concatenate([a[0], b[0]], out=y)"),
    ],
)
def test_the_code_fills_the_same_array_again(line: str, expression: str, again: str) -> None:
    place = Site(file=SCRIPT, line=1, expression=expression, source=f"    {line}\n")
    first, second = refilling_code(place).splitlines()
    assert first.endswith(f"= {expression}  # once, before the loop")
    assert second == again
    names = {"np": np, "a": np.array([[1.0, 2], [3, 4]]), "b": np.array([[5.0, 6], [7, 8]])}
    wanted = eval(expression, dict(names))
    exec(f"{first}\n{second}", names)
    assert np.array_equal(names["work" if "work" in again else "y"], wanted)


def test_an_empty_array_is_made_once_and_nothing_more() -> None:
    place = Site(file=SCRIPT, line=1, expression="np.empty(9)", source="out = np.empty(9)")
    assert refilling_code(place) == "out = np.empty(9)  # once, before the loop"


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "f(x)",
        "x.astype(float)",
        "np.exp(x, out=y)",
        "np.add(*xs, **options)",
        "a < b < c",
        "(",
        "x",
    ],
)
def test_code_is_given_only_where_it_is_known(expression: str) -> None:
    assert refilling_code(Site(file=SCRIPT, line=1, expression=expression)) == ""


def test_what_computes_from_arrays() -> None:
    for yes in ("a - b", "-a", "a < b", "np.exp(a)", "numpy.square(a)"):
        assert computes_from_arrays(yes)
    for no in ("rng.random(9)", "np.load(path)", "np.zeros(9)", "f(a)", "a", "", "x.exp(a)"):
        assert not computes_from_arrays(no)


def calling(**changes: Any) -> Call:
    """Ten calls that touched 10,000 fresh pages each, in half of their time."""
    call = called("lib.smooth(x)", [], function="smooth", count=10)
    settings = {"seconds": 0.4, "page_faults": 100_000, "faulting": 10, **changes}
    return msgspec.structs.replace(call, **settings)


def _of_calls(*records: Call | Allocation, page: float | None = 2e-6) -> list[Finding]:
    memory = Memory(page_fault_seconds=page)
    return list(ip601.check(trace_of(*records, memory=memory)))


def test_a_function_that_gets_its_workspace_at_each_call() -> None:
    (finding,) = _of_calls(calling())
    assert finding.cause.startswith("`smooth` gets memory of its own")
    assert "in 10 calls it touched 100,000 pages" in finding.cause
    assert "took 200 ms (20% of the run)" in finding.cause
    assert finding.severity is Severity.WARNING
    assert finding.records == [RecordIndex("calls", 0)]
    assert finding.saving is not None
    assert finding.saving.speedup == pytest.approx(2.0)


QUIET_CALLS = {
    "few calls": {"count": 3},
    "calls after a fork": {"faulting": 1},
    "memory that is kept": {"resident_growth": 200 * MB},
    "a small share": {"page_faults": 4_900},
}


@pytest.mark.parametrize("name", QUIET_CALLS)
def test_calls_that_are_no_finding(name: str) -> None:
    assert _of_calls(calling(**QUIET_CALLS[name])) == []


def test_faults_are_not_laid_to_a_call_where_their_cost_is_not_known() -> None:
    assert _of_calls(calling(), page=None) == []


def test_pages_of_fresh_arrays_are_not_the_callees_own() -> None:
    output = allocated("np.empty(n)", 40_960_000, count=10, live_most=10)
    assert _of_calls(calling(), output) == []
    alive = allocated("np.empty(n)", 40_960_000, count=10, ended=0, touched=0, live_most=10)
    assert _of_calls(calling(), alive) == []
    part = allocated("np.empty(n)", 40_960_000, count=2, live_most=2)
    (finding,) = _of_calls(calling(), part)
    assert "touched 80,000 pages" in finding.cause
