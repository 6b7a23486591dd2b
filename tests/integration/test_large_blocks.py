"""Large blocks of array data: exact figures of fresh memory and of peaks, and no false alarm."""

from __future__ import annotations

import ctypes
import resource
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from extension_builder import build_c_library
from msgspec.structs import replace
from numpy.typing import NDArray

from interprobe.allocation_records import Allocation
from interprobe.analysis import analyse
from interprobe.findings import Finding
from interprobe.recorder import Recorder
from interprobe.trace import Trace, load

HUGE = 4_300_000
SIZE = 8 * HUGE
"""Bytes of an array beyond 32 MiB: malloc gets it from the system each time, and gives it back."""
X = np.arange(float(HUGE))
Y = X[:]
POINTS = np.random.default_rng(602).random((700, 70))


@pytest.fixture(scope="module", autouse=True)
def _no_large_block_is_left_free() -> Iterator[None]:
    """Takes what other tests have left: free blocks that malloc would use again for huge arrays."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    libc.free.restype, libc.free.argtypes = None, [ctypes.c_void_p]
    taken: list[int] = []
    while len(taken) < 64:  # another malloc than glibc's sets no such bit
        taken.append(libc.malloc(SIZE))
        if is_mapped(taken[-1]):
            libc.free(taken.pop())
            break
    yield
    for address in taken:
        libc.free(address)


def is_mapped(address: int) -> bool:
    """Whether glibc has got a block from the system for itself: a bit of the size before it."""
    return bool(ctypes.c_size_t.from_address(address - ctypes.sizeof(ctypes.c_size_t)).value & 2)


def record(function: Callable[[], object], guard: Any = None) -> Trace:
    recorder = Recorder(own_paths=[__file__], guard=guard)
    recorder.start()
    try:
        function()
    finally:
        trace = recorder.stop()
    return trace


def findings(function: Callable[[], object]) -> list[Finding]:
    """What is found where X alone was in memory before: all that others hold may be inputs."""
    trace = record(function)
    alone = [
        replace(process, memory=replace(process.memory, held_before_bytes=X.nbytes))
        for process in trace.processes
    ]
    return analyse(replace(trace, processes=alone)).findings


def found(function: Callable[[], object]) -> list[str]:
    """The codes of this slice's findings."""
    rules = [finding.rule for finding in findings(function)]
    return [rule for rule in rules if rule.startswith("IP6")]


def blocks(trace: Trace) -> dict[str, Allocation]:
    return {each.site.expression: each for each in trace.allocations}


# Fresh memory -----------------------------------------------------------------------------------


def each_anew() -> None:
    for _ in range(12):
        np.add(X, 1.0)


def into_one() -> None:
    out = np.empty(HUGE)
    for _ in range(12):
        np.add(X, 1.0, out=out)


def test_blocks_of_a_line_are_one_record_with_exact_figures() -> None:
    (each,) = record(each_anew).allocations
    assert (each.site.expression, each.count, each.ended) == ("np.add(X, 1.0)", 12, 12)
    assert (each.bytes, each.nbytes, each.live_most) == (12 * SIZE, SIZE, 1)


def test_the_pages_are_those_that_the_kernel_counts(tmp_path: Any) -> None:
    """Its counter of page faults is the witness, with small pages, of which each is counted."""
    program = tmp_path / "faults.py"
    program.write_text(
        "import resource\n"
        "import numpy as np\n"
        "from interprobe.recorder import Recorder\n"
        f"x = np.arange({float(HUGE)!r})\n"
        "recorder = Recorder(own_paths=[__file__])\n"
        "recorder.start()\n"
        "y = np.add(x, 1.0)\n"
        "del y\n"
        "before = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt\n"
        "for _ in range(8):\n"
        "    y = np.add(x, 1.0)\n"
        "    del y\n"
        "after = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt\n"
        "trace = recorder.stop()\n"
        "loop = max(trace.allocations, key=lambda each: each.count)\n"
        "print(after - before, loop.touched_bytes)\n"
    )
    environment = {"NUMPY_MADVISE_HUGEPAGE": "0", "PATH": "/usr/bin:/bin"}
    answer = subprocess.run(
        [sys.executable, program], env=environment, capture_output=True, text=True, check=True
    )
    faults, touched = map(int, answer.stdout.split())
    pages = touched / resource.getpagesize()
    if faults < pages / 100:
        pytest.skip("this kernel maps huge pages without being asked")
    assert pages == pytest.approx(faults, rel=0.02)
    assert touched == pytest.approx(8 * SIZE, rel=0.02)


