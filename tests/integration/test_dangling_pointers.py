"""Pointers to arrays that are gone: found when they are given to C, and nothing else is."""

import ctypes
import gc
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from extension_builder import build_c_library

from interprobe.analysis import analyse
from interprobe.findings import Finding, Severity
from interprobe.recorder import Recorder
from interprobe.trace import Trace

DOUBLES = ctypes.POINTER(ctypes.c_double)
N = 1000


class Job(ctypes.Structure):
    """What run_job reads."""

    _fields_ = (("data", DOUBLES), ("count", ctypes.c_size_t), ("result", ctypes.c_double))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_c_library("lifetime_calls", tmp_path_factory.mktemp("lifetime"))


@pytest.fixture(scope="module")
def lib(path: Path) -> ctypes.CDLL:
    loaded = ctypes.CDLL(str(path))
    loaded.sum_of.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
    loaded.sum_of.restype = ctypes.c_double
    loaded.sum_at.argtypes = (ctypes.c_size_t, ctypes.c_size_t)
    loaded.sum_at.restype = ctypes.c_double
    loaded.fill_with.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_double)
    loaded.fill_with.restype = None
    loaded.sum_of_rows.argtypes = (ctypes.POINTER(DOUBLES), ctypes.c_size_t, ctypes.c_size_t)
    loaded.sum_of_rows.restype = ctypes.c_double
    loaded.unregister_buffer.argtypes = (ctypes.c_void_p,)
    return loaded


def record(function: Callable[[], object]) -> Trace:
    recorder = Recorder(own_paths=[__file__])
    recorder.start()
    try:
        function()
    finally:
        trace = recorder.stop()
    return analyse(trace)


def dangling(function: Callable[[], object]) -> list[Finding]:
    return [finding for finding in record(function).findings if finding.rule == "IP401"]


def line_of(text: str) -> int:
    lines = Path(__file__).read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


# --- bad ---


def test_the_address_of_a_deleted_array(lib: ctypes.CDLL) -> None:
    def work() -> None:
        values = np.arange(float(N))
        address = values.ctypes.data  # taken here
        del values  # freed here
        np.empty(N)
        lib.sum_of(address, N)

    trace = record(work)
    (finding,) = (each for each in trace.findings if each.rule.startswith("IP4"))
    assert finding.severity is Severity.ERROR
    assert "Argument 1 of sum_of points into an array (float64 (1000,)" in finding.cause
    assert f"taken at line {line_of('# taken here')} (`values.ctypes`)" in finding.cause
    assert f"freed at line {line_of('# freed here')}" in finding.cause
    assert "8.00 kB" in finding.cause
    assert "1 further block" in finding.evidence
    (call,) = trace.calls
    assert call.arguments[0].given is None
    assert call.arguments[0].freed is not None
    assert call.arguments[0].freed.shape == [N]


WRONG_SUM = """
import ctypes, sys
import numpy as np
lib = ctypes.CDLL(sys.argv[1])
lib.sum_of.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
lib.sum_of.restype = ctypes.c_double
address = np.ones(1000).ctypes.data
others = np.full(1000, 7.0)
print(lib.sum_of(address, 1000))
"""


def test_alone_the_pointer_leads_to_the_next_array(path: Path) -> None:
    """The sum of ones should be 1000: the program gets the sum of an array of sevens."""
    command = [sys.executable, "-c", WRONG_SUM, str(path)]
    alone = subprocess.run(command, capture_output=True, text=True, check=True)
    assert float(alone.stdout) == 7000.0


def test_the_recorded_pointer_still_leads_to_the_old_numbers(lib: ctypes.CDLL) -> None:
    sums = []

    def work() -> None:
        address = np.ones(N).ctypes.data
        others = np.full(N, 7.0)
        sums.append(lib.sum_of(address, N))
        assert others[0] == 7.0

    (finding,) = dangling(work)
    assert sums == [1000.0]
    assert "freed on that same line: nothing kept it" in finding.cause
    assert finding.fix.code.splitlines()[0] == "values = np.ones(N)"


@pytest.mark.parametrize(
    "pointer",
    [
        pytest.param(lambda x: x.ctypes.data, id="number"),
        pytest.param(lambda x: x.__array_interface__["data"][0], id="interface"),
        pytest.param(lambda x: ctypes.c_void_p(x.ctypes.data), id="c_void_p"),
        pytest.param(lambda x: ctypes.cast(x.ctypes.data, DOUBLES), id="cast"),
        pytest.param(lambda x: x.ctypes.data + 80, id="interior"),
        pytest.param(lambda x: x[5:].ctypes.data, id="view"),
        pytest.param(lambda x: x.ctypes.data_as(ctypes.c_void_p).value, id="value of data_as"),
        pytest.param(
            lambda x: ctypes.byref(ctypes.c_double.from_address(x.ctypes.data)), id="byref"
        ),
        pytest.param(lambda x: (ctypes.c_double * N).from_address(x.ctypes.data), id="array"),
    ],
)
def test_every_kind_of_pointer(lib: ctypes.CDLL, pointer: Callable[[np.ndarray], object]) -> None:
    def work() -> None:
        values = np.ones(N)
        stale = pointer(values)
        del values
        lib.sum_of(stale, 10)

    (finding,) = dangling(work)
    assert finding.severity is Severity.ERROR
    assert finding.subject == "sum_of"


