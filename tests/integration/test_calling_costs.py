"""What calling costs in real programs: turns are sampled, and the bad ones are found."""

from __future__ import annotations

import ctypes
import gc
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from interprobe import native
from interprobe.analysis import analyse
from interprobe.cdemo import DOUBLE_POINTER, cykernels, kernels
from interprobe.empty_calls import EmptyCall, empty_call
from interprobe.findings import Site
from interprobe.recorder import Recorder
from interprobe.trace import Argument, Call, Trace
from interprobe.turns import Turn

PROGRAMS = Path(__file__).parent / "programs"
sys.path.insert(0, str(PROGRAMS))

import short_calls  # noqa: E402 - it lies among the programs

CALLS = 4000
SITE = Site(file=__file__, line=1)
SAMPLES = CALLS // 64


def record(function: Callable[[], object]) -> Trace:
    recorder = Recorder(own_paths=[__file__, short_calls.__file__])
    recorder.start()
    try:
        function()
    finally:
        trace = recorder.stop()
    return analyse(trace)


def findings_of(trace: Trace) -> list[tuple[str, str]]:
    return [(finding.rule, finding.evidence) for finding in trace.findings]


def turn_of(trace: Trace, function: str = "cdemo_sum") -> Turn:
    (call,) = [call for call in trace.calls if call.function == function]
    assert call.turn is not None
    return call.turn


@pytest.mark.parametrize("name", sorted(short_calls.PAIRS))
def test_a_loop_around_short_calls_is_found_and_its_cure_is_not(name: str) -> None:
    rule, bad, good = short_calls.PAIRS[name]
    before = record(bad)
    assert [finding.rule for finding in before.findings] == [rule], findings_of(before)
    (finding,) = before.findings
    assert finding.saving is not None
    assert finding.saving.method == "estimated"
    assert finding.saving.speedup is not None
    assert finding.saving.speedup > 1.2
    after = record(good)
    assert after.findings == [], findings_of(after)


def test_an_address_taken_in_a_function_of_its_own() -> None:
    (finding,) = record(short_calls.addresses_in_a_function_bad).findings
    assert finding.rule == "IP502"
    assert finding.site.function == "call_in_a_function"


@pytest.mark.parametrize("program", short_calls.INNOCENT)
def test_an_innocent_program_yields_nothing(program: Callable[[], object]) -> None:
    trace = record(program)
    assert trace.findings == [], findings_of(trace)


def test_one_call_in_64_is_sampled() -> None:
    x = np.ones(8)
    pointer = x.ctypes.data_as(DOUBLE_POINTER)

    def loop() -> None:
        for _ in range(CALLS):
            kernels.cdemo_sum(pointer, 8)

    turn = turn_of(record(loop))
    assert SAMPLES - 5 <= turn.samples <= SAMPLES
    assert turn.given == ["LP_c_double", "int"]
    assert turn.between is not None
    assert turn.empty is not None
    assert turn.addresses is None
    assert turn.bare is None
    assert turn.loop == "for _ in range(CALLS):\n    kernels.cdemo_sum(pointer, 8)"


def test_addresses_are_a_part_of_what_lies_between_calls() -> None:
    x = np.ones(8)

    def loop() -> None:
        for _ in range(CALLS):
            kernels.cdemo_sum(x.ctypes.data_as(DOUBLE_POINTER), 8)

    turn = turn_of(record(loop))
    assert turn.addresses is not None
    assert turn.between is not None
    assert 0.5 * turn.between < turn.addresses <= turn.between


def test_between_calls_of_two_functions_nothing_is_known() -> None:
    x = np.ones(8)
    pointer = x.ctypes.data_as(DOUBLE_POINTER)

    def loop() -> None:
        for _ in range(CALLS):
            kernels.cdemo_sum(pointer, 8)
            cykernels.sum(x)

    trace = record(loop)
    turns = [call.turn for call in trace.calls if call.turn is not None]
    assert turns
    assert all(turn.between is None for turn in turns)


def test_types_of_arguments_are_those_of_the_objects() -> None:
    x = np.linspace(0.0, 1.0, CALLS)

    def loop() -> None:
        for value in x:
            kernels.cdemo_orbit(value, 4)

    assert turn_of(record(loop), "cdemo_orbit").given == ["numpy.float64", "int"]


