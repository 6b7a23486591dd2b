"""Native code of every binding gives, bit by bit, what it gives unrecorded."""

# ruff: noqa: PLW0108 - every call goes through Python code of this file, the user's

import ctypes
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from any_arrays import Array, Call, any_arrays, assert_transparent, examples
from extension_builder import (
    SOURCES,
    build_c_library,
    build_c_module,
    build_cython,
    build_f2py,
    build_nanobind,
    build_pybind11,
    build_swig,
)
from hypothesis import given, seed

from interprobe.recorder import Recorder

MODULES: dict[str, Callable[[Path], Path]] = {
    "slot_calls": lambda folder: build_c_module("slot_calls", folder),
    "buffer_readers": lambda folder: build_cython("buffer_readers", folder),
    "field_tools": lambda folder: build_cython("field_tools", folder),
    "vector_tools": lambda folder: build_pybind11("vector_tools", folder),
    "nano_tools": lambda folder: build_nanobind("nano_tools", folder),
    "filters": lambda folder: build_f2py("filters", folder),
    "_areas": lambda folder: build_swig("areas", folder),
}


def _load(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All extensions, built side by side."""
    folder = tmp_path_factory.mktemp("bindings")

    def build(builder: Callable[[Path], Path]) -> None:
        with suppress(pytest.skip.Exception):  # its tool is not installed: its own test skips
            builder(folder)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(build, MODULES.values()))
    build_c_library("signal_kernels", folder)
    return folder


@pytest.fixture(scope="module")
def bindings(folder: Path) -> Iterator[dict[str, ModuleType]]:
    """The modules, kept where a program's imports are: a recording watches their functions."""
    found: dict[str, ModuleType] = {}
    for name in MODULES:
        for path in folder.glob(f"{name}.*.so"):
            found[name] = _load(name, path)
    globals().update(found)
    yield found
    for name in found:
        del globals()[name]


class Signal(ctypes.Structure):
    """What C libraries take: an address and a length."""

    _fields_ = (("samples", ctypes.c_void_p), ("count", ctypes.c_size_t))


def _whole_doubles(x: Array) -> int:
    """How many doubles can be read from the first element on."""
    whole = x.flags.c_contiguous or x.flags.f_contiguous
    return x.nbytes // 8 if whole and not x.dtype.hasobject and x.dtype.kind != "T" else 0


def ctypes_calls(folder: Path) -> dict[str, Call]:
    def energy(*argtypes: Any) -> Any:
        function = ctypes.CDLL(str(folder / "libsignal_kernels.so")).signal_energy
        function.argtypes, function.restype = argtypes, ctypes.c_double
        return function

    doubles = ctypes.POINTER(ctypes.c_double)
    size = ctypes.c_size_t
    by_pointer, by_number = energy(doubles, size), energy(ctypes.c_void_p, size)
    checked = energy(np.ctypeslib.ndpointer(np.float64, ndim=1, flags="C"), size)
    untyped = ctypes.CDLL(str(folder / "libsignal_kernels.so")).signal_energy
    untyped.restype = ctypes.c_double

    def through_structure(x: Array) -> object:
        signal = Signal(x.ctypes.data, 0)
        return by_number(ctypes.byref(signal), 2), by_number(ctypes.addressof(signal), 0)

    return {
        "data_as": lambda x: by_pointer(x.ctypes.data_as(doubles), _whole_doubles(x)),
        "data": lambda x: by_number(x.ctypes.data, _whole_doubles(x)),
        "ctypes": lambda x: by_number(x.ctypes, _whole_doubles(x)),
        "untyped": lambda x: untyped(x.ctypes, size(_whole_doubles(x))),
        "ndpointer": lambda x: checked(x, 0),
        "refused": lambda x: by_pointer(x, 0),
        "structure": through_structure,
        "from_buffer": lambda x: len(bytes((ctypes.c_char * 1).from_buffer(x))),
        "cast": lambda x: by_number(ctypes.cast(x.ctypes.data, ctypes.c_void_p), 0),
        "array_of_pointers": lambda x: by_number((ctypes.c_void_p * 2)(x.ctypes.data, 0), 0),
    }


def slot_calls_of(module: Any) -> dict[str, Call]:
    def bound(name: str, demand: int) -> Call:
        return lambda x: getattr(module, name)(x, demand)

    calls: dict[str, Call] = {
        f"{name}_{demand}": bound(name, demand)
        for name in ("from_any", "check_from_any", "from_array")
        for demand in range(6)
    }
    return calls | {
        "new_copy": lambda x: module.new_copy(x),
        "cast_to_type": lambda x: module.cast_to_type(x),
        "ensure_array": lambda x: module.ensure_array(x),
        "ensure_any_array": lambda x: module.ensure_any_array(x),
        "ensure_other": lambda x: module.ensure_array([1.0, 2.0]),
        "copy_into": lambda x: module.copy_into(np.zeros(x.shape, x.dtype), x),
        "copy_into_doubles": lambda x: module.copy_into(np.zeros(x.shape), x),
        "write_back": lambda x: module.write_back(np.array(x).T),
        "no_array": lambda x: module.from_array([1.0], 0),
    }


def cython_calls(readers: Any, fields: Any) -> dict[str, Call]:
    return {
        "view": lambda x: readers.first_of_view(x),
        "contiguous_view": lambda x: readers.first_of_contiguous_view(x),
        "ndarray": lambda x: readers.first_of_ndarray(x),
        "no_array": lambda x: readers.first_of_ndarray([1.0]),
        "const_view": lambda x: fields.total(x, scale=2.0),
        "unbound": lambda x: fields.unbound(x),
        "through_function": lambda x: fields.outer(x),
        "method": lambda x: fields.Field(1.0).scaled(x),
        "static": lambda x: fields.Field.unit(),
    }


def cffi_calls(folder: Path) -> dict[str, Call]:
    cffi = pytest.importorskip("cffi")
    ffi = cffi.FFI()
    ffi.cdef("double signal_energy(const double *samples, size_t count);")
    library = ffi.dlopen(str(folder / "libsignal_kernels.so"))
    return {
        "from_buffer": lambda x: library.signal_energy(
            ffi.cast("double *", ffi.from_buffer(x)), _whole_doubles(x)
        ),
        "typed": lambda x: len(ffi.from_buffer("double[]", x)),
        "writable": lambda x: len(ffi.from_buffer(x, require_writable=True)),
        "number": lambda x: library.signal_energy(
            ffi.cast("double *", x.ctypes.data), _whole_doubles(x)
        ),
        "refused": lambda x: library.signal_energy(x, 0),
    }


def pybind11_calls(tools: Any) -> dict[str, Call]:
    return {
        "array_t": lambda x: tools.sum(x),
        "keyword": lambda x: tools.sum(values=x, scale=2.0),
        "wrong": lambda x: tools.sum(x, x, x),
        "method": lambda x: tools.Box(2.0).scaled(x),
        "called_back": lambda x: tools.apply(lambda: x),
        "buffer": lambda x: tools.shape(x),
    }


def nanobind_calls(tools: Any) -> dict[str, Call]:
    return {
        "sum": lambda x: tools.sum(x),
        "keyword": lambda x: tools.sum(x, scale=2.0),
        "method": lambda x: tools.Box(2.0).scaled(x),
    }


def f2py_calls(filters: Any) -> dict[str, Call]:
    return {
        "total": lambda x: filters.total(x),
        "keyword": lambda x: filters.total(values=x),
        "length": lambda x: filters.total(x, 2),
        "scalar": lambda x: filters.grids.doubled(x),
    }


CALLS: dict[str, Callable[[Path, dict[str, Any]], dict[str, Call]]] = {
    "ctypes": lambda folder, modules: ctypes_calls(folder),
    "NumPy C API": lambda folder, modules: slot_calls_of(modules["slot_calls"]),
    "Cython": lambda folder, modules: cython_calls(
        modules["buffer_readers"], modules["field_tools"]
    ),
    "cffi": lambda folder, modules: cffi_calls(folder),
    "pybind11": lambda folder, modules: pybind11_calls(modules["vector_tools"]),
    "nanobind": lambda folder, modules: nanobind_calls(modules["nano_tools"]),
    "f2py": lambda folder, modules: f2py_calls(modules["filters"]),
    "SWIG": lambda folder, modules: {"area": lambda x: modules["_areas"].area(x, 2.0)},
}


def _calls_of(binding: str, folder: Path, bindings: dict[str, Any]) -> dict[str, Call]:
    try:
        return CALLS[binding](folder, bindings)
    except KeyError as missing:
        pytest.skip(f"{missing} could not be built here")


@pytest.mark.parametrize("binding", list(CALLS))
def test_arrays_of_every_make(binding: str, folder: Path, bindings: dict[str, ModuleType]) -> None:
    calls = _calls_of(binding, folder, bindings)

    @seed(len(binding))
    @examples(20)
    @given(any_arrays())
    def check(array: Array) -> None:
        with np.errstate(all="ignore"):
            assert_transparent(calls, array, [__file__])

    check()


@pytest.mark.parametrize("binding", list(CALLS))
def test_the_calls_are_watched_while_they_are_compared(
    binding: str, folder: Path, bindings: dict[str, ModuleType]
) -> None:
    calls = _calls_of(binding, folder, bindings)
    array = np.ones(4, np.float32) if binding == "NumPy C API" else np.ones(4)
    trace = assert_transparent(calls, array[::2] if binding != "SWIG" else array, [__file__])
    seen = {call.binding for call in trace.calls}
    assert ("C API" if binding == "NumPy C API" else binding) in seen
    if binding in ("NumPy C API", "pybind11", "nanobind", "f2py"):
        assert trace.copies  # they convert what the others refuse or read in place


def test_a_million_calls_of_bindings_leak_nothing(folder: Path) -> None:
    for name in MODULES:
        if not list(folder.glob(f"{name}.*.so")):
            pytest.skip(f"{name} could not be built here")
    pytest.importorskip("cffi")
    done = subprocess.run(
        [sys.executable, str(SOURCES / "million_calls.py"), "bindings"],
        capture_output=True, text=True, check=False, env=os.environ | {"EXTENSIONS": str(folder)},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("bindings: 1000")


def test_a_call_under_way_outlives_the_recording(
    folder: Path, bindings: dict[str, ModuleType]
) -> None:
    """Each hook is taken away in the middle of its call, and put back for the next."""
    tools: Any = bindings.get("vector_tools") or pytest.skip("needs pybind11")
    recorders: list[Recorder] = []

    def stop(*ignored: object) -> float:
        recorders.pop().stop()
        return 1.0

    class Stopping:
        def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
            stop()
            return np.ones(3)

        def __float__(self) -> float:
            return stop()

    compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(
        lambda one, other: int(stop()) if recorders else 0
    )
    numbers = (ctypes.c_int * 4)(4, 3, 2, 1)
    calls: list[Callable[[], object]] = [
        lambda: tools.apply(stop),
        lambda: tools.sum(Stopping()),
        lambda: ctypes.CDLL(None).qsort(numbers, ctypes.c_size_t(4), ctypes.c_size_t(4), compare),
        lambda: np.asarray(Stopping()),
        lambda: np.concatenate([Stopping(), np.ones(3)]),
        lambda: np.zeros(1).__setitem__(0, Stopping()),
        lambda: np.frompyfunc(stop, 1, 1)(np.ones(1)),
        lambda: np.ones(3) @ Stopping(),
    ]
    for call in calls * 2:
        recorders.append(Recorder(own_paths=[__file__]))
        recorders[0].start()
        with suppress(TypeError):
            call()
        assert recorders == [], "the call did not come back to Python"