def test_a_structure_keeps_no_array(lib: ctypes.CDLL) -> None:
    """The pointer of data_as holds its array; the structure that it is put into does not."""
    gone = []

    def work() -> None:
        values = np.ones(N)
        gone.append(weakref.ref(values))
        job = Job(values.ctypes.data_as(DOUBLES), N)
        del values
        assert gone[0]() is None
        lib.run_job(ctypes.byref(job))

    (finding,) = dangling(work)
    assert finding.severity is Severity.ERROR
    assert "holds a pointer (job.data) that leads into an array (float64 (1000,)" in finding.cause


def test_an_array_of_pointers_keeps_no_arrays(lib: ctypes.CDLL) -> None:
    def work() -> None:
        rows = np.ones((3, N))
        pointers = (DOUBLES * 3)(*[(row * 2).ctypes.data_as(DOUBLES) for row in rows])
        lib.sum_of_rows(pointers, 3, N)

    (finding,) = dangling(work)
    assert finding.severity is Severity.ERROR
    assert "(rows[0])" in finding.cause


def test_a_write_into_freed_memory_is_seen(lib: ctypes.CDLL) -> None:
    def work() -> None:
        address = np.zeros(N).ctypes.data
        lib.fill_with(address, N, 3.0)

    (finding,) = dangling(work)
    assert finding.severity is Severity.ERROR
    assert "C wrote into these 8.00 kB" in finding.cause


def test_a_resize_moves_the_array(lib: ctypes.CDLL) -> None:
    sums = []

    def work() -> None:
        values = np.ones(N)
        address = values.ctypes.data
        values.resize(20 * N, refcheck=False)
        values[...] = 2.0
        sums.append(lib.sum_of(address, N))

    (finding,) = dangling(work)
    assert sums == [1000.0]  # the new numbers would have been 2000.0
    assert "`values.resize(20 * N, refcheck=False)` gave the array other memory" in finding.cause
    assert finding.fix.text.startswith("Take the address again")


def test_an_array_made_over_freed_memory(lib: ctypes.CDLL) -> None:
    def work() -> None:
        values = np.ones(N)
        pointer = ctypes.cast(values.ctypes.data, DOUBLES)
        del values
        wrapped = np.ctypeslib.as_array(pointer, (N,))
        lib.sum_of(wrapped.ctypes.data_as(DOUBLES), N)

    (finding,) = dangling(work)
    assert "is an array that lies in memory" in finding.cause


def test_a_number_that_is_an_address_is_a_warning(lib: ctypes.CDLL) -> None:
    (finding,) = dangling(lambda: lib.sum_at(np.ones(N).ctypes.data, N))
    assert finding.severity is Severity.WARNING
    assert "is a number that is the address of" in finding.cause


def test_a_call_that_gives_memory_up_is_a_note(lib: ctypes.CDLL) -> None:
    def work() -> None:
        values = np.ones(N)
        address = values.ctypes.data
        lib.sum_of(address, N)
        del values
        lib.unregister_buffer(address)

    (finding,) = dangling(work)
    assert finding.severity is Severity.NOTE
    assert "reads nothing there" in finding.cause


def test_nothing_else_is_said_of_a_freed_array(lib: ctypes.CDLL) -> None:
    """What a rule says of a living array's type or order would only confuse here."""

    def work() -> None:
        address = np.ones((N, 2), np.float32)[:, 0].ctypes.data
        lib.sum_of(ctypes.cast(address, DOUBLES), 10)

    assert [finding.rule for finding in record(work).findings] == ["IP401"]


def test_many_calls_are_one_finding(lib: ctypes.CDLL) -> None:
    def work() -> None:
        for _ in range(50):
            lib.sum_of(np.ones(N).ctypes.data, N)

    (finding,) = dangling(work)
    assert finding.evidence.startswith("50 calls of sum_of")


def test_a_large_array_of_which_one_is_withheld(lib: ctypes.CDLL) -> None:
    (finding,) = dangling(lambda: lib.sum_of(np.ones(2_000_000).ctypes.data, N))
    assert "16.0 MB" in finding.cause


# --- good ---


