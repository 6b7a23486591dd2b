"""IP602 peak-amplification on hand-made traces."""

from __future__ import annotations

import numpy as np
import pytest
from trace_builder import allocated, copied, site, temporary, trace_of

from interprobe.allocation_records import Allocation
from interprobe.findings import Finding, RecordIndex, Severity, Site
from interprobe.rules import ip602_peak_amplification as ip602
from interprobe.smaller_peaks import in_place_code, piecewise_code
from interprobe.trace import Copy, Memory, Temporary

MB = 10**6
GB = 10**9
PAIRS = "spectra[:, None] - spectra"


def _findings(
    *records: Copy | Temporary | Allocation,
    peak: int,
    machine: int | None = 32 * GB,
    before: int = 0,
    at: int | None = None,
) -> list[Finding]:
    memory = Memory(
        numpy_peak_bytes=peak,
        machine_bytes=machine,
        held_before_bytes=before,
        numpy_peak_site=None if at is None else site("work(x)", at),
    )
    return list(ip602.check(trace_of(*records, memory=memory)))


def passing(expression: str, nbytes: int, **options: object) -> Allocation:
    """An array that was alive at the peak and ended with its expression."""
    settings = {"at_peak": nbytes, "passing": nbytes, **options}
    return allocated(expression, nbytes, **settings)  # type: ignore[arg-type]


def held(nbytes: int, **options: object) -> Allocation:
    """The program's data, from another line."""
    return allocated("np.load(path)", nbytes, at_peak=nbytes, kept=nbytes, line=3, **options)  # type: ignore[arg-type]


def test_the_expression_that_made_the_peak_is_named_with_its_figures() -> None:
    (finding,) = _findings(held(20 * MB), passing(PAIRS, 180 * MB), peak=200 * MB)
    assert "arrays held 200 MB, 10.0 times the 20.0 MB" in finding.cause
    assert f"`{PAIRS}` (180 MB)" in finding.cause
    assert finding.user_site.line == 10
    assert finding.cost.bytes == 180 * MB
    assert (finding.cost.seconds, finding.cost.share) == (0.0, 0.0)
    assert finding.records == [RecordIndex("allocations", 1)]
    assert "in pieces" in finding.fix.text


def test_the_result_that_is_still_to_come_is_needed() -> None:
    sum_of_all = allocated("x.sum(axis=-1)", 80 * MB, kept=80 * MB)
    difference = passing(PAIRS, 179 * MB)
    assert not _findings(held(20 * MB), difference, sum_of_all, peak=199 * MB)
    (finding,) = _findings(held(10 * MB), difference, sum_of_all, peak=189 * MB)
    assert "2.1 times the 90.0 MB" in finding.cause


def test_a_result_that_was_there_already_counts_once() -> None:
    result = allocated("np.sqrt(a * b)", 80 * MB, kept=80 * MB, at_peak=80 * MB)
    (finding,) = _findings(result, passing("a * b", 120 * MB), peak=200 * MB)
    assert "2.5 times the 80.0 MB" in finding.cause


@pytest.mark.parametrize(
    ("peak", "found"), [(199 * MB, False), (200 * MB, True)], ids=["below", "from"]
)
def test_twice_what_is_needed_is_the_least(peak: int, found: bool) -> None:
    needless = passing("a * b", peak - 100 * MB)
    assert bool(_findings(held(100 * MB), needless, peak=peak)) is found


@pytest.mark.parametrize(("peak", "found"), [((64 << 20) - 1, False), (64 << 20, True)])
def test_small_peaks_are_left_alone(peak: int, found: bool) -> None:
    assert bool(_findings(passing(PAIRS, peak - MB), held(MB), peak=peak)) is found


def test_what_the_process_held_before_the_recording_may_be_the_input() -> None:
    needless = passing("a * b", 100 * MB)
    assert _findings(needless, held(40 * MB), peak=140 * MB, before=50 * MB)
    assert not _findings(needless, held(40 * MB), peak=140 * MB, before=61 * MB)


@pytest.mark.parametrize(
    ("machine", "severity"),
    [(801 * MB, Severity.NOTE), (800 * MB, Severity.WARNING), (None, Severity.NOTE)],
)
def test_it_is_a_warning_where_it_fills_the_machine(
    machine: int | None, severity: Severity
) -> None:
    (finding,) = _findings(passing(PAIRS, 190 * MB), held(10 * MB), peak=200 * MB, machine=machine)
    assert finding.severity is severity


def test_new_numbers_and_arrays_of_libraries_are_the_programs_data() -> None:
    drawn = passing("rng.random(n)", 190 * MB)
    assert not _findings(drawn, held(10 * MB), peak=200 * MB)
    inside = passing(PAIRS, 190 * MB, inside=site("x - y", 5, "/usr/lib/site-packages/fit.py"))
    assert not _findings(inside, held(10 * MB), peak=200 * MB)


