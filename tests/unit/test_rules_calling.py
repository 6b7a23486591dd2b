"""IP501, IP502 and IP505 on hand-made turns: which of them speaks, and what it says."""

from __future__ import annotations

import ast

import msgspec
import numpy as np
import pytest
from trace_builder import argument, called, site, trace_of

from interprobe.analysis import analyse
from interprobe.calling_costs import calling_costs
from interprobe.findings import Finding, Severity
from interprobe.loop_text import item_of_array, loop_of
from interprobe.rules import ip501_tiny_calls, ip502_marshalling_dominates, ip505_per_item_boxing
from interprobe.trace import Call, Trace
from interprobe.turns import Turn, joined_turns

NS = 1e-9
ROW = np.ones(8)
TINY = Turn(
    samples=100,
    call=520 * NS,
    between=100 * NS,
    given=["LP_c_double", "int"],
    empty=440 * NS,
    loop="for pointer in pointers:\n    lib.total(pointer, 8)",
)
MARSHALLED = Turn(
    samples=100,
    call=2000 * NS,
    between=2700 * NS,
    addresses=2500 * NS,
    given=["LP_c_double", "int"],
    empty=440 * NS,
    loop="for _ in range(n):\n    t += lib.total(x.ctypes.data_as(P), 8)",
)
BOXED = Turn(
    samples=100,
    call=300 * NS,
    between=180 * NS,
    given=["numpy.float64"],
    empty=240 * NS,
    loop="for i in range(n):\n    t += lib.cbrt(x[i])",
)


def short(
    turn: Turn,
    expression: str = "lib.total(pointer, 8)",
    count: int = 100_000,
    binding: str = "ctypes",
) -> Call:
    arrays = [argument(0, "POINTER(c_double)", ROW)] if "LP_c_double" in turn.given else []
    if "numpy.ndarray" in turn.given:
        arrays = [argument(0, "ndpointer_<f8_1d_C_CONTIGUOUS", ROW)]
    call = called(expression, arrays, count=count)
    return msgspec.structs.replace(call, turn=turn, binding=binding, seconds=turn.call * count)


def marshalled(**changes: object) -> Call:
    turn = msgspec.structs.replace(MARSHALLED, **changes)
    return short(turn, "lib.total(x.ctypes.data_as(P), 8)")


def run(call: Call, seconds: float = 0.5) -> Trace:
    return trace_of(call, seconds=seconds)


def found(call: Call, seconds: float = 0.5) -> list[Finding]:
    trace = run(call, seconds)
    return [
        finding
        for rule in (ip501_tiny_calls, ip502_marshalling_dominates, ip505_per_item_boxing)
        for finding in rule.check(trace)
    ]


def only(call: Call, seconds: float = 0.5) -> Finding:
    findings = found(call, seconds)
    assert len(findings) == 1, findings
    return findings[0]


def test_tiny_calls_say_what_is_left_without_the_crossing() -> None:
    finding = only(short(TINY))
    assert (finding.rule, finding.severity) == ("IP501", Severity.WARNING)
    assert "100,000 times" in finding.cause
    assert "work inside takes about 80.0 ns" in finding.cause
    # 520 + 100 ns a turn, 80 of which are work.
    assert finding.cost.seconds == pytest.approx(100_000 * 540 * NS)
    assert finding.saving is not None
    assert finding.saving.speedup == pytest.approx(620 / 80, rel=0.01)
    assert finding.saving.method == "estimated"
    assert finding.saving.low is not None
    assert finding.saving.low < 620 / 80


def test_work_too_short_to_be_told_makes_a_least_gain() -> None:
    finding = only(short(msgspec.structs.replace(TINY, call=441 * NS)))
    assert "under 66.0 ns" in finding.cause
    assert finding.saving is not None
    assert finding.saving.high is None
    assert (finding.saving.reason or "").startswith("at least")


@pytest.mark.parametrize(
    ("seconds", "severities"),
    [(0.5, [Severity.WARNING]), (0.9, [Severity.NOTE]), (1.2, [])],
)
def test_a_share_of_the_run_decides(seconds: float, severities: list[Severity]) -> None:
    assert [finding.severity for finding in found(short(TINY), seconds)] == severities


def test_few_calls_are_no_finding() -> None:
    assert found(short(TINY, count=1999), 1e-4) == []
    assert found(short(TINY, count=2000), 1e-4) != []
    boxed = short(BOXED, "lib.cbrt(x[i])", count=4999)
    assert found(boxed, 1e-4) == []


def test_few_samples_are_no_finding() -> None:
    assert found(short(msgspec.structs.replace(TINY, samples=15))) == []


def test_calls_with_work_in_them_are_no_finding() -> None:
    assert found(short(msgspec.structs.replace(TINY, call=1500 * NS))) == []


