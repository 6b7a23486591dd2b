"""Copies that are written into after they were made: the program works in them."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import numpy as np
import pytest
from extension_builder import build_c_library

from interprobe.analysis import analyse
from interprobe.recorder import Recorder
from interprobe.trace import Trace

DOUBLES = ctypes.POINTER(ctypes.c_double)
SINGLE = np.arange(1.0, 5001.0, dtype=np.float32)
TURNS = 20


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return ctypes.CDLL(build_c_library("contract_kernels", tmp_path_factory.mktemp("working")))


def record(turn: Callable[[], object]) -> Trace:
    recorder = Recorder(own_paths=[__file__])
    recorder.start()
    try:
        for _ in range(TURNS):
            turn()
    finally:
        trace = recorder.stop()
    return analyse(trace)


def written(trace: Trace) -> int:
    return sum(
        fact.count for copy in trace.copies for fact in copy.facts if fact.kind == "copy_written"
    )


def codes(trace: Trace) -> set[str]:
    return {finding.rule for finding in trace.findings}


def test_python_code_that_works_in_a_conversion_needs_it() -> None:
    def turn() -> float:
        values = np.ascontiguousarray(SINGLE, dtype=np.float64)
        values += 1.0
        return float(values.sum())

    trace = record(turn)
    assert written(trace) == TURNS
    assert "IP107" not in codes(trace)
    (finding,) = [each for each in trace.findings if each.rule == "IP103"]
    assert "go on with a copy of it" in finding.fix.text
    assert finding.saving is not None
    assert finding.saving.method == "not measured"


def test_a_kernel_that_works_in_a_conversion_needs_it(kernels: ctypes.CDLL) -> None:
    add = kernels.add_to
    add.argtypes = [DOUBLES, DOUBLES, ctypes.c_size_t]
    ones = np.ones(SINGLE.size)

    def turn() -> float:
        values = np.ascontiguousarray(SINGLE, dtype=np.float64)
        add(values.ctypes.data_as(DOUBLES), ones.ctypes.data_as(DOUBLES), values.size)
        return float(values.sum())

    trace = record(turn)
    assert written(trace) == TURNS
    assert "IP107" not in codes(trace)


def test_a_conversion_that_is_only_read_can_be_kept() -> None:
    trace = record(lambda: float(np.ascontiguousarray(SINGLE, dtype=np.float64).sum()))
    assert written(trace) == 0
    assert {"IP103", "IP107"} <= codes(trace)


def test_a_working_copy_that_is_refilled_is_asked_for() -> None:
    work = np.empty(SINGLE.size)

    def turn() -> float:
        work[:] = SINGLE
        work[:] *= 0.5
        return float(work.sum())

    assert "IP107" not in codes(record(turn))