def test_what_a_ufunc_read_was_computed_whatever_its_name() -> None:
    drawn = passing("filtered(x)", 190 * MB)
    result = np.zeros(190 * MB // 8)
    (finding,) = _findings(drawn, held(10 * MB), temporary("filtered(x)", result), peak=200 * MB)
    assert "`filtered(x)`" in finding.cause


def test_a_conversion_that_a_variable_holds_is_needless_too() -> None:
    expression = "np.asarray(x, np.float64)"
    source, result = np.zeros(10, np.float32), np.zeros(10)
    kept = allocated(expression, 160 * MB, kept=160 * MB, at_peak=160 * MB)
    asked = copied(expression, source, result, ["dtype"], kind="cast", explicit=True)
    forced = copied(expression, source, result, ["dtype"], kind="cast")
    assert not _findings(kept, held(80 * MB), asked, peak=240 * MB)
    (finding,) = _findings(kept, held(80 * MB), forced, peak=240 * MB)
    assert "3.0 times the 80.0 MB" in finding.cause
    assert "dtype" in finding.fix.text


def test_operations_of_the_line_are_named_largest_first() -> None:
    (finding,) = _findings(
        held(30 * MB),
        *(passing(f"a * {number}", (10 + number) * MB) for number in range(5)),
        peak=90 * MB,
    )
    assert "`a * 4` (14.0 MB), `a * 3` (13.0 MB), `a * 2` (12.0 MB) and 2 other" in finding.cause


@pytest.mark.parametrize(
    "line",
    [
        "d = ((a[:, None] - b) ** 2).sum(axis=-1)",
        "d = np.sqrt(np.square(a[:, np.newaxis, :] - a).sum(axis=2))",
        "d = np.hypot(a[:, None], b)",
    ],
)
def test_a_broadcast_line_is_written_in_pieces(line: str) -> None:
    code = piecewise_code(Site(file="fit.py", line=1, expression="a[:, None] - b", source=line))
    assert "np.array_split(a, 64)" in code
    names = {"np": np, "a": np.random.default_rng(1).random((99, 3)), "b": np.ones((7, 3))}
    exec(line, names)
    wanted = names.pop("d")
    exec(code, names)
    assert np.array_equal(names["d"], wanted)


@pytest.mark.parametrize(
    "line",
    [
        "d = (a[:, None] - b).sum()",
        "d = (a[:, None] - b).sum(axis=0)",
        "d = np.sort(a[:, None] - b)",
        "d = a[:, None] - b[:, None]",
        "d = a[1:, None] - b",
        "d = (a[:, None] - b).mean(axis=-2)",
        "d += a[:, None] - b",
        "d = a - b",
        "",
    ],
)
def test_pieces_are_written_only_where_they_make_up_the_whole(line: str) -> None:
    assert piecewise_code(Site(file="fit.py", line=1, source=line)) == ""


@pytest.mark.parametrize(
    ("line", "expression", "code"),
    [
        ("y = np.sqrt(a * b)", "a * b", "y = a * b\nnp.sqrt(y, out=y)"),
        ("y = np.hypot(a + b, 2) + 1", "a + b", "work = a + b\nnp.hypot(work, 2, out=work)"),
        ("y = (a - b) * b", "a - b", "y = a - b\nnp.multiply(y, b, out=y)"),
    ],
)
def test_the_next_operation_writes_in_place(line: str, expression: str, code: str) -> None:
    place = Site(file="fit.py", line=1, expression=expression, source=f"    {line}")
    assert in_place_code(place) == code
    names = {"np": np, "a": np.array([5.0, 6]), "b": np.array([3.0, 4])}
    exec(code, names)
    if code.startswith("y"):
        assert np.array_equal(names["y"], eval(line.removeprefix("y = "), dict(names)))


@pytest.mark.parametrize(
    ("line", "expression"),
    [
        ("y = (a * b).sum()", "a * b"),
        ("f(a * b)", "a * b"),
        ("y = a", "a"),
        ("y = (", "("),
        ("", ""),
    ],
)
def test_in_place_code_is_given_only_where_it_is_known(line: str, expression: str) -> None:
    assert in_place_code(Site(file="fit.py", line=1, expression=expression, source=line)) == ""


def test_the_line_with_most_is_the_one() -> None:
    (finding,) = _findings(
        held(30 * MB),
        passing("a * b", 40 * MB, line=10),
        passing("c * d", 70 * MB, line=20),
        peak=140 * MB,
        at=25,
    )
    assert finding.user_site.line == 20
    assert "reached at /home/ada/fit.py:25" in finding.evidence
