"""Casts at the boundary that change values: real bindings, and the number that the callee got."""

import ctypes
import importlib.util
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from extension_builder import build_c_library, build_cython, build_f2py, build_pybind11
from numpy.typing import NDArray

from interprobe.analysis import analyse
from interprobe.findings import Finding, Severity
from interprobe.recorder import Recorder

Array = NDArray[Any]


def findings(work: Callable[[], object]) -> list[Finding]:
    recorder = Recorder(own_paths=[__file__])
    recorder.start()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            work()
    finally:
        trace = recorder.stop()
    return [found for found in analyse(trace).findings if found.rule == "IP311"]


def only(found: list[Finding]) -> Finding:
    assert len(found) == 1, found
    return found[0]


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
    return tmp_path_factory.mktemp("lossy_casts")


@pytest.fixture(scope="module")
def scalers(folder: Path) -> ModuleType:
    return load(build_pybind11("scalers", folder))


@pytest.fixture(scope="module")
def scale_views(folder: Path) -> ModuleType:
    return load(build_cython("scale_views", folder))


@pytest.mark.parametrize(
    ("function", "values", "severity", "text"),
    [
        ("first_index", np.array([2**32 + 5, 1]), "error", "4294967301 became 5"),
        ("first_index", np.array([1.75, 1]), "warning", "1.75 became 1"),
        ("first_index", np.array([2**32 - 1], np.uint32), "warning", "4294967295 became -1"),
        ("first_double", np.array([1.5 + 2j, 1]), "error", "1.5+2j became 1.5"),
        ("first_single", np.array([1e300, 1]), "error", "1e+300 became inf"),
        ("first_single", np.array([2**24 + 1, 1]), "warning", "16777217 became 16777216"),
        ("first_double", np.array([2**53 + 1]), "warning", "9007199254740993 became 90071992"),
        ("first_single", np.array([1e-60]), "note", "1e-60 became 0"),
        ("first_single", np.array([0.1]), "note", "0.1 became 0.100000001"),
    ],
)
def test_a_binding_casts_and_the_callee_gets_another_number(
    scalers: ModuleType, function: str, values: Array, severity: str, text: str
) -> None:
    results = []
    found = only(findings(lambda: results.append(getattr(scalers, function)(values))))
    assert results[0] != values[0].item()
    assert found.severity == severity
    assert f"1 of the {values.size} values looked at" in found.cause
    assert text in found.cause


@pytest.mark.parametrize(
    ("function", "values"),
    [
        ("first_index", np.array([2**31 - 1, -(2**31), 0])),
        ("first_index", np.array([1.0, -7.0])),
        ("first_double", np.array([1 + 0j, -2.5 + 0j])),
        ("first_double", np.array([2**53, 1])),
        ("first_single", np.array([2**24, -(2**24)])),
        ("first_single", np.array([0.5, np.nan, np.inf, -0.0])),
        ("first_double", np.array([0.1, 1e30], np.float32)),
        ("first_double", np.array([True, False])),
        ("first_single", np.arange(1000, dtype=">i8")),
    ],
)
def test_numbers_that_survive_are_no_finding(
    scalers: ModuleType, function: str, values: Array
) -> None:
    assert findings(lambda: getattr(scalers, function)(values)) == []


def test_a_cast_that_the_program_writes_is_a_decision(scalers: ModuleType) -> None:
    x = np.array([2**32 + 5, 1])

    def work() -> None:
        scalers.first_index(x.astype(np.int32))
        scalers.first_index(np.asarray(x, dtype=np.int32))
        scalers.first_index(np.require(x, np.int32))
        y = np.empty(2, np.int32)
        y[...] = x
        np.copyto(y, x, casting="unsafe")

    assert findings(work) == []


def test_big_endian_and_strided_arrays_are_read_as_they_are(scalers: ModuleType) -> None:
    x = np.array([[2**32 + 5, 0], [1, 0]], ">i8")[:, 0]
    found = only(findings(lambda: scalers.first_index(x)))
    assert "1 of the 2 values" in found.cause
    assert "4294967301 became 5" in found.cause


def test_large_arrays_are_sampled_to_their_end(scalers: ModuleType) -> None:
    x = np.zeros(100_000, np.int64)
    x[-1] = 2**40
    found = only(findings(lambda: scalers.first_index(x)))
    assert "1 of the 64 values looked at" in found.cause
    assert "1099511627776 became 0" in found.cause


def test_compiled_code_converts_what_the_user_holds(scale_views: ModuleType) -> None:
    x = np.array([2**32 + 5, 1])
    results = []
    found = only(findings(lambda: results.append(scale_views.first_index(x))))
    assert results == [5]
    assert found.severity is Severity.WARNING


def test_what_a_library_makes_of_its_own_arrays_is_its_affair(tmp_path: Path) -> None:
    folder = tmp_path / "site-packages"
    folder.mkdir()
    (folder / "shades.py").write_text(
        "import numpy as np\n"
        "def to_bytes(values):\n"
        "    scaled = values * 255\n"
        "    return scaled.astype(np.uint8)\n"
        "def to_integers(values):\n"
        "    return np.asarray(values, dtype=np.int32)\n"
    )
    shades = load(folder / "shades.py")
    x = np.array([0.3, 0.7])
    assert findings(lambda: shades.to_bytes(x)) == []
    found = only(findings(lambda: shades.to_integers(x)))
    assert found.severity is Severity.WARNING
    assert "0.3 became 0" in found.cause


def test_what_is_written_back_can_lose_as_well(folder: Path) -> None:
    scale_rows = load(build_f2py("scale_rows", folder))
    x = np.ones(3, np.float32)
    found = findings(lambda: scale_rows.scale_inplace(x, 1e300))
    if x.dtype == np.float64:  # NumPy before 2.5 gives the array itself another type
        assert np.array_equal(x, [1e300] * 3)
        assert found == []
        return
    assert np.isinf(x).all()
    assert only(found).severity is Severity.ERROR
    assert "3 of the 3 values looked at became infinite" in found[0].cause
    assert "1e+300 became inf" in found[0].cause


class Converting:
    """A ctypes parameter that takes any array and hands on a pointer to float64."""

    @classmethod
    def from_param(cls, values: Array) -> Any:
        points = np.ascontiguousarray(values, dtype=np.float64)
        return points.ctypes.data_as(ctypes.POINTER(ctypes.c_double))


def test_a_converting_parameter_hides_what_c_gets(folder: Path) -> None:
    library = ctypes.CDLL(str(build_c_library("scale_rows", folder)))
    parameter: Any
    for parameter, known in (
        (Converting, False),
        (np.ctypeslib.ndpointer(np.float64, flags="C_CONTIGUOUS"), True),
    ):
        largest = library["largest"]
        largest.argtypes = [parameter, ctypes.c_int]
        largest.restype = ctypes.c_double
        values = np.arange(5.0) if known else np.arange(10, dtype=np.float32)[::2]
        recorder = Recorder(own_paths=[__file__])
        recorder.start()
        try:
            result = largest(values, 5)
        finally:
            trace = recorder.stop()
        assert result == values[-1]
        (call,) = trace.calls
        assert ("converted-before" in {fact.kind for fact in call.facts}) is not known
        wrong = {found.rule for found in analyse(trace).findings if found.severity == "error"}
        assert wrong == set()
