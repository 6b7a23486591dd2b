"""Memory that C allocated and nobody frees: told by its growth, and only by that."""

import ctypes
import gc
import importlib.util
import sys
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from types import ModuleType

import numpy as np
import pytest
from extension_builder import build_c_library, build_c_module

from interprobe.analysis import analyse
from interprobe.findings import Finding, Severity
from interprobe.recorder import Recorder

DOUBLES = ctypes.POINTER(ctypes.c_double)
N = 5000
ROUNDS = 200
LOST = ROUNDS * N * 8
"""8 MB."""


def leaks(function: Callable[[], object]) -> list[Finding]:
    recorder = Recorder(own_paths=[__file__])
    recorder.start()
    try:
        function()
    finally:
        trace = recorder.stop()
    return [finding for finding in analyse(trace).findings if finding.rule == "IP404"]


@pytest.fixture(scope="module")
def lib(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    path = build_c_library("lifetime_calls", tmp_path_factory.mktemp("lifetime"))
    loaded = ctypes.CDLL(str(path))
    loaded.make_values.argtypes = (ctypes.c_size_t, ctypes.c_double)
    loaded.make_values.restype = DOUBLES
    loaded.shared_values.argtypes = (ctypes.c_size_t,)
    loaded.shared_values.restype = DOUBLES
    loaded.release_values.argtypes = (DOUBLES,)
    loaded.release_values.restype = None
    return loaded


@pytest.fixture(scope="module")
def owned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    path = build_c_module("owned_arrays", tmp_path_factory.mktemp("owned"))
    spec = importlib.util.spec_from_file_location("owned_arrays", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.modules["owned_arrays"] = module  # for the import statements of the tests
    yield module
    del sys.modules["owned_arrays"]


class HeapFigures(ctypes.Structure):
    """struct mallinfo2 of glibc."""

    _fields_ = tuple((name, ctypes.c_size_t) for name in "abcdefghij")


def heap_bytes() -> int:
    """Bytes of the C heap that are in use, by glibc's own books."""
    gc.collect()
    libc = ctypes.CDLL(None)
    libc.mallinfo2.restype = HeapFigures
    figures = libc.mallinfo2()
    return int(figures.e + figures.h)


# --- bad ---


def test_pointers_wrapped_and_never_freed(lib: ctypes.CDLL) -> None:
    def work() -> None:
        for _ in range(ROUNDS):
            values = np.ctypeslib.as_array(lib.make_values(N, 2.0), (N,))
            assert values[-1] == 2.0

    before = heap_bytes()
    (finding,) = leaks(work)
    assert heap_bytes() - before > 0.9 * LOST  # it is really lost
    assert finding.severity is Severity.WARNING
    assert "`np.ctypeslib.as_array(lib.make_values(N, 2.0), (N,))` made 200 arrays" in finding.cause
    assert "(8.00 MB)" in finding.cause
    assert 0.9 * LOST < finding.cost.bytes < 1.3 * LOST
    assert finding.fix.code.startswith("weakref.finalize(values, ")


def test_buffers_of_ctypes_pointers(lib: ctypes.CDLL) -> None:
    def work() -> None:
        for _ in range(ROUNDS):
            pointer = ctypes.cast(lib.make_values(N, 2.0), ctypes.POINTER(ctypes.c_double * N))
            np.frombuffer(pointer.contents)

    (finding,) = leaks(work)
    assert "np.frombuffer" in finding.subject


def test_buffers_of_cffi_pointers(lib: ctypes.CDLL) -> None:
    cffi = pytest.importorskip("cffi")
    ffi = cffi.FFI()
    ffi.cdef("double *make_values(size_t, double); void release_values(double *);")
    opened = ffi.dlopen(lib._name)

    def lost() -> None:
        for _ in range(ROUNDS):
            np.frombuffer(ffi.buffer(opened.make_values(N, 1.0), 8 * N))

    def collected() -> None:
        for _ in range(ROUNDS):
            pointer = ffi.gc(opened.make_values(N, 1.0), opened.release_values)
            np.frombuffer(ffi.buffer(pointer, 8 * N))

    assert len(leaks(lost)) == 1
    assert leaks(collected) == []


@pytest.mark.parametrize("function", ["leaked", "leaked_pair"])
def test_arrays_that_an_extension_returns(owned: ModuleType, function: str) -> None:
    def work() -> None:
        import owned_arrays  # what user code imports is watched

        make = getattr(owned_arrays, function)
        for _ in range(ROUNDS):
            make(N)

    (finding,) = leaks(work)
    assert finding.subject.startswith(f"{function} (owned_arrays")
    assert finding.records[0].list == "calls"
    assert "PyCapsule_New" in finding.fix.code


# --- good ---


@pytest.mark.parametrize("function", ["with_capsule", "with_own_data", "over_fixed_memory"])
def test_arrays_with_an_owner_or_of_fixed_memory(owned: ModuleType, function: str) -> None:
    def work() -> None:
        import owned_arrays

        make = getattr(owned_arrays, function)
        for _ in range(ROUNDS):
            make(N)

    assert leaks(work) == []


def test_parts_of_a_table_while_the_program_grows(owned: ModuleType) -> None:
    """No address comes twice, and memory grows: but what grows is the program's own."""
    kept = []

    def work() -> None:
        import owned_arrays

        for index in range(ROUNDS):
            kept.append(owned_arrays.part_of_table(index, N).tolist())

    assert leaks(work) == []


def test_blocks_that_are_freed_by_hand(lib: ctypes.CDLL) -> None:
    def work() -> None:
        for _ in range(ROUNDS):
            pointer = lib.make_values(N, 2.0)
            assert np.ctypeslib.as_array(pointer, (N,)).sum() == 2.0 * N
            lib.release_values(pointer)

    assert leaks(work) == []


def test_blocks_that_end_with_their_arrays(lib: ctypes.CDLL) -> None:
    def work() -> None:
        latest: deque[np.ndarray] = deque(maxlen=5)
        for _ in range(ROUNDS):
            pointer = lib.make_values(N, 2.0)
            values = np.ctypeslib.as_array(pointer, (N,))
            weakref.finalize(values, lib.release_values, pointer)
            latest.append(values)

    assert leaks(work) == []


def test_blocks_that_are_freed_at_the_end(lib: ctypes.CDLL) -> None:
    def work() -> None:
        pointers = [lib.make_values(N, 2.0) for _ in range(ROUNDS)]
        for pointer in pointers:
            assert np.ctypeslib.as_array(pointer, (N,))[0] == 2.0
        for pointer in pointers:
            lib.release_values(pointer)

    assert leaks(work) == []


def test_blocks_that_were_there_before(lib: ctypes.CDLL) -> None:
    pointers = [lib.make_values(N, 2.0) for _ in range(ROUNDS)]
    kept = []

    def work() -> None:
        for pointer in pointers:
            values = np.ctypeslib.as_array(pointer, (N,))
            kept.append(values * 2)  # NumPy's own memory may grow with them

    assert leaks(work) == []
    assert len(kept) == ROUNDS
    for pointer in pointers:
        lib.release_values(pointer)


def test_arrays_that_the_program_keeps(lib: ctypes.CDLL) -> None:
    kept = []

    def work() -> None:
        for _ in range(ROUNDS):
            kept.append(np.ctypeslib.as_array(lib.make_values(N, 2.0), (N,)))

    assert leaks(work) == []
    assert len(kept) == ROUNDS


def test_the_same_memory_again_and_again(lib: ctypes.CDLL) -> None:
    def work() -> None:
        for _ in range(ROUNDS):
            np.ctypeslib.as_array(lib.shared_values(N), (N,))

    assert leaks(work) == []


def test_memory_that_python_owns() -> None:
    kept = []

    def work() -> None:
        for _ in range(ROUNDS):
            buffer = ctypes.create_string_buffer(8 * N)
            np.ctypeslib.as_array(ctypes.cast(buffer, DOUBLES), (N,))
            np.frombuffer(bytearray(8 * N))
            kept.append(buffer)

    assert leaks(work) == []
    assert len(kept) == ROUNDS


def test_a_little_is_no_finding(lib: ctypes.CDLL) -> None:
    def work() -> None:
        for _ in range(50):
            np.ctypeslib.as_array(lib.make_values(N, 2.0), (N,))

    assert leaks(work) == []
