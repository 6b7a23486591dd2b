"""IP506 subnormals on real programs: what is counted, what a replay says, and where nothing is."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from extension_builder import build_c_library
from numpy.typing import NDArray

from interprobe.analysis import analyse
from interprobe.facts import Fact
from interprobe.findings import Finding
from interprobe.recorder import Recorder
from interprobe.trace import Trace

Array = NDArray[Any]
ROUNDS = 60  # some milliseconds: shorter records are not looked at


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return ctypes.CDLL(str(build_c_library("busy_kernels", tmp_path_factory.mktemp("subnormals"))))


def divided(library: ctypes.CDLL, x: Array, rounds: int = ROUNDS) -> Callable[[], object]:
    """A call of the kernel that divides x by a number, again and again."""
    y = np.zeros(x.shape)

    def call() -> None:
        address, result = x.ctypes.data_as(ctypes.c_void_p), y.ctypes.data_as(ctypes.c_void_p)
        size, by = ctypes.c_size_t(x.size), ctypes.c_double(3.0)
        library.busy_quotients(address, result, size, by, rounds)

    return call


def record(call: Callable[[], object], **options: Any) -> Trace:
    recorder = Recorder(own_paths=[__file__], **options)
    recorder.start()
    try:
        call()
    finally:
        trace = recorder.stop()
    return analyse(trace)


def facts(trace: Trace) -> list[Fact]:
    return [fact for call in trace.calls for fact in call.facts if fact.kind == "subnormal"]


def findings(trace: Trace) -> list[Finding]:
    return [found for found in trace.findings if found.rule == "IP506"]


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex128, np.complex64])
def test_subnormal_numbers_of_every_width_are_counted(
    library: ctypes.CDLL, dtype: type[np.generic]
) -> None:
    real = np.zeros(0, dtype).real.dtype
    elements = 100_000 * 8 // np.dtype(dtype).itemsize
    parts = np.full(elements * np.dtype(dtype).itemsize // real.itemsize, 1.5, real)
    parts[::4] = np.finfo(real).tiny / 8
    x = parts.view(dtype)
    y = np.zeros(100_000)

    def call() -> None:
        library.busy_quotients(
            x.ctypes.data_as(ctypes.c_void_p),
            y.ctypes.data_as(ctypes.c_void_p),
            ctypes.c_size_t(100_000),
            ctypes.c_double(3.0),
            ROUNDS,
        )

    (fact,) = {fact.position: fact for fact in facts(record(call)) if fact.position == 0}.values()
    assert fact.limit <= 4096
    assert fact.value * 4 == fact.limit


@pytest.mark.parametrize(
    "x",
    [
        np.zeros(100_000),
        np.full(100_000, np.finfo(np.float64).tiny),
        np.full(100_000, np.nan),
        np.full(100_000, 5e-324).view(np.int64),
        np.full(100_000, 5e-324).astype(">f8"),
        np.where(np.arange(100_000) == 0, 5e-324, 1.0),
    ],
    ids=["zeros", "smallest normal", "nan", "integers", "foreign byte order", "a stray one"],
)
def test_other_numbers_are_no_finding(library: ctypes.CDLL, x: Array) -> None:
    assert [fact for fact in facts(record(divided(library, x))) if fact.position == 0] == []


def test_arrays_with_gaps_are_sampled_by_their_own_elements(library: ctypes.CDLL) -> None:
    buffer = np.ones((100_000, 2))
    buffer[:, 1] = 1e-310
    clean, subnormal = buffer[:, 0], buffer[:, 1]

    def call(x: Array) -> None:
        size, by = ctypes.c_size_t(50_000), ctypes.c_double(3.0)
        y = np.zeros(100_000)
        address = x.ctypes.data_as(ctypes.c_void_p)
        library.busy_quotients(address, y.ctypes.data_as(ctypes.c_void_p), size, by, ROUNDS)

    assert [fact for fact in facts(record(lambda: call(clean))) if fact.position == 0] == []
    seen = [fact for fact in facts(record(lambda: call(subnormal))) if fact.position == 0]
    assert [(fact.value, fact.limit) for fact in seen] == [(512, 512)]


def test_what_a_kernel_leaves_in_place_is_seen(library: ctypes.CDLL) -> None:
    state = np.full(500_000, 1e-305)

    def decay() -> None:
        for _ in range(40):
            size, factor = ctypes.c_size_t(state.size), ctypes.c_double(0.5)
            library.busy_decay(state.ctypes.data_as(ctypes.c_void_p), size, factor)

    trace = record(decay)
    assert np.finfo(float).tiny > state[0] > 0
    (fact,) = facts(trace)
    assert fact.value == fact.limit


def test_a_thread_that_flushes_subnormal_numbers_has_no_trouble(tmp_path: Path) -> None:
    source, flusher = tmp_path / "flush.c", tmp_path / "libflush.so"
    source.write_text(
        "#include <xmmintrin.h>\n#include <stddef.h>\n"
        "void flush(int on) { _mm_setcsr(on ? _mm_getcsr() | 0x8040 : _mm_getcsr() & ~0x8040u); }\n"
    )
    built = subprocess.run(
        ["gcc", "-shared", "-fPIC", source, "-o", flusher], capture_output=True, check=False
    )
    if built.returncode != 0:
        pytest.skip("no x86")
    library = ctypes.CDLL(str(build_c_library("busy_kernels", tmp_path)))
    flush = ctypes.CDLL(str(flusher)).flush
    x = np.full(100_000, 1e-310)
    flush(1)
    try:
        flushed = facts(record(divided(library, x)))
    finally:
        flush(0)
    assert flushed == []
    assert facts(record(divided(library, x))) != []


def test_a_finding_is_what_a_replay_confirms(library: ctypes.CDLL) -> None:
    """Whatever this processor makes of such numbers, the severity follows what was measured."""
    x = np.full(20_000, 1e-310)
    divide = divided(library, x, 40)
    trace = record(lambda: [divide() for _ in range(5)], what_if="all")
    (call,) = trace.calls
    (replay,) = [replay for replay in call.replays if replay.change == "normal-numbers"]
    assert 0 in replay.positions
    assert replay.speedup is not None, replay.reason
    if replay.low is not None and replay.low > 1.05:
        (found,) = findings(trace)
        assert "Repeated with zeros in their place" in found.cause
        assert found.cost.seconds > 0
    elif replay.speedup < 1.05 or replay.low is None or replay.low <= 1:
        assert findings(trace) == []
    assert x[0] == 1e-310
