"""Writes into converted copies: real bindings, and what the user's array holds after the call."""

import ctypes
import importlib.util
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from extension_builder import (
    build_c_library,
    build_cython,
    build_f2py,
    build_nanobind,
    build_pybind11,
)
from numpy.typing import NDArray

from interprobe.analysis import analyse
from interprobe.findings import Finding, Severity
from interprobe.recorder import Recorder

DOUBLES = ctypes.POINTER(ctypes.c_double)
COUNT = 100
WATCHED = ("cv2", "nano_scalers", "scale_rows", "scale_views", "scalers")
"""Extension modules that a program would import by a statement of its own."""

Array = NDArray[Any]


def findings(work: Callable[[], object]) -> list[Finding]:
    boundary = [name for name in WATCHED if name in sys.modules]
    recorder = Recorder(own_paths=[__file__], boundary=boundary)
    recorder.start()
    try:
        work()
    finally:
        trace = recorder.stop()
    return [found for found in analyse(trace).findings if found.rule == "IP307"]


def only(found: list[Finding]) -> Finding:
    assert len(found) == 1, found
    return found[0]


def single() -> Array:
    return np.arange(1, COUNT + 1, dtype=np.float32)


def double() -> Array:
    return np.arange(1, COUNT + 1, dtype=np.float64)


