"""Guarded array data behave as any other, while guard mode is on and after it has ended."""

from __future__ import annotations

import ctypes
import gc
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from extension_builder import build_c_library

from interprobe import native
from interprobe.recorder import Recorder
from interprobe.trace import Trace

PAGE = os.sysconf("SC_PAGESIZE")


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """A recorder in guard mode, which a test may stop itself."""
    recorder = Recorder(guard="end")
    recorder.start()
    yield recorder
    if native.installed():
        recorder.stop()


def is_readable(address: int) -> bool:
    """Whether the kernel reads a byte there: where it may not, it says so without a signal."""
    read_end, write_end = os.pipe()
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        return bool(libc.write(write_end, ctypes.c_void_p(address), 1) == 1)
    finally:
        os.close(read_end)
        os.close(write_end)


@pytest.mark.usefixtures("recorder")
@pytest.mark.parametrize("count", [1, 3, 4, 100, 511, 512, 513, 10_000, 300_000, 3_000_000])
def test_data_end_at_a_page_that_cannot_be_read(count: int) -> None:
    array = np.ones(count, dtype=np.float32)
    end = array.ctypes.data + array.nbytes
    assert end % PAGE == 0
    assert is_readable(end - 1)
    assert not is_readable(end)
    assert array.sum() == count


@pytest.mark.usefixtures("recorder")
@pytest.mark.parametrize("nbytes", [1, 2, 13, 15, 17, 4097, 1_000_001])
def test_data_of_odd_size_are_aligned_and_end_near_the_page(nbytes: int) -> None:
    array = np.ones(nbytes, dtype=np.uint8)
    assert array.ctypes.data % 16 == 0
    end = array.ctypes.data + nbytes
    assert not is_readable(end + (-end) % PAGE)
    assert (-end) % PAGE <= 15


def test_the_start_can_be_guarded_instead() -> None:
    recorder = Recorder(guard="start")
    recorder.start()
    try:
        array = np.ones(100)
        assert array.ctypes.data % PAGE == 0
        assert not is_readable(array.ctypes.data - 1)
    finally:
        recorder.stop()


@pytest.mark.usefixtures("recorder")
@pytest.mark.parametrize("count", [100, 100_000, 1_000_000])
def test_freed_data_cannot_be_read(count: int) -> None:
    array = np.ones(count)
    address = array.ctypes.data
    del array
    assert not is_readable(address)
    again = np.ones(count)
    assert again.ctypes.data != address


@pytest.mark.usefixtures("recorder")
def test_zeros_are_zeros_also_where_another_array_was() -> None:
    for _ in range(20_000):
        np.ones(4)
    for _ in range(5):
        assert not np.zeros(4).any()
        assert not np.zeros(2_000_000).any()


@pytest.mark.usefixtures("recorder")
def test_resizing_keeps_the_contents() -> None:
    array = np.arange(10.0)
    for size in (11, 512, 5, 100_000, 1_000_000, 7, 1):
        before = array.copy()
        array.resize(size, refcheck=False)
        kept = min(size, before.size)
        assert (array[:kept] == before[:kept]).all()
        assert not array[kept:].any()
    grown = np.fromiter((float(number) for number in range(5000)), dtype=float)
    assert (grown == np.arange(5000.0)).all()


def settled_handler() -> list[int]:
    """The functions of NumPy's memory handler once no guarded array lives any more."""
    gc.collect()
    recorder = Recorder()
    recorder.start()
    recorder.stop()
    return [value for _, slot, value in native.patched_slots() if slot.startswith("PyDataMem")]


def test_arrays_outlive_guard_mode() -> None:
    handler = settled_handler()
    recorder = Recorder(guard="end")
    recorder.start()
    small, large = np.arange(100.0), np.arange(1_000_000.0)
    resized = np.arange(10.0)
    trace = recorder.stop()
    guard = trace.processes[0].guard
    assert guard is not None
    assert (guard.guarded, guard.unguarded) == (3, 0)
    # What is behind them is nobody's business any more, and harmless to touch.
    assert is_readable(small.ctypes.data + small.nbytes)
    assert small.sum() == 4950.0
    assert large[-1] == 999_999.0
    resized.resize(5000, refcheck=False)
    assert resized[9] == 9.0
    later = np.arange(100.0)
    del small, large, resized
    assert later.sum() == 4950.0
    assert settled_handler() == handler


