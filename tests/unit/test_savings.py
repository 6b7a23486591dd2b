"""What the fix of a finding gains: measured, estimated, or why neither is known."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest
from msgspec.structs import replace
from trace_builder import (
    argument,
    called,
    copied,
    retyped,
    site,
    strided,
    temporary,
    trace_of,
    transposed,
)

from interprobe.analysis import analyse
from interprobe.facts import Fact
from interprobe.findings import (
    Cost,
    Finding,
    Fix,
    RecordIndex,
    Saving,
    Severity,
    Site,
)
from interprobe.replays import Replay
from interprobe.savings import Savings, saved_seconds, verdict_of
from interprobe.trace import Call, Copy, Native, Trace

LINE = "ext.total(field.T)"
ROWS = np.zeros((100, 20)).T
"""In Fortran order, to be rewritten in C order."""


def replay(
    speedup: float | None,
    positions: tuple[int, ...] = (0,),
    change: str = "conforming",
    **more: Any,
) -> Replay:
    """A replay whose interval is a tenth below and above."""
    if speedup is None:
        return Replay(change=change, positions=list(positions), **more)
    return Replay(
        change=change,
        positions=list(positions),
        passes=9,
        as_is=1.0,
        changed=1 / speedup,
        speedup=speedup,
        low=speedup * 0.9,
        high=speedup * 1.1,
        **{"cache": "warm", **more},
    )


def crossing(
    *replays: Replay, seconds: float = 0.8, arrays: tuple[Any, ...] = (ROWS,), **changes: Any
) -> Call:
    """A call that converts its arguments: its time holds that of the copies."""
    arguments = [argument(number, None, array) for number, array in enumerate(arrays)]
    call = called(LINE, arguments)
    return replace(call, seconds=seconds, bytes_copied=1, replays=list(replays), **changes)


def converted(source: Any = ROWS, *, seconds: float = 0.4, **options: Any) -> Copy:
    """A copy that native code made of an argument, inside the call."""
    result = np.ascontiguousarray(source)
    return copied(
        LINE, source, result, ["C_CONTIGUOUS"], mechanism="PyArray_FromAny", seconds=seconds,
        **options,
    )  # fmt: skip


def within(line: str, part: str) -> Site:
    """The place of a part of a line."""
    column = line.index(part)
    return replace(site(part), column=column, end_column=column + len(part), source=line)


def only(trace: Trace) -> Finding:
    (finding,) = analyse(trace).findings
    return finding


def saving_of(*records: Copy | Call, seconds: float = 2.0) -> Saving:
    """The saving of the one finding of a run of two seconds."""
    saving = only(trace_of(*records, seconds=seconds)).saving
    assert saving is not None
    return saving


def test_a_replay_of_the_call_measures_what_its_copy_costs() -> None:
    saving = saving_of(converted(), crossing(replay(2.0)))
    assert (saving.method, saving.cache, saving.reason) == ("measured", "warm", None)
    assert (saving.speedup, saving.low, saving.high) == pytest.approx((2.0, 1.8, 2.2))
    assert saving.seconds == pytest.approx(0.4)
    assert saving.program_seconds == 2.0
    assert saving.program_speedup == pytest.approx(2.0 / 1.6)
    assert saving.program_low == pytest.approx(2.0 / (2.0 - 0.8 * (1 - 1 / 1.8)))
    assert saving.program_high == pytest.approx(2.0 / (2.0 - 0.8 * (1 - 1 / 2.2)))
    assert saving.verdict == "worth it"


def test_a_replay_of_another_argument_measures_nothing_of_this_copy() -> None:
    other = np.zeros((5, 5), np.float32)
    saving = saving_of(converted(), crossing(replay(9.0, (1,)), arrays=(ROWS, other)))
    assert saving.method == "estimated"
    assert saving.speedup == pytest.approx(2.0)


def test_the_replay_of_just_the_copied_arguments_is_preferred() -> None:
    other = np.zeros((5, 5), np.float32)
    both, alone = replay(4.0, (0, 1)), replay(2.0, (0,))
    saving = saving_of(converted(), crossing(both, alone, arrays=(ROWS, other)))
    assert saving.speedup == pytest.approx(2.0)


def test_what_copies_gain_together_is_divided_by_their_time() -> None:
    narrow = np.zeros(20, np.float32)
    cast = copied(
        LINE, narrow, narrow.astype(float), ["dtype"], mechanism="PyArray_FromAny", kind="cast",
        seconds=0.1,
    )  # fmt: skip
    call = crossing(replay(2.0, (0, 1)), arrays=(ROWS, narrow))
    trace = trace_of(converted(seconds=0.3), cast, call, seconds=2.0)
    savings = {finding.rule: finding.saving for finding in analyse(trace).findings}
    order, dtype = savings["IP102"], savings["IP103"]
    assert order is not None
    assert dtype is not None
    assert order.seconds == pytest.approx(0.3)
    assert dtype.seconds == pytest.approx(0.1)
    assert order.method == dtype.method == "measured"
    assert order.reason is not None
    assert order.reason.startswith("arguments 1 and 2 were changed together")


def test_without_a_replay_the_copy_is_taken_out_of_the_calls_time() -> None:
    saving = saving_of(converted(seconds=0.2), crossing())
    assert (saving.method, saving.low, saving.high) == ("estimated", None, None)
    assert saving.speedup == pytest.approx(0.8 / 0.6)
    assert saving.seconds == pytest.approx(0.2)
    assert saving.reason == "the call was not repeated"


def test_the_reason_of_a_failed_replay_is_told() -> None:
    saving = saving_of(converted(), crossing(replay(None, reason="threads were at work")))
    assert (saving.method, saving.reason) == ("estimated", "threads were at work")


def test_a_copy_in_the_arguments_comes_on_top_of_the_calls_time() -> None:
    line = "lib.total(np.ascontiguousarray(field.T))"
    copy = transposed(seconds=0.6)
    inside = within(line, "np.ascontiguousarray(field.T)")
    copy = replace(copy, site=inside, user_site=inside)
    call = replace(
        called(line, [argument(0, None, np.zeros((20, 100)))]), site=within(line, line), seconds=0.3
    )
    saving = saving_of(copy, call)
    assert saving.speedup == pytest.approx(3.0)
    assert saving.seconds == pytest.approx(0.6)
    assert saving.reason == "the copy is made before the call"
    measured = saving_of(replace(copy, replays=[replay(2.5, change="no-conversion")]), call)
    assert measured.method == "measured"
    assert measured.speedup == pytest.approx(2.5)
    assert measured.seconds == pytest.approx(0.9 * (1 - 1 / 2.5))


def test_calls_at_a_place_that_needed_no_copy_are_not_counted() -> None:
    line = "lib.total(np.ascontiguousarray(field.T))"
    inside = within(line, "np.ascontiguousarray(field.T)")
    copy = replace(
        transposed(seconds=0.1, count=2), site=inside, user_site=inside,
        replays=[replay(2.0, change="no-conversion")],
    )  # fmt: skip
    call = replace(called(line, [], count=10), site=within(line, line), seconds=0.5)
    assert saving_of(copy, call).seconds == pytest.approx((0.5 * 2 / 10 + 0.1) / 2)


def test_a_copy_takes_the_innermost_of_nested_calls() -> None:
    line = "lib.outer(lib.inner(np.ascontiguousarray(field.T)))"
    inside = within(line, "np.ascontiguousarray(field.T)")
    copy = replace(transposed(seconds=0.2), site=inside, user_site=inside)
    outer, inner = (
        replace(called(line, [], function=part[:9]), site=within(line, part), seconds=seconds)
        for part, seconds in ((line, 9.0), ("lib.inner(np.ascontiguousarray(field.T))", 0.2))
    )
    assert saving_of(copy, outer, inner, seconds=20.0).speedup == pytest.approx(2.0)


def test_a_call_in_another_process_or_function_takes_no_copy() -> None:
    elsewhere = replace(crossing(replay(2.0)), process=1)
    other = crossing(replay(2.0))
    other = replace(other, site=replace(other.site, function="other"))
    for call in (elsewhere, other):
        assert saving_of(converted(), call).reason == "no call takes the copy directly"


def test_a_copy_that_no_call_takes_saves_its_own_time() -> None:
    saving = saving_of(strided(seconds=0.5))
    assert (saving.speedup, saving.low, saving.high) == (None, None, None)
    assert (saving.method, saving.seconds) == ("estimated", 0.5)
    assert saving.reason == "no call takes the copy directly"
    assert saving.program_speedup == pytest.approx(2.0 / 1.5)


def test_a_replay_of_a_copy_on_another_line_counts_each_of_its_calls() -> None:
    measured = replay(1.25, change="no-conversion")
    measured = replace(measured, as_is=0.2, changed=0.16)
    copy = replace(strided(seconds=4 * 0.04, count=4), replays=[measured])
    saving = saving_of(copy)
    assert saving.method == "measured"
    assert saving.speedup == pytest.approx(1.25)
    assert saving.seconds == pytest.approx(4 * 0.2 * (1 - 1 / 1.25))


def test_where_calls_took_much_longer_than_repeated_their_copies_own_time_counts() -> None:
    """Even the shortest took twice as long in the program: memory was new there."""
    repeated = replace(replay(2.0, change="no-conversion"), as_is=0.02, changed=0.01)
    copy = replace(strided(seconds=0.3, count=4), replays=[repeated])
    passed = argument(0, None, np.ascontiguousarray(np.zeros((100, 20))[:, ::2]))
    calls = replace(called("lib.f(x)", [passed], count=4, line=12), seconds=0.1, seconds_min=0.02)
    saving = saving_of(copy, calls)
    assert saving.method == "measured"
    assert saving.seconds == pytest.approx(0.3)
    assert saving.speedup == pytest.approx(4.0)
    assert saving.low is not None
    assert saving.low < 2.0
    assert saving.high == pytest.approx(4.0)
    assert saving.cache == "either"
    assert "in memory that was new" in str(saving.reason)
    # Threads that wait for each other make most calls longer, and the copies with them.
    waiting = saving_of(copy, replace(calls, seconds_min=0.01))
    assert waiting.speedup == pytest.approx(2.0)
    assert waiting.seconds == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("took", "faults", "speedup"),
    [
        (0.04, 0, 0.44 / 0.4),  # the copies touched new memory in the child alone
        (0.3, 0, 2.0),  # what they put out of the caches
        (0.04, 4000, 2.0),  # the calls touched new memory in the program, too
    ],
)
def test_copies_that_are_dearer_when_repeated_count_as_in_the_program(
    took: float, faults: int, speedup: float
) -> None:
    repeated = replace(replay(2.0, change="no-conversion"), as_is=0.2, changed=0.1)
    copy = replace(strided(seconds=took, count=4), bytes=4_000_000, replays=[repeated])
    passed = argument(0, None, np.ascontiguousarray(np.zeros((100, 20))[:, ::2]))
    calls = replace(called("lib.f(x)", [passed], count=4, line=12), seconds=0.4, page_faults=faults)
    saving = saving_of(copy, calls)
    assert saving.speedup == pytest.approx(speedup)
    assert saving.high is not None
    assert saving.high >= 2.0


@pytest.mark.parametrize(("faults", "speedup"), [(0, 0.8 / 0.76), (4000, 2.0)])
def test_copies_inside_a_call_share_its_page_faults(faults: int, speedup: float) -> None:
    repeated = replace(replay(2.0), as_is=0.2, changed=0.1)
    copy = replace(converted(seconds=0.04, count=4), bytes=4_000_000)
    call = replace(crossing(repeated, page_faults=faults), count=4)
    assert saving_of(copy, call).speedup == pytest.approx(speedup)


@pytest.mark.parametrize(("native", "method"), [(False, "not measured"), (True, "measured")])
def test_copies_that_the_program_works_in_stay_in_some_form(native: bool, method: str) -> None:
    by = Native("/usr/lib/liba.so") if native else None
    written = replace(converted(native=by), facts=[Fact("copy_written")])
    finding = only(trace_of(written, crossing(replay(2.0)), seconds=2.0))
    assert finding.saving is not None
    assert finding.saving.method == method
    assert (finding.severity is Severity.NOTE) is not native
    assert ("go on with a copy of it" in finding.fix.text) is not native


@pytest.mark.parametrize(("shortest", "speedup"), [(0.1, 2.0), (0.3, 5.0)])
def test_a_call_that_converts_inside_is_judged_by_its_shortest(
    shortest: float, speedup: float
) -> None:
    repeated = replace(replay(2.0), as_is=0.1, changed=0.05)
    call = replace(crossing(repeated), seconds=1.0, seconds_min=shortest)
    saving = saving_of(replace(converted(), seconds=0.8), call)
    assert saving.speedup == pytest.approx(speedup)


def test_a_copy_that_is_passed_often_is_a_small_part_of_all_those_calls() -> None:
    measured = replace(replay(2.0, change="no-conversion"), as_is=0.2, changed=0.1)
    copy = replace(strided(seconds=0.4, count=4), replays=[measured])
    passed = argument(0, None, np.ascontiguousarray(np.zeros((100, 20))[:, ::2]))
    calls = replace(called("lib.f(x)", [passed], count=40, line=12), seconds=4.0)
    other = replace(called("lib.g(y)", [argument(0, None, np.zeros(3))], count=90), seconds=50.0)
    saving = saving_of(copy, calls, other)
    assert saving.seconds == pytest.approx(0.4)
    assert saving.speedup == pytest.approx(4.4 / 4.0)
    once = replace(calls, count=4, seconds=0.4)
    assert saving_of(copy, once, other).speedup == pytest.approx(2.0)


def test_repeats_save_their_part_of_the_copies() -> None:
    trace = trace_of(converted(count=4, repeated=3), crossing(replay(2.0)), seconds=2.0)
    savings = {finding.rule: finding.saving for finding in analyse(trace).findings}
    assert savings["IP102"] is not None
    assert savings["IP107"] is not None
    assert savings["IP102"].seconds == pytest.approx(0.4)
    assert savings["IP107"].seconds == pytest.approx(0.3)
    assert savings["IP107"].speedup == pytest.approx(2.0)


def test_several_calls_are_summed_and_mostly_measured_is_measured() -> None:
    narrow = np.zeros((50, 10), np.float32).T
    long = crossing(replay(2.0), seconds=0.8)
    short = crossing(seconds=0.2, arrays=(narrow,))
    copies = [
        converted(seconds=0.4),
        copied(
            LINE, narrow, np.zeros((10, 50), np.float32), ["C_CONTIGUOUS"],
            mechanism="PyArray_FromAny", seconds=0.1,
        ),
    ]  # fmt: skip
    saving = saving_of(*copies, long, short)
    assert saving.method == "measured"
    assert saving.seconds == pytest.approx(0.5)
    assert saving.speedup == pytest.approx(2.0)
    assert saving.reason == "the other calls were not repeated"
    turned = saving_of(*copies, replace(long, replays=[]), replace(short, replays=[replay(2.0)]))
    assert turned.method == "estimated"
    assert turned.low is None


def test_temporaries_are_not_measured() -> None:
    trace = trace_of(temporary("a * b", np.zeros(1 << 18)))
    assert only(trace).saving == Saving(reason="nothing was repeated without it")


@pytest.mark.parametrize(
    ("speedup", "low", "verdict"),
    [
        (3.0, 2.0, "worth it"),
        (1.2, 1.1, "worth it"),
        (1.19, 1.1, "undecided"),
        (1.05, 1.01, "undecided"),
        (1.04, 1.01, "not worth it"),
        (3.0, 1.0, "not worth it"),
        (0.5, 0.4, "not worth it"),
        (3.0, None, "worth it"),
        (None, None, None),
    ],
)
def test_the_verdict_follows_the_gain_and_its_interval(
    speedup: float | None, low: float | None, verdict: str | None
) -> None:
    assert verdict_of(Saving(speedup, low, None, method="measured"), own=False) == verdict


@pytest.mark.parametrize(("speedup", "verdict"), [(1.04, "not worth it"), (1.06, "worth it")])
def test_where_there_is_no_crossing_the_program_decides(speedup: float, verdict: str) -> None:
    assert verdict_of(Saving(program_speedup=speedup, method="estimated"), own=True) == verdict


@pytest.mark.parametrize(
    ("method", "program", "verdict"),
    [
        ("estimated", 1.0, "undecided"),
        ("estimated", 4.0, "worth it"),
        ("measured", 1.0, "worth it"),
    ],
)
def test_an_estimate_by_threads_that_wait_for_each_other_is_undecided(
    method: Literal["estimated", "measured"], program: float, verdict: str
) -> None:
    """Calls took 2 seconds in all: more than the program can only where some were side by side."""
    saving = Saving(speedup=4.0, seconds=1.5, program_seconds=program, method=method)
    assert verdict_of(saving, own=True) == verdict


def test_what_changes_nothing_of_the_run_is_recommended_to_nobody() -> None:
    """A conversion that is made once, before a thousand calls."""
    saving = Saving(speedup=4.0, low=3.9, high=4.1, program_speedup=1.001, method="measured")
    assert verdict_of(saving, own=True) == "not worth it"


def test_a_copy_inside_a_library_is_recommended_by_no_estimate_alone() -> None:
    estimate = Saving(program_speedup=1.6, method="estimated")
    assert verdict_of(estimate, own=False) == "undecided"


def severity(*records: Copy | Call) -> Severity:
    return only(trace_of(*records, seconds=2.0)).severity


def test_a_fix_that_gains_nothing_is_at_most_a_note() -> None:
    assert severity(converted(), crossing(replay(2.0))) is Severity.WARNING
    assert severity(converted(), crossing(replay(1.02))) is Severity.NOTE
    wide = replace(replay(1.8), low=0.97)
    assert severity(converted(), crossing(wide)) is Severity.NOTE


def test_a_fix_that_saves_less_than_a_tenth_of_the_run_is_at_most_a_note() -> None:
    assert severity(converted(), crossing(replay(1.4))) is Severity.WARNING
    assert severity(converted(), crossing(replay(1.3))) is Severity.NOTE


def test_a_gain_raises_no_severity() -> None:
    assert severity(converted(seconds=0.1), crossing(replay(50.0))) is Severity.NOTE


def found(rule: str, record: RecordIndex, severity: Severity, **changes: Any) -> Finding:
    place = site(LINE)
    return Finding(
        rule, "name", severity, place, place, "x", "Because.", "Seen.", [record],
        Cost(1.0, 0, 0.5), Fix("Do this."), **changes,
    )  # fmt: skip


CALL = RecordIndex("calls", 0)


def test_a_slow_layout_is_a_note_until_it_is_measured() -> None:
    finding = found("IP201", CALL, Severity.WARNING)
    unmeasured = Savings(trace_of(crossing())).added(finding)
    assert unmeasured.severity is Severity.NOTE
    assert unmeasured.saving == Saving(reason="the call was not repeated")
    measured = Savings(trace_of(crossing(replay(2.0, change="contiguous")))).added(finding)
    assert measured.severity is Severity.WARNING
    assert measured.saving is not None
    assert measured.saving.seconds == pytest.approx(0.4)


def test_a_rule_names_the_changes_that_its_fix_amounts_to() -> None:
    call = crossing(replay(2.0, change="contiguous"), replay(4.0, change="aligned"))
    savings = Savings(trace_of(call))
    finding = found("IP204", CALL, Severity.WARNING)
    assert (
        savings.added(finding, ["aligned"]).saving
        == savings.added(found("IP204", CALL, Severity.WARNING), {"aligned", "unheard-of"}).saving
    )
    aligned = savings.added(finding, ["aligned"]).saving
    assert aligned is not None
    assert aligned.speedup == pytest.approx(4.0)
    unknown = savings.added(finding).saving
    assert unknown is not None
    assert (unknown.method, unknown.speedup) == ("not measured", None)
    assert unknown.reason is not None
    assert "several changes" in unknown.reason


def test_a_saving_that_the_rule_measured_is_kept_and_completed() -> None:
    own = Saving(1.02, 0.99, 1.1, 0.02, method="measured")
    trace = trace_of(crossing(replay(9.0, change="x")), seconds=2.0)
    finding = Savings(trace).added(found("IP501", CALL, Severity.WARNING, saving=own))
    assert finding.saving == replace(
        own, program_seconds=2.0, program_speedup=2.0 / 1.98, verdict="not worth it"
    )
    assert finding.severity is Severity.NOTE


def test_errors_and_findings_of_memory_have_no_saving() -> None:
    savings = Savings(trace_of(crossing(replay(2.0))))
    for finding in (
        found("IP301", CALL, Severity.ERROR),
        found("IP308", CALL, Severity.WARNING),
        replace(found("IP602", CALL, Severity.WARNING), cost=Cost(0.0, 8000, 0.0)),
        found("IP201", CALL, Severity.ERROR),
    ):
        assert savings.added(finding) is finding


def test_findings_are_ordered_by_what_they_save() -> None:
    place = site("np.asarray(x, np.float64)", 20)
    dear = converted(seconds=0.7)  # costs more, and gains less
    cheap = replace(retyped(seconds=0.5), site=place, user_site=place)
    trace = trace_of(dear, cheap, crossing(replay(1.5), seconds=0.9), seconds=2.0)
    findings = analyse(trace).findings
    assert [finding.rule for finding in findings] == ["IP103", "IP102"]
    assert [saved_seconds(finding) for finding in findings] == pytest.approx([0.5, 0.3])


def test_where_a_gain_is_not_known_the_cost_decides() -> None:
    assert saved_seconds(found("IP201", CALL, Severity.NOTE)) == 1.0
    slower = found("IP201", CALL, Severity.NOTE, saving=Saving(seconds=-0.5))
    assert saved_seconds(slower) == 0.0