def load(module: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(module.name.partition(".")[0], module)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = loaded
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lost_writes")


@pytest.fixture(scope="module")
def scalers(folder: Path) -> ModuleType:
    return load(build_pybind11("scalers", folder))


@pytest.fixture(scope="module")
def nano_scalers(folder: Path) -> ModuleType:
    return load(build_nanobind("nano_scalers", folder))


@pytest.fixture(scope="module")
def scale_rows(folder: Path) -> ModuleType:
    return load(build_f2py("scale_rows", folder))


@pytest.fixture(scope="module")
def scale_views(folder: Path) -> ModuleType:
    return load(build_cython("scale_views", folder))


@pytest.fixture(scope="module")
def library(folder: Path) -> ctypes.CDLL:
    loaded = ctypes.CDLL(str(build_c_library("scale_rows", folder)))
    loaded.scale.argtypes = [DOUBLES, ctypes.c_int, ctypes.c_double]
    loaded.scale.restype = None
    loaded.scale_status.argtypes = [DOUBLES, ctypes.c_int, ctypes.c_double]
    loaded.largest.argtypes = [DOUBLES, ctypes.c_int]
    loaded.largest.restype = ctypes.c_double
    return loaded


def unchanged(array: Array) -> bool:
    return bool(np.array_equal(array, np.arange(1, COUNT + 1)))


# --- bindings that convert -------------------------------------------------------------------


@pytest.mark.parametrize("binding", ["scalers", "nano_scalers", "scale_rows"])
def test_a_binding_converts_and_the_write_is_lost(
    binding: str, request: pytest.FixtureRequest
) -> None:
    module = request.getfixturevalue(binding)
    x = single()
    found = only(findings(lambda: module.scale(x, 2.0)))
    assert unchanged(x)
    assert found.severity is Severity.ERROR
    assert found.subject == "scale"
    assert "`x` is float32 (100,)" in found.cause
    assert "1 became 2" in found.cause
    assert "64 of 64 elements" in found.cause
    assert {index.list for index in found.records} == {"calls", "copies"}
    assert found.fix.code.splitlines() == [
        "converted = np.ascontiguousarray(x, dtype=np.float64)",
        "module.scale(converted, 2.0)",
        "x[...] = converted",
    ]


@pytest.mark.parametrize("binding", ["scalers", "nano_scalers", "scale_rows"])
def test_an_array_that_fits_is_changed_in_place(
    binding: str, request: pytest.FixtureRequest
) -> None:
    module = request.getfixturevalue(binding)
    x = double()
    assert findings(lambda: module.scale(x, 2.0)) == []
    assert x[0] == 2.0


def test_a_slice_is_copied_by_pybind11(scalers: ModuleType) -> None:
    x = np.repeat(double(), 2)
    found = only(findings(lambda: [scalers.scale(x[::2], 2.0) for _ in range(3)]))
    assert unchanged(x[::2])
    assert found.severity is Severity.ERROR
    assert "`x[::2]`" in found.cause
    assert found.evidence.startswith("3 lost copies in 3 calls of scale")


def test_what_the_fix_says_works(scalers: ModuleType) -> None:
    x = single()

    def work() -> None:
        converted = np.ascontiguousarray(x, dtype=np.float64)
        scalers.scale(converted, 2.0)
        x[...] = converted

    assert findings(work) == []
    assert x[0] == 2.0


def test_scratch_space_of_a_function_that_returns_something(scalers: ModuleType) -> None:
    x = single()[::-1].copy()
    assert findings(lambda: scalers.median(x)) == []
    assert findings(lambda: scalers.scaled(x, 2.0)) == []


def test_scratch_space_of_a_function_that_changes_another_argument(scalers: ModuleType) -> None:
    x, total = single(), double()
    assert findings(lambda: scalers.add(x, total)) == []
    assert total[0] == 3.0


def test_values_that_only_the_call_holds_cannot_be_missed(scalers: ModuleType) -> None:
    assert findings(lambda: scalers.scale(single(), 2.0)) == []


def test_noconvert_refuses(scalers: ModuleType, nano_scalers: ModuleType) -> None:
    for module in (scalers, nano_scalers):
        with pytest.raises(TypeError):
            findings(lambda module=module: module.scale_exact(single(), 2.0))  # type: ignore[misc]


def test_f2py_intents_that_keep_what_is_written(scale_rows: ModuleType) -> None:
    x = single()
    with pytest.raises(ValueError, match="intent"):
        findings(lambda: scale_rows.scale_inout(x, 2.0))
    assert findings(lambda: scale_rows.scale_inplace(x, 2.0)) == []
    assert x[0] == 2.0
    y = single()
    results = []
    assert findings(lambda: results.append(scale_rows.scale_copy(y, 2.0))) == []
    assert results[0][0] == 2.0


# --- conversions in the call or before it ----------------------------------------------------


def test_conversion_in_a_cython_call(scale_views: ModuleType) -> None:
    x = single()
    found = only(findings(lambda: scale_views.scale(np.asarray(x, np.float64), 2.0)))
    assert unchanged(x)
    assert found.severity is Severity.ERROR
    assert "np.asarray made a copy of it as float64 for the call" in found.cause
    assert found.fix.code.splitlines()[1:] == [
        "scale_views.scale(converted, 2.0)",
        "x[...] = converted",
    ]


def test_conversion_that_always_copies_may_be_on_purpose(scale_views: ModuleType) -> None:
    x = single()
    found = only(findings(lambda: scale_views.scale(x.astype(np.float64), 2.0)))
    assert unchanged(x)
    assert found.severity is Severity.WARNING


def test_a_copy_by_name_is_on_purpose(scale_views: ModuleType) -> None:
    x = double()
    assert findings(lambda: scale_views.scale(x.copy(), 2.0)) == []


def test_conversions_inside_cython_code(scale_views: ModuleType) -> None:
    x = single()
    found = only(findings(lambda: scale_views.scale_converted(x, 2.0)))
    assert unchanged(x)
    assert found.severity is Severity.WARNING
    model = scale_views.Model()
    assert findings(lambda: scale_views.median(x)) == []
    assert findings(lambda: scale_views.scaled(x, 2.0)) == []
    assert findings(lambda: model.fit(x)) == []
    assert findings(lambda: scale_views.scale_written_back(x, 2.0)) == []
    assert x[0] == 2.0


def test_conversion_in_a_ctypes_call(library: ctypes.CDLL) -> None:
    x = single()
    found = only(
        findings(
            lambda: library.scale(np.ascontiguousarray(x, float).ctypes.data_as(DOUBLES), COUNT, 2)
        )
    )
    assert unchanged(x)
    assert found.severity is Severity.ERROR
    assert "library.scale(converted.ctypes.data_as(DOUBLES), COUNT, 2)" in found.fix.code


def test_conversion_in_a_cffi_call(folder: Path) -> None:
    cffi = pytest.importorskip("cffi")
    ffi = cffi.FFI()
    ffi.cdef("void scale(double *values, int n, double factor);")
    library = ffi.dlopen(str(build_c_library("scale_rows", folder)))
    x = single()

    def work() -> None:
        library.scale(ffi.from_buffer("double[]", np.asarray(x, np.float64)), COUNT, 2.0)

    assert only(findings(work)).severity is Severity.ERROR
    assert unchanged(x)


def scale_and_forget(library: ctypes.CDLL, x: Array) -> None:
    x = np.ascontiguousarray(x, dtype=np.float64)
    library.scale(x.ctypes.data_as(DOUBLES), x.size, 2.0)


def scale_and_check(library: ctypes.CDLL, x: Array) -> None:
    x = np.ascontiguousarray(x, dtype=np.float64)
    status = library.scale_status(x.ctypes.data_as(DOUBLES), x.size, 2.0)
    if status != 0:
        raise RuntimeError(f"status {status}")


def scale_and_return(library: ctypes.CDLL, x: Array) -> Array:
    x = np.ascontiguousarray(x, dtype=np.float64)
    library.scale(x.ctypes.data_as(DOUBLES), x.size, 2.0)
    return x


def scale_and_write_back(library: ctypes.CDLL, x: Array) -> None:
    y = np.ascontiguousarray(x, dtype=np.float64)
    library.scale(y.ctypes.data_as(DOUBLES), y.size, 2.0)
    x[...] = y


def scale_and_sum(library: ctypes.CDLL, x: Array) -> float:
    y = np.ascontiguousarray(x, dtype=np.float64)
    library.scale(y.ctypes.data_as(DOUBLES), y.size, 2.0)
    return float(y.sum())


def prepare_and_scale(library: ctypes.CDLL, x: Array) -> None:
    y = np.ascontiguousarray(x, dtype=np.float64)
    y *= 3
    library.largest(y.ctypes.data_as(DOUBLES), y.size)


@pytest.mark.parametrize("wrapper", [scale_and_forget, scale_and_check])
def test_a_wrapper_returns_without_the_copy(
    library: ctypes.CDLL, wrapper: Callable[[ctypes.CDLL, Array], None]
) -> None:
    x = single()
    found = only(findings(lambda: wrapper(library, x)))
    assert unchanged(x)
    assert found.severity is Severity.ERROR
    assert found.user_site.function == wrapper.__name__


@pytest.mark.parametrize(
    "wrapper", [scale_and_return, scale_and_write_back, scale_and_sum, prepare_and_scale]
)
def test_a_wrapper_uses_the_copy(
    library: ctypes.CDLL, wrapper: Callable[[ctypes.CDLL, Array], object]
) -> None:
    x = single()
    assert findings(lambda: [wrapper(library, x) for _ in range(3)]) == []


def test_scratch_space_of_a_foreign_function(library: ctypes.CDLL) -> None:
    x = single()[::-1].copy()
    x[0] = 1.0

    def work() -> None:
        assert library.largest(np.asarray(x, np.float64).ctypes.data_as(DOUBLES), COUNT) == 99

    assert findings(work) == []


def test_copies_that_are_kept_are_not_lost(scale_views: ModuleType) -> None:
    x = single()
    kept: list[Array] = []

    def convert() -> Array:
        kept.append(np.asarray(x, np.float64))
        return kept[-1]

    def work() -> None:
        for _ in range(100):
            scale_views.scale(convert(), 2.0)
            if len(kept) > 5:
                del kept[0]

    assert findings(work) == []


def test_calls_of_several_threads_are_told_apart(scalers: ModuleType) -> None:
    right, wrong = [double() for _ in range(4)], [single() for _ in range(4)]

    def work(x: Array) -> None:
        for _ in range(500):
            scalers.scale(x, 1.0)
            scalers.scale(x, -1.0)

    def all_threads() -> None:
        threads = [threading.Thread(target=work, args=(x,)) for x in (*right, *wrong)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    found = findings(all_threads)
    assert all(unchanged(x) for x in (*right, *wrong))
    assert [item.severity for item in found] == [Severity.ERROR]
    assert "1 became -1" in found[0].cause


# --- what the call's own words say ------------------------------------------------------------


def test_opencv_ignores_an_output_of_another_type() -> None:
    cv2 = pytest.importorskip("cv2")
    image = np.random.default_rng(0).random((50, 60), dtype=np.float32)
    ignored, filled, used = np.zeros((50, 60)), np.zeros_like(image), np.zeros((50, 60))
    found = only(findings(lambda: blur_into(cv2, image, ignored)))
    assert not ignored.any()
    assert found.severity is Severity.ERROR
    assert "`dst=target`" in found.cause
    assert "It holds 0 instead of 0." in found.cause
    assert findings(lambda: blur_into(cv2, image, filled)) == []
    assert filled.all()
    results = []
    assert findings(lambda: results.append(cv2.blur(image, (5, 5), dst=used))) == []


def blur_into(cv2: ModuleType, image: Array, target: Array) -> None:
    cv2.blur(image, (5, 5), dst=target)


def test_pyproj_works_in_place_on_what_fits() -> None:
    pyproj = pytest.importorskip("pyproj")
    transformer = pyproj.Transformer.from_crs(4326, 3857, always_xy=True)
    degrees = np.linspace(5, 10, 30)

    def work(x: Array, y: Array) -> None:
        transformer.transform(x, y, inplace=True)

    x, y = degrees.astype(np.float32), degrees.astype(np.float32)
    found = only(findings(lambda: work(x, y)))
    assert x[0] == y[0] == 5.0
    assert found.severity is Severity.ERROR
    assert "`inplace=True`" in found.cause
    x, y = degrees.copy(), degrees.copy()
    assert findings(lambda: work(x, y)) == []
    assert x[0] > 500_000
    x, y = degrees.astype(np.float32), degrees.astype(np.float32)
    results = []
    assert findings(lambda: results.append(transformer.transform(x, y, inplace=True))) == []


def test_permission_to_overwrite_spares_no_copy_of_what_does_not_fit() -> None:
    linalg = pytest.importorskip("scipy.linalg")
    matrix = np.random.default_rng(1).random((40, 40)) + 40 * np.eye(40)
    right = np.ones(40)
    before = matrix.copy()

    def work(a: Array) -> None:
        linalg.solve(a, right, overwrite_a=True)

    found = findings(lambda: work(matrix))
    assert np.array_equal(matrix, before)
    assert [item.severity for item in found] in ([], [Severity.NOTE])
    assert findings(lambda: linalg.solve(matrix, right)) == []
    assert findings(lambda: work(np.asfortranarray(matrix))) == []