def test_guard_mode_ends_with_the_last_recording_that_wants_it() -> None:
    plain, first, second = Recorder(), Recorder(guard="end"), Recorder(guard="end")
    plain.start()
    first.start()
    second.start()
    one = np.empty(64)
    first.stop()
    other = np.empty(64)
    trace = second.stop()
    not_guarded = np.empty(64)
    assert plain.stop().processes[0].guard is None
    assert [array.ctypes.data % PAGE for array in (one, other)] == [PAGE - 512] * 2
    assert not_guarded.ctypes.data % PAGE != PAGE - 512
    guard = trace.processes[0].guard
    assert guard is not None
    assert guard.guarded == 2


def run(code: str, preloaded: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **({} if preloaded is None else {"LD_PRELOAD": str(preloaded)})},
    )


@pytest.mark.parametrize("kernel", ["this", "older"])
def test_what_there_is_no_room_for_goes_unguarded_and_is_counted(
    kernel: str, tmp_path: Path
) -> None:
    preloaded = build_c_library("older_kernel", tmp_path) if kernel == "older" else None
    done = run(
        """
        import numpy as np
        from interprobe.recorder import Recorder

        recorder = Recorder(guard="end")
        recorder.start()
        arrays = [np.arange(float(number), number + 3.0) for number in range(80_000)]
        with open("/proc/self/maps") as maps:
            mappings = sum(1 for _ in maps)
        with open("/proc/sys/vm/max_map_count") as most:
            assert mappings < int(most.read()) * 0.52, mappings
        assert all(array[0] == number for number, array in enumerate(arrays))
        trace = recorder.stop()
        guard = trace.processes[0].guard
        assert guard.guarded + guard.unguarded == 80_000
        assert 0.7 * guard.most < guard.guarded <= guard.most, guard
        (spot,) = (each for each in trace.meta.blind_spots if each.startswith("Guard mode"))
        assert f"no room for {guard.unguarded:,} of 80,000 blocks" in spot
        del arrays
        again = [np.arange(float(number), number + 3.0) for number in range(5_000)]
        assert all(array[0] == number for number, array in enumerate(again))
        print("done")
        """,
        preloaded,
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


def test_frees_in_forked_children_and_at_the_interpreters_exit() -> None:
    done = run(
        """
        import os
        import threading
        import numpy as np
        from interprobe.recorder import Recorder

        recorder = Recorder(guard="end")
        recorder.start()
        arrays = [np.full(number + 1, 1.0) for number in range(500)]

        def churn():
            for number in range(2000):
                np.ones(number % 50 + 1).sum()

        threads = [threading.Thread(target=churn) for _ in range(4)]
        for thread in threads:
            thread.start()
        child = os.fork()
        if child == 0:
            more = [np.ones(10) for _ in range(100)]
            del arrays[::2]
            assert all(array.sum() == array.size for array in arrays)
            arrays.clear()
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert status == 0, status
        for thread in threads:
            thread.join()
        recorder.stop()
        assert all(array.sum() == array.size for array in arrays)
        print("done")  # the rest is freed while the interpreter ends
        """
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


def test_without_room_for_the_addresses_the_run_goes_on_and_says_so() -> None:
    done = run(
        """
        import resource
        import numpy as np
        from interprobe.recorder import Recorder

        limit = 1 << 30
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        recorder = Recorder(guard="end")
        recorder.start()
        total = np.ones(100).sum()
        trace = recorder.stop()
        print(total, [each for each in trace.meta.blind_spots if "Guard" in each])
        """
    )
    assert done.returncode == 0, done.stderr
    assert "100.0 ['Guard mode is left out: " in done.stdout


def test_a_recording_in_memory_finds_overwritten_bytes(tmp_path: Path) -> None:
    library = ctypes.CDLL(str(build_c_library("beside_arrays", tmp_path)))
    library.set_element.argtypes = [
        ctypes.POINTER(ctypes.c_double),
        ctypes.c_long,
        ctypes.c_double,
    ]
    recorder = Recorder(guard="end", own_paths=[__file__])
    recorder.start()
    try:
        samples = np.zeros(10)
        for value in range(4):
            library.set_element(
                samples.ctypes.data_as(ctypes.POINTER(ctypes.c_double)), -2, value + 1.0
            )
    finally:
        trace: Trace = recorder.stop()
    (violation,) = trace.violations
    assert (violation.count, violation.kind, violation.distance) == (4, "before-start", 16)
