"""The sampler of resident memory: its peak, the line of it, and what it leaves alone."""

from __future__ import annotations

import _thread
import contextlib
import gc
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import memory_profiler
import pytest
from trace_builder import trace_of

from interprobe import memory
from interprobe.memory import ResidentPeak, ResidentSampler, add_resident_peak
from interprobe.trace import Memory

MIB = 1024 * 1024


class Readings:
    """Stands for what the OS says: each reading takes the next value, the last one stays."""

    def __init__(self, *values: int) -> None:
        self.values = list(values)
        self.taken = 0

    def __call__(self) -> int:
        self.taken += 1
        return self.values.pop(0) if len(self.values) > 1 else self.values[0]


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Readings]:
    def use(*values: int) -> Readings:
        source = Readings(*values)
        monkeypatch.setattr(memory, "_memory_reader", lambda: source)
        return source

    return use


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def threads() -> int:
    """The threads of this process, as the OS counts them."""
    return len(os.listdir("/proc/self/task"))


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    before = threads()
    yield
    # The OS reports a thread of `threading` as gone slightly after it was joined.
    wait_for(lambda: threads() == before)


def test_the_peak_is_the_highest_sample(readings: Callable[..., Readings]) -> None:
    source = readings(100, 300, 200)
    sampler = ResidentSampler(interval=0.001)
    sampler.start()
    wait_for(lambda: source.taken > 3)
    assert sampler.stop().bytes == 300


def test_a_run_shorter_than_the_interval_is_sampled_at_both_ends(
    readings: Callable[..., Readings],
) -> None:
    source = readings(100, 300)
    sampler = ResidentSampler(interval=60)
    sampler.start()
    assert sampler.stop() == ResidentPeak(300, sampler.peak.site)
    assert source.taken == 2


def test_the_line_of_the_peak_is_the_users_own(readings: Callable[..., Readings]) -> None:
    readings(100)
    sampler = ResidentSampler(interval=60)
    line = sys._getframe().f_lineno + 1
    sampler.start()
    site = sampler.stop().site
    assert site is not None
    assert (site.file, site.line, site.function) == (
        __file__,
        line,
        "test_the_line_of_the_peak_is_the_users_own",
    )
    assert site.source.strip() == "sampler.start()"


def test_inside_a_library_the_line_is_the_nearest_one_of_the_user(
    readings: Callable[..., Readings],
) -> None:
    readings(100)
    sampler = ResidentSampler(interval=60)
    library = contextlib.ExitStack()
    library.callback(sampler.start)
    line = sys._getframe().f_lineno + 1
    library.close()
    site = sampler.stop().site
    assert site is not None
    assert (site.file, site.line) == (__file__, line)


def test_the_working_thread_is_preferred_to_the_one_that_waits_for_it(
    readings: Callable[..., Readings],
) -> None:
    source = readings(100)
    sampler = ResidentSampler(interval=0.001)
    sampler.start()

    def work() -> None:
        source.values = [500]
        end = time.monotonic() + 10
        while sampler.peak.bytes < 500 and time.monotonic() < end:
            pass

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    site = sampler.stop().site
    assert site is not None
    assert site.function.endswith("work")


def test_pauses_are_not_sampled(readings: Callable[..., Readings]) -> None:
    source = readings(100)
    sampler = ResidentSampler(interval=0.001)
    sampler.start()
    sampler.pause()
    time.sleep(0.01)
    taken = source.taken
    source.values = [900]
    time.sleep(0.02)
    assert source.taken == taken
    assert sampler.peak.bytes == 100
    sampler.start()
    wait_for(lambda: source.taken > taken)
    assert sampler.stop().bytes == 900


def test_a_body_entered_often_is_not_sampled_each_time(readings: Callable[..., Readings]) -> None:
    source = readings(100)
    sampler = ResidentSampler(interval=60)
    for _ in range(100):
        sampler.start()
        sampler.pause()
    assert source.taken == 1
    sampler.stop()


