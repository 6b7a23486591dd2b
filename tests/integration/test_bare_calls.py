"""Short C functions are timed by themselves: called as compiled code calls them, or not at all."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from ctypes import POINTER, c_double, c_float, c_int, c_int8, c_int64, c_size_t, c_uint16, c_void_p
from pathlib import Path

import numpy as np
import pytest
from extension_builder import build_c_library

from interprobe.recorder import Recorder
from interprobe.trace import Trace
from interprobe.what_if import WhatIf

CALLS = 3000
X = np.arange(1.0, 9.0)


class Point(ctypes.Structure):
    """As the C code has it."""

    _fields_ = (("x", c_double), ("y", c_double))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_c_library("bare_calls", tmp_path_factory.mktemp("bare"))


@pytest.fixture
def lib(path: Path) -> ctypes.CDLL:
    return ctypes.CDLL(str(path))


def record(call: Callable[[], object], what_if: WhatIf = "all") -> Trace:
    recorder = Recorder(own_paths=[__file__], what_if=what_if)
    recorder.start()
    try:
        for _ in range(CALLS):
            call()
    finally:
        trace = recorder.stop()
    return trace


def work(call: Callable[[], object], what_if: WhatIf = "all") -> float | None:
    (found,) = record(call, what_if).calls
    assert found.replays == []
    assert found.turn is not None
    return found.turn.work


def test_every_argument_arrives_as_ctypes_passes_it(lib: ctypes.CDLL) -> None:
    function = lib.take_mixed
    function.restype = c_double
    function.argtypes = [c_int8, c_double, c_uint16, c_float]
    function.argtypes += [POINTER(c_double), c_int64, c_float, c_size_t]
    pointer = X.ctypes.data_as(POINTER(c_double))
    seconds = work(lambda: function(-7, 2.5, -1, 0.1, pointer, -(1 << 40), np.float64(3), 4))
    assert seconds is not None
    assert 0 < seconds < 1e-6


def test_arguments_without_a_prototype(lib: ctypes.CDLL) -> None:
    function = lib.take_nothing_declared
    function.restype = None
    pointer = X.ctypes.data_as(POINTER(c_double))
    assert work(lambda: function(-3, pointer, c_double(0.5))) is not None
    assert work(lambda: function(c_int(-3), c_void_p(X.ctypes.data), c_double(0.5))) is not None
    assert work(lambda: function(-3, (c_double * 2)(1.0, 2.0), c_double(0.5))) is not None


def test_records_texts_and_null(lib: ctypes.CDLL) -> None:
    function = lib.take_record
    function.restype = c_double
    function.argtypes = [POINTER(Point), ctypes.c_char_p, c_void_p]
    point = Point(1.0, 2.0)
    for given in (point, ctypes.byref(point), ctypes.pointer(point)):
        assert work(lambda given=given: function(given, b"abc", None)) is not None  # type: ignore[misc]


def test_numpys_own_pointers(lib: ctypes.CDLL) -> None:
    function = lib.take_nothing_declared
    function.restype = None
    function.argtypes = [c_int, np.ctypeslib.ndpointer(np.float64, 1), c_double]
    assert work(lambda: function(-3, X, 0.5)) is not None
    function.argtypes = [c_int, c_void_p, c_double]
    assert work(lambda: function(-3, X.ctypes, 0.5)) is not None


def test_what_registers_do_not_hold_is_left_alone(lib: ctypes.CDLL) -> None:
    assert work(lambda: lib.take_many(1, 2, 3, 4, 5, 6, 7)) is None
    lib.return_record.restype = Point
    lib.return_record.argtypes = [c_double]
    assert work(lambda: lib.return_record(1.0)) is None
    lib.return_long.restype = ctypes.c_longdouble
    lib.return_long.argtypes = [c_double]
    assert work(lambda: lib.return_long(1.0)) is None


def test_nothing_is_called_when_nothing_may_be_repeated(lib: ctypes.CDLL) -> None:
    pointer = X.ctypes.data_as(POINTER(c_double))
    lib.take_nothing_declared.restype = None
    assert work(lambda: lib.take_nothing_declared(-3, pointer, c_double(0.5)), "off") is None