def test_what_raises_is_not_taken_for_a_short_call() -> None:
    def loop() -> None:
        for _ in range(CALLS):
            with pytest.raises(ctypes.ArgumentError):
                kernels.cdemo_sum("no pointer", 8)

    assert all(call.turn is None for call in record(loop).calls)


def test_calls_in_calls_are_left_out() -> None:
    compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    sort = ctypes.CDLL(None).qsort
    numbers = (ctypes.c_int * 2)(2, 1)
    x = np.ones(8)
    pointer = x.ctypes.data_as(DOUBLE_POINTER)

    def inner(_: object, __: object) -> int:
        return int(kernels.cdemo_sum(pointer, 8)) - 8

    back = compare(inner)

    def loop() -> None:
        for _ in range(CALLS):
            sort(numbers, 2, 4, back)

    trace = record(loop)
    counts = {call.function: call.count for call in trace.calls}
    assert counts == {"qsort": CALLS, "cdemo_sum": CALLS}
    assert all(call.turn is None or call.turn.between is None for call in trace.calls)


def test_threads_have_turns_of_their_own() -> None:
    x = np.ones(8)
    pointer = x.ctypes.data_as(DOUBLE_POINTER)

    def loop() -> None:
        for _ in range(CALLS):
            kernels.cdemo_sum(pointer, 8)

    def work() -> None:
        threads = [threading.Thread(target=loop) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    (call,) = record(work).calls
    assert call.count == 4 * CALLS
    assert call.turn is None or call.turn.samples <= 4 * CALLS // 64


def recorded(*declared: str) -> Call:
    arguments = [Argument(i, None, name, None, None) for i, name in enumerate(declared)]
    return Call(
        process=0,
        site=SITE,
        user_site=SITE,
        binding="ctypes",
        library="",
        function="f",
        arguments=arguments,
        count=1000,
        seconds=1.0,
        seconds_self=1.0,
        seconds_min=0.0,
        seconds_max=0.1,
        bytes_borrowed=0,
        bytes_copied=0,
        argtypes=len(declared) or None,
    )


@pytest.mark.parametrize(
    ("given", "declared"),
    [
        ("LP_c_double", "POINTER(c_double)"),
        ("LP_c_double", None),
        ("int", "c_size_t"),
        ("int", None),
        ("float", "c_double"),
        ("numpy.float64", "c_double"),
        ("NoneType", "POINTER(c_double)"),
        ("c_void_p", None),
        ("CArgObject", "POINTER(c_double)"),
    ],
)
def test_an_empty_call_is_made_as_the_recorded_one(given: str, declared: str | None) -> None:
    call = recorded(declared) if declared else recorded()
    empty = empty_call(call, Turn(samples=1, call=1e-6, given=[given]))
    assert empty.whole is not None
    assert 0 < empty.whole < 1e-3
    assert empty.bare is None
    assert empty.probes is not None
    assert 0 < empty.probes < 1e-3
    assert native.installed() == []
    assert not native.recording()


def test_what_nobody_can_make_again_is_not_timed() -> None:
    turn = Turn(samples=1, call=1e-6, given=["Mystery"])
    assert empty_call(recorded(), turn) == EmptyCall()


def test_while_something_is_recorded_no_empty_call_is_timed() -> None:
    recorder = Recorder()
    recorder.start()
    try:
        given = ["c_double", "c_double", "c_double"]
        assert empty_call(recorded(), Turn(samples=1, call=1e-6, given=given)) == EmptyCall()
    finally:
        assert recorder.stop().calls == []


def test_a_hundred_thousand_sampled_calls_keep_nothing() -> None:
    x = np.ones(8)

    def loop(count: int) -> None:
        for _ in range(count):
            kernels.cdemo_sum(x.ctypes.data_as(DOUBLE_POINTER), 8)

    def counted() -> None:
        loop(1000)
        gc.collect()
        references, blocks = sys.getrefcount(x), sys.getallocatedblocks()
        loop(100_000)
        gc.collect()
        assert sys.getrefcount(x) == references
        assert sys.getallocatedblocks() - blocks < 1000

    assert sum(call.count for call in record(counted).calls) == 101_000
