"""The decorator: what it returns, when it records, and what it reports at the end."""

from __future__ import annotations

import asyncio
import copy
import io
import os
import pickle
import signal
import textwrap
import threading
import warnings
from collections.abc import Generator
from typing import Any

import pytest
from fake_recorder import FakeRecorder

import interprobe
from interprobe import decorator
from interprobe.memory import ResidentPeak

Recorders = list[FakeRecorder]


@pytest.fixture(autouse=True)
def recorders(monkeypatch: pytest.MonkeyPatch) -> Recorders:
    made: Recorders = []

    def new_recorder(file: str, *packages: object) -> FakeRecorder:
        made.append(FakeRecorder([file]))
        return made[-1]

    monkeypatch.setattr(decorator, "new_recorder", new_recorder)
    monkeypatch.setattr(decorator, "_to_report", [])
    monkeypatch.delenv("INTERPROBE", raising=False)
    return made


def undecorated(a: int, b: int = 2) -> int:
    """Add."""
    return a + b


@pytest.fixture
def profiled() -> Any:
    return interprobe.profile(undecorated)


def printed(trace: interprobe.Recording) -> str:
    text = io.StringIO()
    trace.report(file=text)
    return " ".join(text.getvalue().split())


def test_the_function_does_what_it_did(profiled: Any) -> None:
    assert profiled(1) == 3
    assert profiled(1, b=5) == 6
    assert profiled.__wrapped__ is undecorated


def test_it_is_recorded_while_it_runs_and_not_between(recorders: Recorders) -> None:
    active = []

    @interprobe.profile
    def body() -> None:
        active.append(recorders[0].active)

    assert recorders[0].asked == []
    body()
    assert not recorders[0].active
    body()
    assert recorders[0].asked == ["start", "pause", "resume", "pause"]
    assert active == [True, True]


def test_an_exception_ends_the_recording_of_the_call(recorders: Recorders) -> None:
    @interprobe.profile
    def body() -> None:
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        body()
    assert not recorders[0].active


def test_calls_add_up_and_the_recording_can_be_read_between_them(profiled: Any) -> None:
    profiled(1)
    assert [copy.count for copy in profiled.recording.copies] == [1]
    profiled(1)
    profiled(1)
    assert [copy.count for copy in profiled.recording.copies] == [3]
    assert [finding.rule for finding in profiled.recording.findings] == ["IP102"]
    assert profiled.recording.trace.meta.complete


def test_without_a_call_in_between_it_is_sealed_once(profiled: Any, recorders: Recorders) -> None:
    profiled(1)
    assert profiled.recording.trace is profiled.recording.trace
    assert recorders[0].asked.count("snapshot") == 1


def test_inside_the_body_the_trace_says_that_it_is_not_complete() -> None:
    complete = []

    @interprobe.profile
    def body() -> None:
        complete.append(body.recording.trace.meta.complete)

    body()
    assert complete == [False]
    assert body.recording.trace.meta.complete


def test_a_recursive_function_counts_once(recorders: Recorders) -> None:
    @interprobe.profile
    def factorial(n: int) -> int:
        return n * factorial(n - 1) if n else 1

    assert factorial(5) == 120
    assert recorders[0].asked == ["start", "pause"]


def test_overlapping_threads_are_recorded_until_the_last_ends(recorders: Recorders) -> None:
    inside, leave = threading.Barrier(3), threading.Event()

    @interprobe.profile
    def body() -> None:
        inside.wait()
        leave.wait()

    threads = [threading.Thread(target=body) for _ in range(2)]
    for thread in threads:
        thread.start()
    inside.wait()
    assert recorders[0].asked == ["start"]
    leave.set()
    for thread in threads:
        thread.join()
    assert recorders[0].asked == ["start", "pause"]


def test_many_threads_leave_it_paused(recorders: Recorders) -> None:
    @interprobe.profile
    def body() -> int:
        return sum(range(50))

    def work() -> None:
        for _ in range(200):
            body()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # The fake asserts that nothing is resumed or paused twice.
    assert not recorders[0].active


