"""Calls are repeated in a forked child: what is measured there, and that nothing of it gets out."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from extension_builder import build_c_library, build_pybind11
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from interprobe.cdemo import cykernels, kernels
from interprobe.process_ledgers import LedgerFolder
from interprobe.recorder import Recorder
from interprobe.replays import Replay
from interprobe.trace import Trace
from interprobe.what_if import WhatIf

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="calls are repeated in children of Linux's kind"
)

NAME = "replayed_calls"


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    module = build_pybind11(NAME, tmp_path_factory.mktemp("replays"))
    spec = importlib.util.spec_from_file_location(NAME, module)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = loaded
    spec.loader.exec_module(loaded)
    yield loaded
    del sys.modules[NAME]


def columns(rows: int = 60_000) -> NDArray[np.float64]:
    """Every 4th number of a larger array, so that the conversion reads four times the memory."""
    return np.arange(8.0 * rows).reshape(rows, 8)[:, ::4]


def record(work: Callable[[], object], what_if: WhatIf = "all") -> Trace:
    boundary = [NAME] if NAME in sys.modules else []
    recorder = Recorder(own_paths=[__file__], boundary=boundary, what_if=what_if)
    recorder.start()
    try:
        work()
    finally:
        trace = recorder.stop()
    return trace


def replays(work: Callable[[], object], what_if: WhatIf = "all") -> list[Replay]:
    return [replay for call in record(work, what_if).calls for replay in call.replays]


def only(found: list[Replay]) -> Replay:
    assert len(found) == 1, found
    return found[0]


def test_a_converting_call_is_measured_with_what_it_asks_for(calls: ModuleType) -> None:
    view = columns()
    replay = only(replays(lambda: calls.total(view)))
    assert replay.change == "conforming"
    assert replay.positions == [0]
    assert replay.reason is None
    assert replay.passes >= 3
    assert replay.low is not None
    assert replay.speedup is not None
    assert replay.high is not None
    assert replay.low <= replay.speedup <= replay.high
    # The conversion reads 8 numbers for each one that is summed up.
    assert replay.speedup > 1.2


def test_a_list_is_measured_as_the_array_that_it_becomes(calls: ModuleType) -> None:
    replay = only(replays(lambda: calls.total(list(range(20_000)))))
    assert replay.positions == [0]
    assert replay.speedup is not None
    assert replay.speedup > 3


def test_a_call_that_converts_nothing_is_not_repeated(calls: ModuleType) -> None:
    assert replays(lambda: calls.total(np.ones(10_000))) == []


def test_off_repeats_nothing(calls: ModuleType) -> None:
    assert replays(lambda: calls.total(columns()), "off") == []


def test_a_conversion_before_the_call_is_measured_with_it(calls: ModuleType) -> None:
    view = columns()
    trace = record(lambda: calls.total(np.ascontiguousarray(view)))
    (copy,) = [each for each in trace.copies if each.mechanism == "numpy.ascontiguousarray"]
    replay = only(copy.replays)
    assert replay.change == "no-conversion"
    assert replay.reason is None
    assert replay.as_is > replay.changed > 0


def test_what_a_conversion_made_may_be_reshaped_before_the_call(calls: ModuleType) -> None:
    view = columns()
    trace = record(lambda: calls.total(np.ascontiguousarray(view).reshape(-1)))
    (copy,) = [each for each in trace.copies if each.mechanism == "numpy.ascontiguousarray"]
    replay = only(copy.replays)
    assert replay.reason is None
    assert replay.as_is > replay.changed > 0


@pytest.mark.parametrize("pointing", ["cast", "from_buffer"])
def test_a_conversion_before_a_call_through_cffi_is_measured(tmp_path: Path, pointing: str) -> None:
    cffi = pytest.importorskip("cffi")
    ffi = cffi.FFI()
    ffi.cdef("double total(const double *x, size_t n);")
    library = ffi.dlopen(str(build_c_library("contract_kernels", tmp_path)))
    view = columns()
    totals = []

    def work() -> None:
        made = np.ascontiguousarray(view)
        pointer = (
            ffi.cast("double *", made.ctypes.data)
            if pointing == "cast"
            else ffi.from_buffer("double[]", made)
        )
        totals.append(library.total(pointer, made.size))

    trace = record(work)
    assert totals == [view.sum()]
    (copy,) = [each for each in trace.copies if each.mechanism == "numpy.ascontiguousarray"]
    replay = only(copy.replays)
    assert replay.reason is None
    assert replay.as_is > replay.changed > 0


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        ("crash", "signal 11"),
        ("fail", "signal 6"),
        ("hang", "did not come back"),
        ("end", "ended its process"),
    ],
)
def test_what_happens_to_the_child_is_said_and_harms_nobody(
    calls: ModuleType, function: str, reason: str
) -> None:
    view = columns(2_000)
    results = []
    replay = only(replays(lambda: results.append(getattr(calls, function)(view))))
    assert results == [view.sum()]
    assert replay.speedup is None
    assert replay.passes == 0
    assert reason in str(replay.reason)


def test_files_are_written_once(calls: ModuleType, tmp_path: Path) -> None:
    target = tmp_path / "log"
    replay = only(replays(lambda: calls.append(columns(2_000), str(target))))
    assert target.read_text() == "called\n"
    assert "reaches outside" in str(replay.reason)


def test_an_open_file_is_written_once_and_keeps_its_place(
    calls: ModuleType, tmp_path: Path
) -> None:
    with (tmp_path / "log").open("wb+") as file:
        replays(lambda: calls.write_to(columns(2_000), file.fileno()))
        assert os.lseek(file.fileno(), 0, os.SEEK_CUR) == len("called\n")
    assert (tmp_path / "log").read_text() == "called\n"


def test_shared_memory_is_changed_once(calls: ModuleType, tmp_path: Path) -> None:
    counter = np.memmap(tmp_path / "counter", dtype=np.int32, mode="w+", shape=(1,))
    replay = only(replays(lambda: calls.count_in(columns(2_000), counter)))
    assert counter[0] == 1
    assert replay.speedup is None
    assert "shares with a file" in str(replay.reason)


def test_what_is_private_is_changed_once_for_the_program(calls: ModuleType) -> None:
    counter = np.zeros(1, dtype=np.int32)
    replay = only(replays(lambda: calls.count_in(columns(2_000), counter)))
    assert counter[0] == 1
    assert replay.speedup is not None


def test_standard_output_is_written_once(
    calls: ModuleType, capfd: pytest.CaptureFixture[str]
) -> None:
    replays(lambda: calls.shout(columns(2_000)))
    assert capfd.readouterr().out == "called\n"


def test_python_code_that_is_called_back_runs_once(calls: ModuleType) -> None:
    called = []

    def back() -> None:
        called.append(random.random())

    random.seed(5)
    replay = only(replays(lambda: calls.call(columns(2_000), back)))
    random.seed(5)
    assert called == [random.random()]
    assert replay.speedup is not None


def test_memory_of_the_program_may_be_freed_in_the_child(calls: ModuleType, tmp_path: Path) -> None:
    # With a folder, other processes share the ledger's pages: the child must not write there.
    folder = LedgerFolder.make()
    kept = [np.empty(50_000)]

    def back() -> None:
        kept[0] = np.empty(kept[0].size)

    recorder = Recorder(own_paths=[__file__], boundary=[NAME], what_if="all", folder=folder)
    recorder.start()
    try:
        kept[0] = np.empty(50_000)
        calls.call(columns(2_000), back)
    finally:
        trace = recorder.stop()
        folder.remove()
    (replay,) = [replay for call in trace.calls for replay in call.replays]
    assert replay.reason is None


def test_a_timer_does_not_end_the_measurement(calls: ModuleType) -> None:
    view = columns()
    rung = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append(1))
    signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)
    try:
        replay = only(replays(lambda: calls.total(view)))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert rung
    assert replay.reason is None


def test_the_address_of_a_later_element_is_not_replaced() -> None:
    tiny = np.full(100_000, 1e-310)
    sum_of = ctypes.CDLL(kernels._name).cdemo_sum
    sum_of.argtypes, sum_of.restype = [ctypes.c_void_p, ctypes.c_size_t], ctypes.c_double

    def total(start: int) -> None:
        for _ in range(3):
            sum_of(tiny.ctypes.data + 8 * start, tiny.size - start)

    def changes(start: int) -> list[str]:
        return [each.change for each in replays(lambda: total(start))]

    assert changes(0) == ["normal-numbers"]
    assert changes(10) == []


def test_nobody_hears_of_the_child(calls: ModuleType) -> None:
    heard = []
    before = signal.signal(signal.SIGCHLD, lambda *_: heard.append(1))
    try:
        assert only(replays(lambda: calls.total(columns()))).passes
        with pytest.raises(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)
    finally:
        signal.signal(signal.SIGCHLD, before)
    assert heard == []


def test_the_time_of_replays_is_in_no_figure(calls: ModuleType) -> None:
    view = columns()
    plain = record(lambda: calls.total(view), "off")
    replayed = record(lambda: calls.hang(view))
    (call,) = replayed.calls
    # The child hung for at least 50 ms before it was given up.
    assert call.seconds_max < 0.05
    assert replayed.meta.seconds < plain.meta.seconds + 0.05


def test_the_processes_of_a_run_share_one_account(calls: ModuleType, tmp_path: Path) -> None:
    program = tmp_path / "forks.py"
    program.write_text(
        "import os, struct, sys\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "import numpy as np, replayed_calls\n"
        "from interprobe.process_ledgers import LedgerFolder\n"
        "from interprobe.recorder import Recorder\n"
        "folder = LedgerFolder.make()\n"
        "recorder = Recorder(own_paths=[__file__], boundary=['replayed_calls'], what_if='all',\n"
        "                    folder=folder)\n"
        "recorder.start()\n"
        "def spent():\n"
        "    with open(folder.shared_file(), 'rb') as file:\n"
        "        return struct.unpack('q', file.read(8))[0]\n"
        "view = np.ones((2000, 8))[:, ::4]\n"
        "account = [spent()]\n"
        "for _ in range(2):\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        replayed_calls.total(view)\n"
        "        os._exit(0)\n"
        "    os.waitpid(child, 0)\n"
        "    account.append(spent())\n"
        "recorder.stop()\n"
        "folder.remove()\n"
        "print(account[0] == 0 < account[1] < account[2])\n"
    )
    assert calls.__file__ is not None
    done = subprocess.run(
        [sys.executable, program, str(Path(calls.__file__).parent)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "True\n"


@contextmanager
def another_thread(work: Callable[[threading.Event], object]) -> Iterator[None]:
    """A thread that works until it is told to end."""
    ready, done = threading.Event(), threading.Event()

    def start() -> None:
        ready.set()
        work(done)

    thread = threading.Thread(target=start)
    thread.start()
    ready.wait()
    try:
        yield
    finally:
        done.set()
        thread.join()


def compute(done: threading.Event) -> None:
    while not done.is_set():
        sum(range(100))


@pytest.mark.parametrize("work", [threading.Event.wait, compute], ids=["sleeps", "wants the GIL"])
def test_other_python_threads_that_wait_are_no_hindrance(
    calls: ModuleType, work: Callable[[threading.Event], object]
) -> None:
    view = columns(2_000)
    plain = calls.total(view)
    with another_thread(work):
        found = only(replays(lambda: calls.total(view)))
    assert found.reason is None
    assert found.speedup is not None
    assert calls.total(view) == plain


def test_a_repeated_call_that_lets_go_of_the_gil_waits_for_nobody() -> None:
    """Three threads want the GIL; the child has none of them, and the call lets go of it there."""
    times = np.arange(200_000.0)
    places = [compile("\n" * line + "gap(times)", __file__, "exec") for line in range(900, 908)]
    names = {"gap": cykernels.longest_gap, "times": times}
    with another_thread(compute), another_thread(compute), another_thread(compute):
        found = replays(lambda: [exec(place, names) for place in places])
    assert [replay.reason for replay in found] == [None] * len(places)


def test_while_another_thread_computes_without_the_gil_nothing_is_repeated(
    calls: ModuleType,
) -> None:
    def sort(done: threading.Event) -> None:
        numbers = np.random.default_rng(1).random(20_000_000)
        while not done.is_set():
            np.sort(numbers)

    view = columns(2_000)
    with another_thread(sort):
        time.sleep(0.5)  # until it sorts
        found = replays(lambda: calls.total(view))
    assert "at work in native code" in str(only(found).reason)


arrays = st.builds(
    lambda rows, kind, step, order: np.ones((rows, 8), dtype=kind, order=order)[:, ::step],
    st.integers(1, 400),
    st.sampled_from(["f8", "f4", "i4", ">f8"]),
    st.sampled_from([1, 2, -1]),
    st.sampled_from(["C", "F"]),
)


def outcome(calls: ModuleType, given_arrays: list[NDArray[Any]], what_if: WhatIf) -> list[Any]:
    seen: list[Any] = []
    random.seed(1)
    np.random.seed(1)
    counter = np.zeros(1, dtype=np.int32)

    def work() -> None:
        for array in given_arrays:
            seen.append(calls.count_in(array, counter))
            seen.append(calls.call(array, lambda: seen.append(random.random())))

    record(work, what_if)
    return [*seen, int(counter[0]), random.random(), float(np.random.random())]


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(arrays, min_size=1, max_size=3))
def test_a_program_is_the_same_with_and_without_replays(
    calls: ModuleType, given_arrays: list[NDArray[Any]]
) -> None:
    assert outcome(calls, given_arrays, "all") == outcome(calls, given_arrays, "off")


@pytest.mark.parametrize("threads", [1, 4])
def test_a_program_whose_blas_is_busy_is_never_hung(
    calls: ModuleType, threads: int, tmp_path: Path
) -> None:
    assert calls.__file__ is not None
    program = Path(__file__).parent / "programs" / "busy_blas.py"
    environment = os.environ | {"OPENBLAS_NUM_THREADS": str(threads)}
    outputs, ends = [], []
    for mode in ("off", "all"):
        done = subprocess.run(
            [sys.executable, str(program), str(Path(calls.__file__).parent), mode],
            capture_output=True,
            text=True,
            timeout=240,
            env=environment,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        outputs.append(done.stdout)
        ends.append(done.stderr)
    assert outputs[0] == outputs[1]
    assert "measured" in ends[1]