def test_where_no_empty_call_is_known_nothing_is_said_of_tiny_calls() -> None:
    assert found(short(msgspec.structs.replace(TINY, empty=None))) == []


def test_what_a_library_calls_is_not_the_users_to_change() -> None:
    inside = site("lib.total(p, 8)", file="/usr/lib/python3/site-packages/fit/core.py")
    assert found(msgspec.structs.replace(short(TINY), site=inside)) == []


def test_a_pointer_to_freed_memory_is_not_weighed() -> None:
    call = short(TINY)
    dangling = msgspec.structs.replace(call.arguments[0], given=None, freed=call.arguments[0].given)
    assert found(msgspec.structs.replace(call, arguments=[dangling])) == []


def test_the_loop_counts_only_where_it_holds_nothing_else() -> None:
    busy = TINY.loop + "\n    history.append(pointer)"
    finding = only(short(msgspec.structs.replace(TINY, loop=busy)))
    assert finding.cost.seconds == pytest.approx(100_000 * 440 * NS)


def test_a_function_of_python_objects_is_not_told_to_take_an_array() -> None:
    turn = msgspec.structs.replace(TINY, given=["str"], loop="")
    assert found(short(turn, "parser.feed(line)", binding="C API")) == []


def test_addresses_that_cost_more_than_the_work() -> None:
    finding = only(marshalled())
    assert finding.rule == "IP502"
    assert "2.50 us at each of 100,000 calls" in finding.cause
    assert finding.fix.code.splitlines() == [
        "x_pointer = x.ctypes.data_as(P)  # once, before the loop",
        "lib.total(x_pointer, 8)",
    ]
    assert finding.saving is not None
    assert finding.saving.speedup == pytest.approx(4700 / 2200, rel=0.01)


def test_addresses_that_cost_less_than_the_work_are_no_finding() -> None:
    assert found(marshalled(call=5000 * NS)) == []


def test_statements_between_address_and_call_leave_a_doubt() -> None:
    loop = "for _ in range(n):\n    p = x.ctypes.data_as(P)\n    work(x)\n    lib.total(p, 8)"
    turn = msgspec.structs.replace(MARSHALLED, loop=loop)
    assert found(short(turn, "lib.total(p, 8)")) == []
    quick = loop.replace("    work(x)\n", "")
    finding = only(short(msgspec.structs.replace(turn, loop=quick), "lib.total(p, 8)"))
    assert finding.fix.code == "p = x.ctypes.data_as(P)  # once, before the loop"


def test_the_address_of_another_row_at_each_call_is_counted_on() -> None:
    loop = "for i in range(n):\n    lib.total(m[i].ctypes.data_as(P), 8)"
    turn = msgspec.structs.replace(MARSHALLED, loop=loop)
    finding = only(short(turn, "lib.total(m[i].ctypes.data_as(P), 8)"))
    assert finding.fix.code.splitlines() == [
        "lib.total.argtypes = [ctypes.c_void_p, ctypes.c_long]",
        "m_address = m.ctypes.data  # once, before the loop",
        "lib.total(m_address + i * m.strides[0], 8)",
    ]


def test_ndpointer_is_weighed_against_bare_addresses() -> None:
    turn = Turn(
        samples=100,
        call=5000 * NS,
        between=100 * NS,
        given=["numpy.ndarray", "int"],
        empty=3000 * NS,
        bare=300 * NS,
        loop="for _ in range(n):\n    t += lib.total(x, 8)",
    )
    finding = only(short(turn, "lib.total(x, 8)"))
    assert finding.rule == "IP502"
    assert "ndpointer" in finding.cause
    assert "x_address = x.ctypes.data" in finding.fix.code
    assert finding.saving is not None
    assert finding.saving.speedup == pytest.approx(5100 / 2400, rel=0.01)


def test_items_of_an_array_one_by_one() -> None:
    finding = only(short(BOXED, "lib.cbrt(x[i])"))
    assert finding.rule == "IP505"
    assert "the numbers of `x` one by one" in finding.cause
    assert "numpy.float64" in finding.cause
    assert "out = np.empty(len(x))" in finding.fix.code
    assert finding.saving is not None
    assert finding.saving.speedup == pytest.approx(480 / 60, rel=0.01)


def test_plain_floats_are_boxed_items_where_the_text_shows_it() -> None:
    plain = msgspec.structs.replace(BOXED, given=["float"])
    assert only(short(plain, "lib.cbrt(x[i])")).rule == "IP505"
    counter = msgspec.structs.replace(plain, loop="for i in range(n):\n    t += lib.cbrt(0.5)")
    assert only(short(counter, "lib.cbrt(0.5)")).rule == "IP501"


def test_long_work_on_items_is_no_finding() -> None:
    assert found(short(msgspec.structs.replace(BOXED, call=900 * NS), "lib.cbrt(x[i])")) == []


