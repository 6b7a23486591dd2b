"""IP503 gil-held on real programs: who keeps the GIL, and who wants it."""

from __future__ import annotations

import ctypes
import importlib.util
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from extension_builder import build_c_library, build_cython

from interprobe.analysis import analyse
from interprobe.findings import Finding, Severity
from interprobe.recorder import Recorder
from interprobe.trace import Trace

CALLS = 6
MILLISECONDS = 40  # a thread asks for the GIL after 5
NUMBERS = np.ones(1000)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("held_lock")


@pytest.fixture(scope="module")
def library(folder: Path) -> Path:
    return build_c_library("busy_kernels", folder)


@pytest.fixture(scope="module")
def busy_views(folder: Path) -> ModuleType:
    path = build_cython("busy_views", folder)
    spec = importlib.util.spec_from_file_location("busy_views", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["busy_views"] = module
    spec.loader.exec_module(module)
    return module


def through(loader: Callable[[str], Any], library: Path) -> Callable[[], object]:
    """A call of the kernel through ctypes."""
    function = loader(str(library))["busy_sum"]
    function.argtypes = [ctypes.POINTER(ctypes.c_double), ctypes.c_size_t, ctypes.c_int]
    function.restype = ctypes.c_double
    pointer = NUMBERS.ctypes.data_as(ctypes.POINTER(ctypes.c_double))
    return lambda: function(pointer, NUMBERS.size, MILLISECONDS)


@contextmanager
def computing_thread() -> Iterator[None]:
    """Another thread that always has Python code to run."""
    done = threading.Event()

    def compute() -> None:
        while not done.is_set():
            sum(range(100))

    thread = threading.Thread(target=compute)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@contextmanager
def waking_thread() -> Iterator[None]:
    """Another thread that looks every few milliseconds whether it is time to end."""
    done = threading.Event()

    def look() -> None:
        while not done.wait(0.01):
            pass

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@contextmanager
def sleeping_thread() -> Iterator[None]:
    """Another thread that waits for something else than the GIL."""
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def record(call: Callable[[], object]) -> Trace:
    recorder = Recorder(own_paths=[__file__])
    recorder.start()
    try:
        import busy_views  # noqa: F401 - watched because this code imports it

        for _ in range(CALLS):
            call()
    finally:
        trace = recorder.stop()
    return trace


def findings(call: Callable[[], object]) -> list[Finding]:
    return [found for found in analyse(record(call)).findings if found.rule == "IP503"]


def test_a_kernel_that_keeps_the_gil_is_found_when_another_thread_wants_it(
    library: Path, busy_views: ModuleType
) -> None:
    with computing_thread():
        (found,) = findings(through(ctypes.PyDLL, library))
    assert "busy_sum keeps Python's global interpreter lock" in found.cause
    assert "ctypes.CDLL" in found.fix.text


def test_the_same_kernel_through_cdll_lets_go_of_the_gil(
    library: Path, busy_views: ModuleType
) -> None:
    call = through(ctypes.CDLL, library)
    with computing_thread():
        trace = record(call)
    kinds = {fact.kind for call in trace.calls for fact in call.facts}
    assert "gil-free" in kinds  # it was looked at
    assert "gil-held" not in kinds


def test_a_single_thread_keeps_nobody_waiting(library: Path, busy_views: ModuleType) -> None:
    trace = record(through(ctypes.PyDLL, library))
    assert {fact.kind for call in trace.calls for fact in call.facts}.isdisjoint({"gil-held"})


def test_a_thread_that_waits_for_something_else_wants_no_gil(
    library: Path, busy_views: ModuleType
) -> None:
    with sleeping_thread():
        assert findings(through(ctypes.PyDLL, library)) == []


def test_a_thread_that_has_next_to_nothing_to_do_is_not_worth_a_finding(
    library: Path, busy_views: ModuleType
) -> None:
    with waking_thread():
        trace = record(through(ctypes.PyDLL, library))
    assert "gil-held" in {fact.kind for call in trace.calls for fact in call.facts}
    assert [found for found in analyse(trace).findings if found.rule == "IP503"] == []


def test_a_cython_function_is_told_to_compute_without_the_gil(busy_views: ModuleType) -> None:
    with computing_thread():
        (found,) = findings(lambda: busy_views.sum_with_lock(NUMBERS, MILLISECONDS))
        assert findings(lambda: busy_views.sum_without_lock(NUMBERS, MILLISECONDS)) == []
    assert found.subject == "sum_with_lock"
    assert "nogil" in found.fix.code


def test_threads_that_call_the_same_kernel_keep_each_other_waiting(
    library: Path, busy_views: ModuleType
) -> None:
    def in_threads(call: Callable[[], object]) -> None:
        threads = [threading.Thread(target=call) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    held, free = through(ctypes.PyDLL, library), through(ctypes.CDLL, library)
    (found,) = findings(lambda: in_threads(held))
    assert found.severity is Severity.WARNING
    assert findings(lambda: in_threads(free)) == []