def test_a_live_array_is_no_finding(lib: ctypes.CDLL) -> None:
    def work() -> None:
        values = np.ones(N)
        address = values.ctypes.data
        for _ in range(3):
            lib.sum_of(address, N)
            lib.sum_of(address + 80, 10)
        lib.sum_of(values.ctypes.data_as(DOUBLES), N)
        lib.sum_of((values * 2).ctypes.data_as(DOUBLES), N)  # the pointer holds the temporary
        lib.sum_of((values * 2).ctypes, N)
        window = values[10:20]
        inner = window.ctypes.data
        del window
        lib.sum_of(inner, 10)  # the array that it shows lives

    assert dangling(work) == []


def test_an_address_given_to_another_thread(lib: ctypes.CDLL) -> None:
    def work() -> None:
        values = np.ones(N)
        address = values.ctypes.data
        thread = threading.Thread(target=lambda: lib.sum_of(address, N))
        thread.start()
        thread.join()
        assert values[0] == 1.0

    assert dangling(work) == []


def test_short_lived_arrays_in_a_loop(lib: ctypes.CDLL) -> None:
    def work() -> None:
        addresses = set()
        for round_ in range(2000):
            values = np.full(N, float(round_))
            addresses.add(values.ctypes.data)
            assert lib.sum_of(values.ctypes.data, N) == 1000.0 * round_
        assert len(addresses) > 1  # only compared: nothing is read there

    assert dangling(work) == []


def test_a_pool_of_arrays(lib: ctypes.CDLL) -> None:
    def work() -> None:
        pool = [np.ones(N) for _ in range(4)]
        addresses = [each.ctypes.data for each in pool]
        for round_ in range(100):
            values = pool.pop()
            values[...] = round_
            lib.sum_of(addresses[len(pool)], N)
            pool.append(values)

    assert dangling(work) == []


def test_an_array_that_other_memory_holds(lib: ctypes.CDLL) -> None:
    def work() -> None:
        raw = bytearray(8 * N)
        address = np.frombuffer(raw).ctypes.data
        lib.sum_of(address, N)
        base = np.ones((2, N))
        address = base[1].ctypes.data
        lib.sum_of(address, N)
        base = base[1]
        gc.collect()
        lib.sum_of(address, N)

    assert dangling(work) == []


def test_a_member_left_over_from_an_earlier_call(lib: ctypes.CDLL) -> None:
    """A structure keeps the pointer of the last call; whoever destroys it reads nothing."""

    def work() -> None:
        values = np.ones(N)
        job = Job(values.ctypes.data_as(DOUBLES), N)
        lib.run_job(ctypes.byref(job))
        del values
        lib.destroy_job(ctypes.byref(job))

    assert dangling(work) == []


def test_an_array_that_shrinks_stays_where_it_is(lib: ctypes.CDLL) -> None:
    sums = []

    def work() -> None:
        values = np.ones(N)
        address = values.ctypes.data
        values.resize(N // 2, refcheck=False)
        values[...] = 2.0
        sums.append(lib.sum_of(address, N // 2))

    assert dangling(work) == []
    assert sums == [1000.0]


def test_a_small_number_is_no_address(lib: ctypes.CDLL) -> None:
    def work() -> None:
        for _ in range(300):
            np.ones(N).ctypes.data  # noqa: B018
        lib.unregister_buffer(4096)
        lib.sum_at(0, 0)
        lib.sum_at(2**40, 0)
        lib.sum_at(2**63, 0)

    assert dangling(work) == []


# --- what it costs ---


def test_withheld_memory_is_bounded_and_counted_as_freed() -> None:
    recorder = Recorder(own_paths=[__file__])
    recorder.start()
    for size in (100, 10_000, 1_000_000, 3_000_000, 5_000_000):
        for _ in range(40):
            np.ones(size).ctypes.data  # noqa: B018
    before = resident_bytes()
    for _ in range(40):
        np.ones(1_000_000).ctypes.data  # noqa: B018
    grown = resident_bytes() - before
    trace = recorder.stop()
    assert grown < 40 * 2**20
    assert trace.memory.numpy_peak_bytes < 2 * 5_000_000 * 8


def test_memory_goes_back_when_the_recording_ends() -> None:
    def freed_now() -> int:
        """Bytes that a recording leaves withheld: glibc's own books tell."""
        recorder = Recorder(own_paths=[__file__])
        recorder.start()
        before = heap_bytes()
        arrays = [np.ones(3_000) for _ in range(200)]
        addresses = [each.ctypes.data for each in arrays]
        del arrays
        assert len(addresses) == 200
        held = heap_bytes() - before
        recorder.stop()
        assert held > 1_000_000
        gc.collect()
        return heap_bytes() - before

    freed_now()
    assert freed_now() < 500_000


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


class HeapFigures(ctypes.Structure):
    """struct mallinfo2 of glibc."""

    _fields_ = tuple((name, ctypes.c_size_t) for name in "abcdefghij")


def heap_bytes() -> int:
    libc = ctypes.CDLL(None)
    libc.mallinfo2.restype = HeapFigures
    figures = libc.mallinfo2()
    return int(figures.e + figures.h)