def test_starting_and_stopping_twice_does_no_harm(readings: Callable[..., Readings]) -> None:
    readings(100)
    sampler = ResidentSampler(interval=60)
    sampler.start()
    sampler.start()
    assert sampler.stop() == sampler.stop()
    sampler.pause()
    sampler.start()
    sampler.stop()


def test_the_program_does_not_see_the_thread(readings: Callable[..., Readings]) -> None:
    readings(100)
    traced: list[Any] = []
    threading.settrace(lambda *event: traced.append(event))
    known = threading.enumerate()
    sampler = ResidentSampler(interval=0.001)
    try:
        sampler.start()
        time.sleep(0.01)
        assert threading.enumerate() == known
    finally:
        threading.settrace(None)  # type: ignore[arg-type]
        sampler.stop()
    assert traced == []


def test_a_failing_sample_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    failures = 0

    def read() -> int:
        nonlocal failures
        failures += 1
        if failures != 2:
            raise OSError("too many open files")
        return 700

    monkeypatch.setattr(memory, "_memory_reader", lambda: read)
    sampler = ResidentSampler(interval=60)
    sampler.start()
    assert sampler.stop().bytes == 700
    sampler.start()
    assert sampler.stop().bytes == 700


def test_without_a_thread_both_ends_are_sampled(
    readings: Callable[..., Readings], monkeypatch: pytest.MonkeyPatch
) -> None:
    readings(100, 300)

    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(_thread, "start_new_thread", refuse)
    sampler = ResidentSampler(interval=0.001)
    sampler.start()
    assert sampler.stop().bytes == 300


@pytest.mark.parametrize("paused", [True, False])
def test_a_forgotten_sampler_ends_its_thread(
    paused: bool, readings: Callable[..., Readings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "_IDLE", 0.01)
    source = readings(100)
    before = threads()
    sampler = ResidentSampler(interval=0.001)
    sampler.start()
    wait_for(lambda: source.taken > 2)
    if paused:
        sampler.pause()
    assert threads() == before + 1
    del sampler
    gc.collect()
    wait_for(lambda: threads() == before)


@pytest.mark.parametrize("interval", [0, -1, float("nan")])
def test_the_interval_is_positive(interval: float) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        ResidentSampler(interval=interval)


def test_the_peak_is_among_the_figures_of_a_trace() -> None:
    trace = add_resident_peak(trace_of(), ResidentPeak(12, None))
    assert trace.memory == Memory(rss_sampled_peak_bytes=12)


def test_the_samples_are_memory_profilers_own() -> None:
    sampler = ResidentSampler()
    sampler.start()
    resident = memory_profiler.memory_usage(-1)[0] * MIB
    assert abs(sampler.stop().bytes - resident) < 16 * MIB


FORK = """
import os, sys, threading, warnings
from interprobe.memory import ResidentSampler
warnings.simplefilter("error")
sampler = ResidentSampler(interval=0.001)
sampler.start()
if {pause}:
    sampler.pause()
for _ in range(5):
    child = os.fork()
    if child == 0:
        alone = len(os.listdir("/proc/self/task")) == 1
        peak = sampler.stop().bytes
        os._exit(0 if alone and peak > 0 else 9)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
print(len(os.listdir("/proc/self/task")))
assert sampler.stop().bytes > 0
print(len(os.listdir("/proc/self/task")))
"""


@pytest.mark.parametrize("pause", [True, False])
def test_a_fork_is_neither_warned_about_nor_sampled_in_the_child(pause: bool) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORK.format(pause=pause)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    assert (done.stdout, done.stderr) == ("2\n1\n", "")


def test_a_program_that_never_stops_it_ends_all_the_same() -> None:
    code = (
        "from interprobe.memory import ResidentSampler\n"
        "sampler = ResidentSampler(interval=0.001)\n"
        "sampler.start()\n"
        "print('end')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert (done.stdout, done.stderr) == ("end\n", "")


def test_sampling_imports_no_numpy() -> None:
    code = (
        "import sys, time\n"
        "from interprobe.memory import ResidentSampler\n"
        "sampler = ResidentSampler(interval=0.001)\n"
        "sampler.start()\n"
        "time.sleep(0.02)\n"
        "sampler.pause()\n"
        "print('numpy' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "False\n"
