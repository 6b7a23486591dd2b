"""Layouts that are slow without a copy: real kernels, measured with the arrays that cure them."""

from __future__ import annotations

import ctypes
import importlib.util
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from extension_builder import build_cython
from numpy.typing import NDArray

from interprobe.analysis import analyse
from interprobe.cdemo import DOUBLE_POINTER, cykernels, kernels
from interprobe.recorder import Recorder
from interprobe.replays import Replay
from interprobe.trace import Trace

Array = NDArray[Any]
NAME = "layout_judge"


@pytest.fixture(scope="module")
def judges(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    module = build_cython(NAME, tmp_path_factory.mktemp("judges"))
    spec = importlib.util.spec_from_file_location(NAME, module)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = loaded
    spec.loader.exec_module(loaded)
    return loaded


def record(work: Callable[[], object]) -> Trace:
    recorder = Recorder(own_paths=[__file__], what_if="all")
    recorder.start()
    try:
        work()
    finally:
        trace = recorder.stop()
    return analyse(trace)


def codes(trace: Trace) -> set[str]:
    return {finding.rule for finding in trace.findings}


def replays_of(trace: Trace, change: str) -> list[Replay]:
    return [each for call in trace.calls for each in call.replays if each.change == change]


def misaligned(array: Array) -> Array:
    """The same elements, five bytes off their alignment."""
    moved = np.zeros(array.nbytes + 5, np.uint8)[5:].view(array.dtype).reshape(array.shape)
    moved[...] = array
    return moved


def roomy(rows: int, columns: int) -> Array:
    """A matrix of ones that is a part of one with 8 more columns."""
    return np.ones((rows, columns + 8))[:, :columns]


# --- programs that pay for a layout, and the same ones cured


def peaks_of(column: Array) -> Callable[[], object]:
    return lambda: [cykernels.peak(column) for _ in range(20)]


def scaled(matrix: Array, out: Array) -> Callable[[], object]:
    factors = np.ones(matrix.shape[1])
    return lambda: [cykernels.scale_columns(matrix, factors, out) for _ in range(6)]


def transposed(matrix: Array, out: Array) -> Callable[[], object]:
    return lambda: [cykernels.transpose(matrix, out) for _ in range(6)]


def settled(inputs: Array) -> Callable[[], object]:
    answers = np.ones(inputs.size)
    return lambda: [cykernels.settle(inputs, answers, 50, 0.5) for _ in range(6)]


def settled_ctypes(inputs: Array) -> Callable[[], object]:
    answers = np.ones(inputs.size)

    def work() -> None:
        for _ in range(6):
            pointer, room = (each.ctypes.data_as(DOUBLE_POINTER) for each in (inputs, answers))
            kernels.cdemo_settle(pointer, room, inputs.size, 50, 0.5)

    return work


def bad_and_good(code: str) -> tuple[Callable[[], object], Callable[[], object]]:
    """The same work with a slow layout and with a fast one."""
    numbers = np.random.default_rng(6).random((60_000, 16))
    if code == "IP201":
        return peaks_of(numbers[:, 5]), peaks_of(numbers[:, 5].copy())
    if code == "IP202":
        matrix = numbers.reshape(1200, 800)
        by_columns = np.asfortranarray(matrix)
        return (
            scaled(matrix, np.ones_like(matrix)),
            scaled(by_columns, np.ones_like(by_columns)),
        )
    if code == "IP203":
        return (
            transposed(np.ones((512, 512)), np.ones((512, 512))),
            transposed(roomy(512, 512), roomy(512, 512)),
        )
    if code == "IP204":
        return settled(misaligned(numbers[:3000].ravel())), settled(numbers[:3000].ravel())
    return settled_ctypes(misaligned(numbers[:3000].ravel())), settled_ctypes(
        numbers[:3000].ravel()
    )


@pytest.mark.parametrize("code", ["IP201", "IP202", "IP203", "IP204", "IP204 through ctypes"])
def test_a_slow_layout_is_found_and_its_cure_yields_nothing(code: str) -> None:
    bad, good = bad_and_good(code)
    trace = record(bad)
    assert codes(trace) == {code[:5]}, trace.calls
    (finding,) = trace.findings
    assert finding.user_site.file == __file__
    assert finding.saving is not None
    assert finding.saving.method == "measured"
    assert finding.saving.low is not None
    assert finding.saving.low > 1.05
    cured = record(good)
    assert codes(cured) == set(), cured.calls


def test_gaps_do_not_matter_where_the_function_computes(judges: ModuleType) -> None:
    column = np.ones((5_000, 16))[:, 3]
    trace = record(lambda: [judges.compute(column) for _ in range(4)])
    (replay,) = replays_of(trace, "contiguous")
    assert replay.reason is None
    assert codes(trace) == set()


def test_misaligned_numbers_that_cost_nothing_are_no_finding(judges: ModuleType) -> None:
    numbers = misaligned(np.ones(5_000))
    trace = record(lambda: [judges.compute(numbers) for _ in range(4)])
    (replay,) = replays_of(trace, "aligned")
    assert replay.reason is None
    assert codes(trace) == set()


def test_a_function_that_refuses_the_change_is_no_finding() -> None:
    matrix, sums = np.ones((400, 512)), np.zeros(400)
    trace = record(lambda: [cykernels.row_sweep(matrix, sums) for _ in range(6)])
    for change in ("other-order", "padded"):
        (replay,) = replays_of(trace, change)
        assert replay.speedup is None
        assert replay.reason == "the call fails with the array that it asks for"
    assert codes(trace) == set()


def test_pointers_are_not_given_steps_that_c_is_not_told_of() -> None:
    table = np.ones((60_000, 16))
    pointer = table[:, 3].ctypes.data_as(DOUBLE_POINTER)
    trace = record(lambda: [kernels.cdemo_peak(pointer, 30_000, 32) for _ in range(6)])
    assert [each for call in trace.calls for each in call.replays] == []


# --- the arrays that stand for others

GRID = np.arange(24_000.0)


@pytest.mark.parametrize(
    ("change", "array", "strides"),
    [
        ("contiguous", GRID.reshape(3000, 8)[:, 3], (8,)),
        ("contiguous", GRID[::-8], (8,)),
        ("contiguous", GRID.reshape(8, 3000)[::2, ::8].T, (8, 3000)),
        ("contiguous", GRID.astype("f4").reshape(1500, 16)[:, ::16], (4, 4)),
        ("other-order", GRID.reshape(30, 800), (8, 240)),
        ("other-order", GRID.reshape(30, 800).T, (240, 8)),
        ("other-order", GRID.reshape(30, 800)[::-1], (8, 240)),
        ("other-order", GRID.reshape(10, 30, 80).transpose(1, 0, 2), (6400, 640, 8)),
        ("other-order", GRID.reshape(10, 30, 80).transpose(0, 2, 1), (19200, 240, 8)),
        ("padded", np.arange(51200.0).reshape(100, 512), (4160, 8)),
        ("padded", np.arange(51200.0).reshape(100, 512).T, (8, 4160)),
        ("padded", np.arange(51200.0).reshape(100, 512)[::-1, ::-1], (4160, 8)),
        ("padded", np.arange(51200).astype(">i2").reshape(50, 1024), (2112, 2)),
        ("padded", np.ones((40, 8, 512)), (33280, 4160, 8)),
        ("padded", np.ones((40, 64, 512)), (270400, 4160, 8)),
        ("aligned", misaligned(GRID), (8,)),
        ("aligned", misaligned(GRID)[::-2], (-16,)),
        ("aligned", misaligned(GRID.reshape(30, 800))[:, 100:], (6400, 8)),
        ("aligned", np.ones(3000, "i4,f8")["f1"], (8,)),
    ],
)
def test_the_array_that_stands_for_another_has_its_numbers_and_the_layout_in_question(
    judges: ModuleType, change: str, array: Array, strides: tuple[int, ...]
) -> None:
    total = float(array.sum())
    given = (array.strides, array.flags.aligned)
    expected = [given, (strides, True)]
    trace = record(lambda: [judges.judge(array, expected, total) for _ in range(3)])
    (replay,) = replays_of(trace, change)
    assert replay.reason is None
    assert replay.positions == [0]
    # The judge does tell: nothing but the array's own layout is let pass.
    trace = record(lambda: [judges.judge(array, [given], total) for _ in range(3)])
    (replay,) = replays_of(trace, change)
    assert replay.reason == "the call fails with the array that it asks for"


@pytest.mark.parametrize(
    "array",
    [
        GRID.reshape(3000, 8)[:, 3],
        GRID.reshape(30, 800),
        GRID.reshape(30, 800)[::-1, ::-1].T,
        misaligned(GRID)[::-2],
        np.ones(3000, "i4,f8")["f1"],
    ],
)
def test_the_control_keeps_steps_numbers_and_misalignment(judges: ModuleType, array: Array) -> None:
    total = float(array.sum())
    given = (array.strides, array.flags.aligned)
    trace = record(lambda: [judges.judge(array, [given], total) for _ in range(3)])
    (replay,) = replays_of(trace, "same-layout")
    assert replay.reason is None


def test_what_new_memory_gains_by_itself_is_none_of_the_layout() -> None:
    # memchr aligns its loads by itself; a copy of the array was 2.6 times as fast all the same.
    libc = ctypes.CDLL(None)
    libc.memchr.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
    libc.memchr.restype = ctypes.c_void_p
    numbers = misaligned(np.zeros(262_144))
    trace = record(
        lambda: [
            libc.memchr(numbers.ctypes.data_as(DOUBLE_POINTER), 1, numbers.nbytes) for _ in range(6)
        ]
    )
    assert len(replays_of(trace, "aligned")) == 1
    assert codes(trace) & {"IP201", "IP202", "IP203", "IP204"} == set()


@pytest.mark.parametrize(
    "array",
    [
        np.ones(100)[::8],  # small
        np.broadcast_to(np.ones(1), (10_000, 100)),
        np.ones((100, 512), object),
        np.ones(0),
        np.ones(()),
    ],
)
def test_no_question_is_asked_where_no_layout_could_help(judges: ModuleType, array: Array) -> None:
    expected = [(array.strides, array.flags.aligned)]
    total = float(array.sum())
    trace = record(lambda: [judges.judge(array, expected, total) for _ in range(3)])
    tried = {each.change for call in trace.calls for each in call.replays}
    assert tried <= {"other-order", "same-layout"}
    assert codes(trace) == set()