def test_what_is_never_touched_costs_nothing() -> None:
    def work() -> None:
        for _ in range(6):
            np.zeros(HUGE)
        for _ in range(6):
            np.empty(HUGE)[: HUGE // 2] = 1.0

    trace = blocks(record(work))
    assert trace["np.zeros(HUGE)"].touched_bytes == 0
    half = 6 * SIZE // 2
    # A huge page may reach beyond the half.
    assert half * 0.98 < trace["np.empty(HUGE)"].touched_bytes < half + 6 * (2 << 20) + 65536


def test_memory_that_is_used_again_is_not_fresh() -> None:
    def work() -> None:
        np.add(X[:200_000], 1.0)  # malloc keeps what is this small, from its first end on
        for _ in range(50):
            np.add(X[:200_000], 2.0)

    again = blocks(record(work))["np.add(X[:200_000], 2.0)"]
    assert again.count == 50
    assert again.touched_bytes <= 5 * 1_600_000


def test_small_arrays_are_not_followed() -> None:
    assert record(lambda: [X[:100_000] + number for number in range(20)]).allocations == []


def test_the_rule_reports_fresh_arrays_and_is_content_with_one() -> None:
    assert found(each_anew) == ["IP601"]
    assert found(into_one) == []


def fill(array: NDArray[np.float64]) -> None:
    array[...] = 1.0


def buffers_anew() -> None:
    for _ in range(12):
        buffer = np.empty(HUGE)
        fill(buffer)


def one_buffer() -> None:
    buffer = np.empty(HUGE)
    for _ in range(12):
        fill(buffer)


def test_a_buffer_made_in_the_loop_is_found_where_it_is_made() -> None:
    (finding,) = analyse(record(buffers_anew)).findings
    assert (finding.rule, finding.site.expression) == ("IP601", "np.empty(HUGE)")
    assert finding.fix.code == "buffer = np.empty(HUGE)  # once, before the loop"
    assert found(one_buffer) == []


def kept_for_later() -> int:
    kept = [np.add(X, number) for number in range(8)]
    return len(kept)


def test_results_that_are_kept_need_memory_of_their_own() -> None:
    assert found(kept_for_later) == []


def test_guard_mode_makes_all_memory_new_and_none_is_counted() -> None:
    (each,) = record(each_anew, guard="end").allocations
    assert each.count == 12
    assert (each.touched_bytes, each.touched_seconds) == (0, None)


def test_threads_are_counted_exactly() -> None:
    def run() -> None:
        threads = [threading.Thread(target=each_anew) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    (each,) = record(run).allocations
    assert (each.count, each.ended, each.bytes) == (36, 36, 36 * SIZE)


def test_nested_recordings_each_have_their_blocks() -> None:
    inner: list[Trace] = []

    def work() -> None:
        value = np.add(X, 1.0)
        inner.append(record(lambda: np.add(X, 2.0)))
        del value

    outer = blocks(record(work))
    assert set(outer) == {"np.add(X, 1.0)", "np.add(X, 2.0)"}
    assert set(blocks(inner[0])) == {"np.add(X, 2.0)"}
    assert outer["np.add(X, 1.0)"].peak_bytes == SIZE
    assert blocks(inner[0])["np.add(X, 2.0)"].peak_bytes == SIZE


# Native functions ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lib(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    loaded = ctypes.CDLL(str(build_c_library("workspaces", tmp_path_factory.mktemp("workspaces"))))
    for function in (loaded.smooth_anew, loaded.smooth_kept):
        function.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
        function.restype = ctypes.c_double
    loaded.fill.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
    loaded.fill.restype = None
    return loaded


def test_a_workspace_got_at_each_call_is_the_functions_own(lib: ctypes.CDLL) -> None:
    def anew() -> None:
        for _ in range(8):
            lib.smooth_anew(X.ctypes.data, X.size)

    def kept() -> None:
        for _ in range(8):
            lib.smooth_kept(X.ctypes.data, X.size)

    trace = record(anew)
    (finding,) = [each for each in analyse(trace).findings if each.rule == "IP601"]
    assert finding.subject == "smooth_anew"
    assert trace.calls[0].faulting >= 7
    # With huge pages a fault stands for 512 pages: at least one for each 2 MiB then.
    assert trace.calls[0].page_faults >= 7 * SIZE // (2 << 20)
    assert found(kept) == []


def test_the_pages_of_an_array_are_not_laid_to_the_function_that_fills_it(
    lib: ctypes.CDLL,
) -> None:
    def work() -> None:
        for _ in range(8):
            values = np.empty(HUGE)
            lib.fill(values.ctypes.data, values.size)

    findings = [each for each in analyse(record(work)).findings if each.rule == "IP601"]
    assert [each.subject for each in findings] == ["np.empty(HUGE)"]


# Peaks ------------------------------------------------------------------------------------------


def pairs() -> NDArray[np.float64]:
    distances: NDArray[np.float64] = ((POINTS[:, None] - POINTS) ** 2).sum(axis=-1)
    return distances


def pairs_in_pieces() -> NDArray[np.float64]:
    distances = np.empty((700, 700))
    for start in range(0, 700, 20):
        rows = POINTS[start : start + 20, None]
        distances[start : start + 20] = ((rows - POINTS) ** 2).sum(axis=-1)
    return distances


def formula() -> NDArray[np.float64]:
    return np.sqrt(X * X + Y * Y)  # type: ignore[no-any-return]


def test_what_was_alive_at_the_peak_adds_up_to_what_tracemalloc_sees() -> None:
    for work in (pairs, formula, lambda: np.sqrt(np.abs(X * 2) + np.abs(Y - 1))):
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        work()
        witness = tracemalloc.get_traced_memory()[1] - before
        tracemalloc.stop()
        trace = record(work)
        assert trace.memory.numpy_peak_bytes == pytest.approx(witness, rel=0.01)
        at_peak = sum(each.peak_bytes for each in trace.allocations)
        assert at_peak == pytest.approx(trace.memory.numpy_peak_bytes, abs=1 << 20)


def test_passing_arrays_are_told_from_results() -> None:
    held: list[Any] = []
    trace = blocks(record(lambda: held.append(np.sqrt(X * Y))))
    assert (trace["X * Y"].peak_bytes, trace["X * Y"].passing_bytes) == (SIZE, SIZE)
    assert trace["np.sqrt(X * Y)"].passing_bytes == 0
    assert trace["np.sqrt(X * Y)"].kept_nbytes == SIZE


def test_a_value_that_a_loop_replaces_did_not_pass() -> None:
    def work() -> None:
        value = X + 1
        for _ in range(4):
            value = np.multiply(value, 2)

    again = blocks(record(work))["np.multiply(value, 2)"]
    assert (again.passing_bytes, again.kept_nbytes) == (0, SIZE)
    assert again.live_most == 2


def test_what_a_variable_held_did_not_pass() -> None:
    def work() -> Any:
        product = X * Y
        root = np.sqrt(product)
        del product
        return root

    trace = blocks(record(work))
    assert (trace["X * Y"].peak_bytes, trace["X * Y"].passing_bytes) == (SIZE, 0)


def test_a_later_peak_takes_the_place_of_an_earlier_one() -> None:
    def work() -> None:
        np.sqrt(X[:1_000_000] * 2)
        held = [X + 1, X + 2, X + 3]
        del held

    trace = blocks(record(work))
    assert trace["X[:1_000_000] * 2"].peak_bytes == 0
    assert trace["X[:1_000_000] * 2"].passing_bytes == 0
    assert sum(each.peak_bytes for each in trace.values()) == 3 * SIZE


def test_the_rule_names_the_broadcast_and_is_content_with_pieces() -> None:
    assert np.allclose(pairs(), pairs_in_pieces())
    (finding,) = findings(pairs)
    assert finding.rule == "IP602"
    assert finding.site.expression == "POINTS[:, None] - POINTS"
    assert finding.cost.bytes == 700 * 700 * 70 * 8
    assert finding.fix.code.startswith("distances = np.concatenate(")
    names: dict[str, Any] = {"np": np, "POINTS": POINTS}
    exec(finding.fix.code, names)
    assert np.array_equal(names["distances"], pairs())
    assert found(pairs_in_pieces) == []


INNOCENT: dict[str, Callable[[], object]] = {
    "a formula": formula,
    "new numbers, summed up": lambda: np.random.default_rng(1).random(2 * HUGE).sum(),
    "a range, summed up": lambda: np.arange(2.0 * HUGE).sum(),
    "a few large arrays": lambda: [X + 1, X + 2, X + 3],
    "a statistic, computed by the library": lambda: np.var(X),
    "a sort": lambda: np.sort(X),
    "a reduction of a product": lambda: float((X * Y).sum()),
}


@pytest.mark.parametrize("name", INNOCENT)
def test_innocent_programs_yield_nothing(name: str) -> None:
    assert found(INNOCENT[name]) == []


def test_results_are_those_of_the_plain_run() -> None:
    expected = pairs()
    results: list[Any] = []
    record(lambda: results.append(pairs()))
    assert np.array_equal(results[0], expected)


# Processes --------------------------------------------------------------------------------------


def test_children_are_followed_also_those_that_end_without_a_word(tmp_path: Any) -> None:
    program = tmp_path / "workers.py"
    program.write_text(
        "import os\n"
        "import numpy as np\n"
        f"x = np.ones({HUGE})\n"
        "def work():\n"
        "    for _ in range(8):\n"
        "        np.add(x, 1.0)\n"
        "work()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    work()\n"
        "    os._exit(0)\n"
        "os.waitpid(child, 0)\n"
    )
    saved = tmp_path / "trace.json"
    command = [sys.executable, "-m", "interprobe", "run", "--json", saved, program]
    subprocess.run(command, capture_output=True, check=True)
    trace = load(saved)
    own = [each for each in trace.allocations if each.site.expression == "np.add(x, 1.0)"]
    assert [(each.process, each.count, each.ended) for each in own] == [(0, 8, 8), (1, 8, 8)]
    assert all((each.touched_seconds or 0) > 0 for each in own)
    assert [each.process for each in own if each.peak_bytes == SIZE] == [0, 1]
    assert trace.processes[1].memory.held_before_bytes >= SIZE