def test_a_signal_handler_may_call_the_function(recorders: Recorders) -> None:
    @interprobe.profile
    def body(again: bool) -> None:
        if again:
            signal.raise_signal(signal.SIGUSR1)

    previous = signal.signal(signal.SIGUSR1, lambda *_: body(False))
    try:
        body(True)
    finally:
        signal.signal(signal.SIGUSR1, previous)
    assert recorders[0].asked == ["start", "pause"]


def test_a_generator_is_recorded_between_its_yields(recorders: Recorders) -> None:
    @interprobe.profile
    def numbers() -> Generator[bool, None, str]:
        yield recorders[0].active
        yield recorders[0].active
        return "end"

    run = numbers()
    assert recorders[0].asked == []
    assert next(run) is True
    assert not recorders[0].active
    assert next(run) is True
    with pytest.raises(StopIteration, match="end"):
        next(run)
    assert recorders[0].asked == ["start", "pause", "resume", "pause", "resume", "pause"]


def test_a_coroutine_is_not_recorded_while_it_waits(recorders: Recorders) -> None:
    waiting = []

    @interprobe.profile
    async def body() -> bool:
        await asyncio.sleep(0)
        return recorders[0].active

    async def both() -> list[Any]:
        async def other() -> None:
            waiting.append(recorders[0].active)

        return await asyncio.gather(body(), other())

    assert asyncio.run(both())[0] is True
    assert waiting == [False]


@pytest.fixture
def solver_class() -> Any:
    class Solver:
        def __init__(self, scale: int) -> None:
            self.scale = scale

        @interprobe.profile
        def method(self, x: int) -> int:
            return self.scale * x

        @interprobe.profile
        @classmethod
        def above(cls, x: int) -> str:
            return f"{cls.__name__} {x}"

        @classmethod
        @interprobe.profile
        def below(cls, x: int) -> str:
            return f"{cls.__name__} {x}"

        @interprobe.profile
        @staticmethod
        def static(x: int) -> int:
            return -x

        @property
        @interprobe.profile
        def doubled(self) -> int:
            return 2 * self.scale

    return Solver


def test_methods_of_every_kind_work(solver_class: Any) -> None:
    sub_class = type("SubSolver", (solver_class,), {})
    solver = sub_class(3)
    assert solver.method(2) == 6
    assert (sub_class.above(1), solver.above(2)) == ("SubSolver 1", "SubSolver 2")
    assert (sub_class.below(1), solver.below(2)) == ("SubSolver 1", "SubSolver 2")
    assert (solver_class.static(4), solver.static(5)) == (-4, -5)
    assert solver.doubled == 6
    assert isinstance(vars(solver_class)["static"], staticmethod)


def test_all_instances_of_a_class_share_the_recordings_of_its_methods(solver_class: Any) -> None:
    solver_class(3).method(1)
    solver_class(4).method(1)
    assert solver_class(5).method.recording is solver_class.method.recording
    assert [copy.count for copy in solver_class.method.recording.copies] == [2]
    solver_class.above(1)
    assert [copy.count for copy in solver_class.above.recording.copies] == [1]


def test_the_file_of_the_decoration_is_the_users_own(recorders: Recorders) -> None:
    interprobe.profile(textwrap.dedent)
    interprobe.profile(report=False)(textwrap.dedent)
    interprobe.profile(classmethod(undecorated))
    assert [recorder.own_paths for recorder in recorders] == [[__file__]] * 3


def test_a_compiled_function_can_be_recorded(recorders: Recorders) -> None:
    total = interprobe.profile(sum)
    assert total([1, 2]) == 3
    assert total.__name__ == "sum"
    assert recorders[0].asked == ["start", "pause"]


