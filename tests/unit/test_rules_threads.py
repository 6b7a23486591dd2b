"""IP503 gil-held and IP504 oversubscription on hand-made traces."""

from __future__ import annotations

import ast

import msgspec
import pytest
from trace_builder import called, trace_of

from interprobe.facts import Fact
from interprobe.findings import Finding, Severity
from interprobe.rules import ip503_gil_held as ip503
from interprobe.rules import ip504_oversubscription as ip504
from interprobe.trace import Call, Trace

MS = 1_000_000


def held(count: int, milliseconds: int) -> Fact:
    return Fact("gil-held", count=count, value=milliseconds * MS)


def turns(milliseconds: int) -> Fact:
    return Fact("gil-turns", value=milliseconds * MS)


def free(count: int, milliseconds: int) -> Fact:
    return Fact("gil-free", count=count, value=milliseconds * MS)


def queued(threads: float, cores: float, count: int = 4, text: str = "ran=200;waited=600") -> Fact:
    return Fact(
        "threads-queued", count=count, value=int(100 * threads), limit=int(100 * cores), text=text
    )


def call(*facts: Fact, binding: str = "ctypes", process: int = 0, nested: float = 0.0) -> Call:
    """A record of calls that took 0.25 s in all."""
    made = called("lib.total(x)", [], count=10)
    return msgspec.structs.replace(
        made, facts=list(facts), binding=binding, process=process, seconds_self=0.25 - nested
    )


def locked(*calls: Call, seconds: float = 1.0) -> list[Finding]:
    return list(ip503.check(trace_of(*calls, seconds=seconds)))


def crowded(*calls: Call, seconds: float = 1.0, processes: int = 1) -> list[Finding]:
    return list(ip504.check(trace_of(*calls, seconds=seconds, processes=processes)))


# --- IP503


def test_calls_that_others_wait_for_cost_the_work_that_they_put_off() -> None:
    (finding,) = locked(call(held(8, 200), turns(150), free(2, 40)))
    assert finding.severity is Severity.WARNING
    assert finding.cost.seconds == pytest.approx(0.15)
    assert "In 8 of 10 long calls, 200 ms in all" in finding.cause
    assert finding.saving is not None
    assert finding.saving.method == "not measured"


@pytest.mark.parametrize(
    "facts",
    [
        [free(10, 250)],  # nobody waited
        [held(1, 240), turns(240)],  # one call alone: a thread that happened to wake
        [held(10, 250), turns(1)],  # of a thread that looks at the clock now and then
        [held(10, 250)],
        [Fact("raised")],
    ],
)
def test_where_hardly_anybody_waits_nothing_is_said(facts: list[Fact]) -> None:
    assert locked(call(*facts)) == []


def test_a_trifle_of_the_run_is_no_finding() -> None:
    assert locked(call(held(8, 200), turns(200)), seconds=1000.0) == []
    (finding,) = locked(call(held(8, 200), turns(200)), seconds=10.0)
    assert finding.severity is Severity.NOTE


def test_time_of_calls_nested_in_it_is_theirs() -> None:
    (finding,) = locked(call(held(8, 200), turns(200), nested=0.2))
    assert finding.cost.seconds == pytest.approx(0.04)
    assert locked(call(held(8, 200), turns(200), nested=0.25)) == []


def test_a_booked_time_beyond_the_records_own_is_cut_to_it() -> None:
    (finding,) = locked(call(held(8, 900), turns(900)))
    assert finding.cost.seconds == 0.25


@pytest.mark.parametrize(
    ("binding", "words"),
    [
        ("ctypes", "ctypes.CDLL"),
        ("Cython", "with nogil:"),
        ("pybind11", "py::gil_scoped_release"),
        ("nanobind", "nb::gil_scoped_release"),
        ("f2py", "threadsafe"),
        ("SWIG", "-threads"),
        ("C", "Py_BEGIN_ALLOW_THREADS"),
    ],
)
def test_the_fix_is_that_of_the_binding(binding: str, words: str) -> None:
    (finding,) = locked(call(held(8, 200), turns(200), binding=binding))
    assert words in finding.fix.text
    ast.parse(finding.fix.code)


# --- IP504


def test_more_threads_than_cores_cost_the_time_in_the_queue() -> None:
    (finding,) = crowded(call(queued(8, 2)))
    assert finding.severity is Severity.WARNING
    assert "8 threads wanted a core, and the program may use 2 cores" in finding.cause
    assert "75%" in finding.cause
    assert finding.cost.seconds == pytest.approx(0.75 * 0.25)
    assert 'os.environ["OMP_NUM_THREADS"] = "2"' in finding.fix.code


@pytest.mark.parametrize(
    "fact",
    [
        queued(2, 2),  # the machine is busy with something else
        queued(2.9, 2),
        queued(1.4, 1),
        queued(11, 8),
        queued(8, 0),
        queued(8, 2, text=""),
        queued(8, 2, text="ran=many;waited=more"),
        Fact("threads-ran", count=4, value=800, limit=200, text="ran=200;waited=20"),
    ],
)
def test_threads_that_find_their_cores_are_no_finding(fact: Fact) -> None:
    assert crowded(call(fact)) == []


def test_most_of_the_calls_looked_at_decide() -> None:
    ran = Fact("threads-ran", count=5, value=800, limit=200, text="ran=200;waited=20")
    assert crowded(call(queued(8, 2, count=4), ran)) == []
    (finding,) = crowded(call(queued(8, 2, count=15), ran))
    assert finding.cost.seconds == pytest.approx(0.75 * 0.25 * 15 / 20)


def test_half_a_core_by_a_quota_is_said_as_such() -> None:
    (finding,) = crowded(call(queued(4, 0.5)))
    assert "may use 0.5 cores" in finding.cause
    assert '"OMP_NUM_THREADS"] = "1"' in finding.fix.code


def test_processes_that_live_together_are_added_up() -> None:
    calls = [call(queued(2, 4), process=number) for number in range(4)]
    (finding,) = crowded(*calls, processes=4)
    assert "8 threads wanted a core, in 4 processes together" in finding.cause
    assert "Give each of the 4 processes 1 thread." in finding.fix.text
    assert [record.index for record in finding.records] == [0, 1, 2, 3]


def test_processes_that_follow_each_other_are_not() -> None:
    calls = [call(queued(2, 4), process=number) for number in range(4)]
    trace = trace_of(*calls, processes=4)
    after_another = [
        msgspec.structs.replace(process, started=1.7e9 + 10 * process.id)
        for process in trace.processes
    ]
    one_by_one: Trace = msgspec.structs.replace(trace, processes=after_another)
    assert list(ip504.check(one_by_one)) == []
