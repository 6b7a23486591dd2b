"""Exact counts of borrows, who borrowed and what was asked for; arrays behind bare addresses."""

import ctypes
import gc
import hashlib
import importlib.util
import io
import mmap
import re
import sys
import weakref
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from extension_builder import build_cython, build_pybind11

from interprobe import native
from interprobe.recorder import Recorder
from interprobe.trace import Argument, Borrow, Trace

EXISTING = np.ones((50, 3))
"""Allocated before any recording."""


def record(function: Callable[[], object]) -> Trace:
    recorder = Recorder(own_paths=[__file__])
    recorder.start()
    try:
        function()
    finally:
        trace = recorder.stop()
    return trace


def only(trace: Trace) -> Borrow:
    assert len(trace.borrows) == 1, trace.borrows
    return trace.borrows[0]


def load(module: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(module.name.partition(".")[0], module)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    return load(build_cython("buffer_readers", tmp_path_factory.mktemp("readers")))


@pytest.fixture(scope="module")
def request_module(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    return load(build_pybind11("buffer_request", tmp_path_factory.mktemp("request")))


def test_typed_memoryview(readers: ModuleType) -> None:
    x = np.arange(70.0)[::2]
    borrow = only(record(lambda: [readers.first_of_view(x) for _ in range(7)]))
    assert (borrow.count, borrow.bytes) == (7, 7 * 35 * 8)
    assert borrow.consumer.startswith("buffer_readers")
    assert borrow.requested == "STRIDES|WRITABLE|FORMAT"
    assert (borrow.layout.dtype, borrow.layout.order) == ("float64", "strided")
    assert borrow.user_site.file == __file__


def test_contiguous_read_only_memoryview(readers: ModuleType) -> None:
    x = np.ones((3, 5), np.float32)
    borrow = only(record(lambda: readers.first_of_contiguous_view(x)))
    assert (borrow.count, borrow.bytes) == (1, 60)
    assert borrow.requested == "C_CONTIGUOUS|FORMAT"


def test_ndarray_argument(readers: ModuleType) -> None:
    x = np.arange(9.0)
    borrow = only(record(lambda: [readers.first_of_ndarray(x) for _ in range(3)]))
    assert (borrow.count, borrow.bytes) == (3, 3 * 72)
    assert ":" in borrow.consumer


def test_a_refused_request_is_no_borrow(readers: ModuleType) -> None:
    fixed = np.arange(9.0)
    fixed.flags.writeable = False
    times = np.zeros(3, "M8[s]")

    def refused() -> None:
        with pytest.raises(ValueError, match="read-only"):
            readers.first_of_view(fixed)
        with pytest.raises(ValueError, match="cannot include dtype"):
            memoryview(times)
        with pytest.raises(ValueError, match="contiguous"):
            readers.first_of_contiguous_view(np.ones((4, 6), np.float32)[:, ::2])

    assert record(refused).borrows == []


def test_no_borrow_where_none_is(readers: ModuleType) -> None:
    x = np.arange(9.0)

    def work() -> None:
        assert readers.first_by_c_api(x) == 0.0
        assert float((x + x).sum() + np.dot(x, x)) == 276.0
        np.ascontiguousarray(x[::2])
        x.__dlpack__(copy=True)  # gives a copy away
        memoryview(b"no array").release()
        bytearray(memoryview(np.float64(3.0)))

    assert record(work).borrows == []


def test_pybind11_buffer(request_module: ModuleType) -> None:
    x = np.arange(8.0) + 4
    borrow = only(record(lambda: [request_module.first(x) for _ in range(5)]))
    assert (borrow.count, borrow.bytes) == (5, 5 * 64)
    assert borrow.consumer.startswith("buffer_request")


def test_consumers_in_python() -> None:
    x = np.arange(16.0)
    target = np.empty(4)

    def work() -> None:
        memoryview(x)
        np.frombuffer(x)
        bytes(x)
        io.BytesIO(b"12345678" * 4).readinto(target)
        x.data.release()

    borrows = record(work).borrows
    assert [(b.consumer, b.requested, b.count, b.bytes) for b in borrows] == [
        ("memoryview", "INDIRECT|FORMAT", 1, 128),
        ("np.frombuffer", "WRITABLE", 1, 128),
        ("bytes", "INDIRECT|FORMAT", 1, 128),
        ("io.BytesIO(b'12345678' * 4).readinto", "WRITABLE", 1, 32),
        ("Python", "ndarray.data", 1, 128),
    ]


def test_hashlib() -> None:
    x = np.arange(16.0)
    borrow = only(record(lambda: hashlib.sha256(x)))
    assert (borrow.count, borrow.bytes, borrow.requested) == (1, 128, "SIMPLE")
    # OpenSSL's module is a library of its own; some builds have it inside Python.
    assert "_hashlib" in borrow.consumer or borrow.consumer == "hashlib.sha256"


def test_cffi() -> None:
    cffi = pytest.importorskip("cffi")
    ffi = cffi.FFI()
    x = np.arange(6.0)
    library = ctypes.CDLL(None)
    library.labs.argtypes = [ctypes.c_void_p]

    def work() -> None:
        address = int(ffi.cast("uintptr_t", ffi.from_buffer(x)))
        library.labs(address)

    trace = record(work)
    borrow = only(trace)
    assert (borrow.count, borrow.bytes) == (1, 48)
    assert borrow.consumer.startswith("_cffi_backend")
    assert [a.given and a.given.shape for a in trace.calls[0].arguments] == [[6]]


def test_raw_addresses() -> None:
    x = np.arange(6.0)

    def work() -> None:
        for _ in range(100):
            _ = x.ctypes, x.__array_interface__, x.__array_struct__, x.__dlpack__()

    counts = Counter({b.requested: b.count for b in record(work).borrows})
    assert counts == {
        "ndarray.ctypes": 100,
        "__array_interface__": 100,
        "__array_struct__": 100,
        "__dlpack__": 100,
    }


def test_subclasses_made_before_and_while_recording(tmp_path: Path) -> None:
    class Before(np.ndarray):
        pass

    base = np.arange(12.0)
    mapped = np.memmap(tmp_path / "data", np.float64, "w+", shape=(3, 4))
    views: list[Any] = [base.view(Before), base.view(np.matrix), base.view(np.recarray), mapped]
    before = native.patched_slots()
    original = {value for _, slot, value in before if slot == "ndarray.bf_getbuffer"}

    def work() -> None:
        class While(Before):
            pass

        views.extend([base.view(While), np.ma.masked_array(base)])
        for view in views:
            memoryview(view)

    # numpy.ma compares addresses through __array_interface__ on its own account.
    requests = [b for b in record(work).borrows if b.requested == "INDIRECT|FORMAT"]
    assert sum(borrow.count for borrow in requests) == 6
    assert sum(borrow.bytes for borrow in requests) == 6 * 96
    slots = {s: v for probe, s, v in native.patched_slots() if probe == "borrows"}
    assert {slots[name] for name in ("While", "Before", "ndarray.bf_getbuffer")} == original
    memoryview(views[4])  # the class outlives the recording


@pytest.mark.skipif(sys.version_info < (3, 12), reason="__buffer__ came with Python 3.12")
def test_a_subclass_with_a_buffer_method_of_its_own_counts_once() -> None:
    class Own(np.ndarray):
        def __buffer__(self, flags: int) -> memoryview:
            return super().__buffer__(flags)  # type: ignore[misc,no-any-return]

    x = np.arange(4.0).view(Own)
    assert only(record(lambda: memoryview(x))).count == 1


class Grid(ctypes.Structure):
    _fields_ = (
        ("n", ctypes.c_int),
        ("values", ctypes.POINTER(ctypes.c_double)),
        ("others", ctypes.c_void_p * 3),
    )


def arguments_of(call: Callable[[Any], object], declared: Any = ctypes.c_void_p) -> list[Argument]:
    library = ctypes.CDLL(None)
    function = library["labs"]
    function.argtypes = [declared] if declared is not None else None
    trace = record(lambda: call(function))
    assert sum(call.count for call in trace.calls) == 1
    return trace.calls[0].arguments


def shape_behind(call: Callable[[Any], object]) -> list[int] | None:
    (argument,) = arguments_of(call)
    return argument.given.shape if argument.given is not None else None


def test_bare_addresses() -> None:
    x = np.arange(1000.0)
    assert shape_behind(lambda f: f(x.ctypes.data)) == [1000]
    assert shape_behind(lambda f: f(x.__array_interface__["data"][0])) == [1000]
    assert shape_behind(lambda f: f(ctypes.c_void_p(x.ctypes.data))) == [1000]
    assert shape_behind(lambda f: f(x.ctypes.data + 16)) == [1000]
    assert shape_behind(lambda f: f(x[2:].ctypes.data)) == [998]
    assert shape_behind(lambda f: f(EXISTING.ctypes.data)) == [50, 3]
    assert shape_behind(lambda f: f(np.array(3.0).ctypes)) == []
    scalar = np.array(3.0)
    assert shape_behind(lambda f: f(scalar.ctypes.data)) == []
    assert shape_behind(lambda f: f((ctypes.c_double * 9).from_buffer(x))) == [1000]
    assert shape_behind(lambda f: f(ctypes.byref(ctypes.c_double.from_buffer(x, 8)))) == [1000]
    assert shape_behind(lambda f: f(ctypes.cast(x.ctypes.data, ctypes.c_void_p))) == [1000]


def test_addresses_with_no_array_behind() -> None:
    x = np.arange(1000.0)
    buffer = (ctypes.c_double * 4)()
    assert shape_behind(lambda f: f(ctypes.addressof(buffer))) is None
    assert shape_behind(lambda f: f(buffer)) is None
    assert shape_behind(lambda f: f(x.ctypes.data + x.nbytes)) is None
    assert shape_behind(lambda f: f(4)) is None


def test_a_freed_array_is_not_mistaken_for_the_one_in_its_place() -> None:
    reused = 0

    def dangling(f: Any) -> None:
        nonlocal reused
        first = np.empty(5000)
        address = first.ctypes.data
        del first
        second = np.empty(10000, np.float32)
        reused += second.__array_interface__["data"][0] == address
        f(address)

    (argument,) = arguments_of(dangling)
    # Only the second array was given away since: at its address, it is what lies there.
    assert argument.given is None or (reused and argument.given.dtype == "float32")

    def unseen(f: Any) -> None:
        first = np.empty(5000)
        address = first.ctypes.data
        del first
        _second = np.empty(10000, np.float32)  # its address is given to nobody
        f(address)

    assert shape_behind(unseen) is None


def test_memory_that_numpy_did_not_allocate() -> None:
    memory = mmap.mmap(-1, 4096)
    x = np.frombuffer(memory, np.int32)
    assert shape_behind(lambda f: f(x.ctypes.data)) == [1024]

    def gone(f: Any) -> None:
        y = np.frombuffer(memory, np.int32)
        address = y.ctypes.data
        del y
        gc.collect()
        f(address)

    assert shape_behind(gone) is None


def test_one_address_of_two_kinds_is_unknown() -> None:
    x = np.ones((6, 8))

    def both(f: Any) -> None:
        address = x.ctypes.data
        assert x.T.ctypes.data == address
        f(address)

    assert shape_behind(both) is None


def member(argument: Argument) -> str | None:
    """Without the parameter's name, which is known where libc's debug information is installed."""
    found = re.search(r"[.\[].*", argument.name or "")
    return found[0] if found else None


def test_structures_and_arrays_of_pointers() -> None:
    x = np.arange(1000.0)
    pointer = ctypes.POINTER(ctypes.c_double)

    def grid() -> Grid:
        address = x.ctypes.data
        others = (EXISTING.ctypes.data, None, address)
        return Grid(3, ctypes.cast(address, pointer), others)

    for wrap in (ctypes.byref, ctypes.pointer):
        found = arguments_of(lambda f, wrap=wrap: f(wrap(grid())))
        assert [(a.position, member(a), a.declared) for a in found[1:]] == [
            (0, ".values", "POINTER(c_double)"),
            (0, ".others[0]", "c_void_p"),
            (0, ".others[2]", "c_void_p"),
        ]
        shapes = [a.given and a.given.shape for a in found]
        assert shapes == [None, [1000], [50, 3], [1000]]

    both = arguments_of(lambda f: f((ctypes.c_void_p * 2)(x.ctypes.data, EXISTING.ctypes.data)))
    assert [(member(a), a.given and a.given.shape) for a in both] == [
        (None, None),
        ("[0]", [1000]),
        ("[1]", [50, 3]),
    ]


def test_arrays_are_not_kept_alive() -> None:
    x = np.arange(1000.0)
    memory = weakref.ref(x)

    def work() -> None:
        nonlocal x
        _ = x.ctypes.data, x.__array_interface__, bytes(x)
        del x
        assert memory() is None

    record(work)


def test_reference_counts_and_memory_stay(readers: ModuleType) -> None:
    x = np.arange(4.0)
    mapped = np.frombuffer(mmap.mmap(-1, 64), np.float64)
    cell = ctypes.c_double.from_buffer(x)
    function = ctypes.CDLL(None)["labs"]
    function.argtypes = [ctypes.c_void_p]
    watched = (x, mapped, cell, x.dtype, type(cell))

    def work(times: int) -> None:
        address = x.ctypes.data
        for _ in range(times):
            memoryview(x)
            _ = x.data
            _ = mapped.__array_interface__
            readers.first_of_view(x)
            function(address)
            function(ctypes.byref(cell))

    def counted() -> None:
        work(10)
        before = [sys.getrefcount(each) for each in watched]
        blocks = sys.getallocatedblocks()
        work(100_000)
        assert [sys.getrefcount(each) for each in watched] == before
        assert sys.getallocatedblocks() - blocks < 1000

    trace = record(counted)
    counts = Counter[str]()
    for borrow in trace.borrows:
        counts[borrow.site.expression] += borrow.count
    assert counts["memoryview(x)"] == counts["readers.first_of_view(x)"] == 100_010
    assert counts["mapped.__array_interface__"] == counts["x.data"] == 100_010
    assert sum(call.count for call in trace.calls if call.binding == "ctypes") == 200_020