@pytest.mark.parametrize(
    ("thing", "words"),
    [
        (FakeRecorder, "not classes: decorate the methods of FakeRecorder"),
        (property(undecorated), "put it below the property"),
        (3, "decorates functions, not 3"),
    ],
)
def test_what_is_no_function_is_refused(thing: Any, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        interprobe.profile(thing)


def test_lines_of_a_compiled_function_are_refused() -> None:
    with pytest.raises(TypeError, match="sum has no Python lines to time"):
        interprobe.profile(lines=True)(sum)


def test_disabled_the_same_function_comes_back(recorders: Recorders) -> None:
    assert interprobe.profile(enabled=False)(undecorated) is undecorated
    method = classmethod(undecorated)
    assert interprobe.profile(enabled=False)(method) is method
    assert interprobe.profile(enabled=False)(sum) is sum
    assert recorders == []


def test_switched_off_by_the_environment_the_same_function_comes_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("INTERPROBE", "off")

    def body() -> int:
        return 1

    assert interprobe.profile(lines=True, memory=True)(body) is body
    recording: interprobe.Recording = body.recording  # type: ignore[attr-defined]
    assert recording.findings == []
    assert "nothing was recorded, because INTERPROBE=off has it switched off" in printed(recording)


def test_a_function_that_was_not_called_says_so(profiled: Any) -> None:
    assert profiled.recording.findings == []
    assert "because undecorated has not been called" in printed(profiled.recording)


def test_where_no_recording_is_left_the_function_works(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Refusing(FakeRecorder):
        def start(self) -> None:
            raise MemoryError("64 recordings are open already")

    monkeypatch.setattr(decorator, "new_recorder", lambda file, *packages: Refusing())
    profiled = interprobe.profile(undecorated)
    assert (profiled(1), profiled(2)) == (3, 4)
    assert "because 64 recordings are open already" in printed(profiled.recording)


def test_the_report_names_the_function(profiled: Any) -> None:
    profiled(1)
    text = printed(profiled.recording)
    assert text.startswith(f"interprobe.profile: undecorated ({__file__}:")
    assert "IP102" in text


def test_at_exit_each_called_function_is_reported_once(
    profiled: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    silent = interprobe.profile(report=False)(undecorated)
    interprobe.profile(textwrap.dedent)  # never called
    profiled(1)
    profiled(1)
    silent(1)
    decorator._report_all(os.getpid())
    output = capsys.readouterr()
    assert output.err.count("interprobe.profile: ") == 1
    assert output.out == ""


def test_a_forked_child_reports_nothing(profiled: Any, capsys: pytest.CaptureFixture[str]) -> None:
    profiled(1)
    decorator._report_all(process=-1)
    assert capsys.readouterr().err == ""


def test_a_closed_standard_error_is_no_error(
    profiled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    profiled(1)
    closed, opened = io.StringIO(), io.StringIO()
    closed.close()
    for stream in (closed, None, opened):
        monkeypatch.setattr("sys.stderr", stream)
        decorator._report_all(os.getpid())
    # There was something to report all along.
    assert "interprobe.profile: " in opened.getvalue()


def test_a_function_that_is_forgotten_ends_its_recording(recorders: Recorders) -> None:
    profiled = interprobe.profile(report=False)(undecorated)
    profiled(1)
    del profiled
    assert recorders[0].asked[-1] == "stop"


@interprobe.profile(report=False)
def pickled() -> str:
    return "pickled"


def test_a_decorated_function_is_pickled_by_name() -> None:
    assert pickle.loads(pickle.dumps(pickled)) is pickled


def test_a_recording_sent_by_value_begins_anew(profiled: Any, recorders: Recorders) -> None:
    profiled(1)
    sent = copy.copy(profiled.recording)
    assert sent is not profiled.recording
    assert not sent.called
    assert repr(sent) == "<interprobe recording of undecorated>"
    assert recorders[-1].own_paths == [__file__]


def test_memory_is_sampled_while_the_function_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    class Sampler:
        peak = ResidentPeak(4096, None)

        def start(self) -> None:
            asked.append("start")

        def pause(self) -> None:
            asked.append("pause")

    monkeypatch.setattr("interprobe.memory.ResidentSampler", Sampler)
    profiled = interprobe.profile(memory=True)(undecorated)
    assert asked == []
    profiled(1)
    assert asked == ["start", "pause"]
    assert profiled.recording.trace.memory.rss_sampled_peak_bytes == 4096


def test_lines_are_timed_over_all_calls() -> None:
    def body(n: int) -> int:
        total = 0
        for number in range(n):
            total += number
        return total

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        profiled = interprobe.profile(lines=True)(body)
    assert profiled(3) + profiled(4) == 9
    (function,) = profiled.recording.trace.lines
    assert function.function == body.__qualname__
    first = body.__code__.co_firstlineno
    assert {line.line - first: line.hits for line in function.lines} == {
        0: 0,
        1: 2,
        2: 9,
        3: 7,
        4: 2,
    }