@pytest.mark.parametrize(
    ("argument_text", "loop", "array"),
    [
        ("x[i]", "for i in range(n):\n    f(x[i])", "x"),
        ("float(x[i, 0])", "for i in range(n):\n    f(float(x[i, 0]))", "x"),
        ("grid.x.item(i)", "for i in range(n):\n    f(grid.x.item(i))", "grid.x"),
        ("v", "for v in x:\n    f(v)", "x"),
        ("v", "[f(v) for v in x.tolist()]", "x"),
        ("v", "for v in range(9):\n    f(v)", None),
        ("x[0]", "for i in range(n):\n    f(x[0])", None),
        ("y", "for i in range(n):\n    f(y)", None),
    ],
)
def test_the_text_tells_whose_item_an_argument_is(
    argument_text: str, loop: str, array: str | None
) -> None:
    known = loop_of(loop, f"f({argument_text})")
    assert known is not None
    assert item_of_array(argument_text, known) == array


@pytest.mark.parametrize("text", ["", "for", "x = 1", "while True:\n    pass", "(" * 500])
def test_text_that_shows_no_loop_around_the_call(text: str) -> None:
    assert loop_of(text, "f(x)") is None


def test_every_fix_is_python() -> None:
    cython = short(
        msgspec.structs.replace(TINY, given=["numpy.ndarray"], empty=400 * NS), "m.f(row)"
    )
    boxed = msgspec.structs.replace(BOXED, loop="for i in range(n):\n    m.g(x[i])")
    calls = [
        short(TINY),
        marshalled(),
        short(BOXED, "lib.cbrt(x[i])"),
        short(boxed, "m.g(x[i])", binding="Cython"),
        msgspec.structs.replace(cython, binding="Cython"),
    ]
    for call in calls:
        assert ast.parse(only(call).fix.code).body


def test_findings_come_out_of_the_analysis_with_a_verdict() -> None:
    (finding,) = analyse(run(short(TINY))).findings
    assert finding.saving is not None
    assert finding.saving.verdict == "worth it"


def test_work_that_was_timed_by_itself_tells_the_gain() -> None:
    finding = only(short(msgspec.structs.replace(TINY, call=441 * NS, work=20 * NS)))
    assert "about 20.0 ns" in finding.cause
    saving = finding.saving
    assert saving is not None
    assert saving.speedup == pytest.approx(541 / 20, rel=0.01)
    assert saving.low is not None
    assert saving.high is not None
    assert saving.low < 541 / 20 < saving.high


def test_work_on_arrays_may_be_colder_in_the_program() -> None:
    turn = msgspec.structs.replace(TINY, call=460 * NS, work=20 * NS, work_cold=200 * NS)
    saving = only(short(turn)).saving
    assert saving is not None
    assert saving.speedup == pytest.approx(560 / 20, rel=0.01)
    assert saving.low is not None
    assert saving.low < 8


def test_calls_that_took_much_longer_met_cold_arrays() -> None:
    (calls,) = calling_costs(
        run(short(msgspec.structs.replace(TINY, call=800 * NS, work=20 * NS, work_cold=250 * NS))),
        2000,
    )
    assert calls.work == pytest.approx(250 * NS)


def test_what_the_probes_took_is_no_part_of_the_program() -> None:
    call = short(msgspec.structs.replace(TINY, probes=1000 * NS))
    (finding,) = analyse(run(call)).findings
    saving = finding.saving
    assert saving is not None
    assert saving.probe_seconds == pytest.approx(0.1)
    assert saving.program_seconds == pytest.approx(0.4)
    # 540 ns of each of 100,000 turns.
    assert saving.program_speedup == pytest.approx(0.4 / (0.4 - 0.054), rel=0.01)


def test_probes_take_at_most_half_of_the_program() -> None:
    call = short(msgspec.structs.replace(TINY, probes=1e-3))
    (finding,) = analyse(run(call)).findings
    assert finding.saving is not None
    assert finding.saving.program_seconds == pytest.approx(0.25)


def test_records_of_one_line_are_one_place() -> None:
    call = short(TINY, count=1500)
    trace = run(call)
    twice = msgspec.structs.replace(trace, calls=[call, call])
    (calls,) = calling_costs(twice, 2000)
    assert (calls.count, calls.indices) == (3000, [0, 1])


def test_turns_of_twins_are_weighted_by_their_samples() -> None:
    one, other = Turn(samples=1, call=1.0), Turn(samples=3, call=2.0, between=4.0)
    joined = joined_turns(one, other)
    assert joined is not None
    assert (joined.samples, joined.call, joined.between) == (4, 1.75, 4.0)
    assert joined_turns(None, one) is one
    assert joined_turns(None, None) is None
