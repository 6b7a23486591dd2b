"""Calls into extension modules of every kind: counted exactly, no different for being watched."""

import gc
import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from extension_builder import (
    SOURCES,
    build_c_module,
    build_cffi,
    build_cython,
    build_f2py,
    build_nanobind,
    build_pybind11,
    build_swig,
)

from interprobe import native
from interprobe.probes import extension_calls
from interprobe.recorder import Recorder
from interprobe.trace import Trace

PROGRAM = SOURCES / "extension_program.py"
F8 = 8

BUILDERS: dict[str, Callable[[Path], Path]] = {
    "plain": lambda folder: build_c_module("plain_calls", folder),
    "cython": lambda folder: build_cython("field_tools", folder),
    "pybind11": lambda folder: build_pybind11("vector_tools", folder),
    "nanobind": lambda folder: build_nanobind("nano_tools", folder),
    "f2py": lambda folder: build_f2py("filters", folder),
    "swig": lambda folder: build_swig("areas", folder),
    "cffi": build_cffi,
}

# function -> calls that reach its C code, of the program's function of that kind
COUNTS: dict[str, tuple[str, dict[str, int]]] = {
    "plain": (
        "C API",
        {
            "nothing": 7, "same": 8, "alias": 7, "packed": 5, "named": 10, "fast": 5,
            "fast_named": 10, "call_back": 3, "Counter.nothing": 3, "Counter.fast_named": 3,
            "Counter.defined_in": 3, "Counter.of_class": 3, "Counter.of_none": 3,
        },
    ),
    "cython": (
        "Cython",
        {"total": 13, "fail": 1, "unbound": 4, "outer": 4, "Field.scaled": 4, "Field.unit": 4},
    ),
    "pybind11": (
        "pybind11",
        {
            "sum": 9, "fail": 1, "apply": 4, "twice": 8, "Box.__init__": 4, "Box.scaled": 4,
            "Box.unit": 4,
        },
    ),
    "nanobind": ("nanobind", {"sum": 9, "fail": 1, "Box.__init__": 4, "Box.scaled": 4}),
    "f2py": ("f2py", {"total": 9, "doubled": 4}),
    "swig": ("SWIG", {"area": 5}),
    "cffi": ("cffi", {"kernel_sum": 5, "kernel_half": 2}),
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("extensions")


@pytest.fixture(scope="module", params=list(BUILDERS))
def kind(request: pytest.FixtureRequest, folder: Path) -> str:
    BUILDERS[request.param](folder)
    return str(request.param)


def run(folder: Path, kind: str, *words: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"EXTENSIONS": str(folder), "KINDS": kind}
    command = [sys.executable, *words, str(PROGRAM)]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def pair(folder: Path, kind: str) -> tuple[str, Any]:
    """The kind and its trace, once the output was found to be that of the plain run."""
    plain = run(folder, kind)
    assert plain.returncode == 0, plain.stderr
    path = folder / f"{kind}.json"
    options = ("--json", str(path), "-o", str(folder / "report.txt"))
    probed = run(folder, kind, "-m", "interprobe", "run", *options)
    assert (probed.returncode, probed.stdout, probed.stderr) == (0, plain.stdout, plain.stderr)
    return kind, json.loads(path.read_text())


def test_every_call_is_counted_and_nothing_looks_different(pair: tuple[str, Any]) -> None:
    kind, trace = pair
    binding, expected = COUNTS[kind]
    found: Counter[str] = Counter()
    for call in trace["calls"]:
        if "libm" not in call["library"]:
            found[call["function"]] += call["count"]
            assert call["binding"] == binding
            assert call["user_site"]["file"] == str(PROGRAM)
    assert dict(found) == expected


def test_arguments_show_the_arrays_and_copies_belong_to_their_call(pair: tuple[str, Any]) -> None:
    kind, trace = pair
    converted = {"pybind11": "sum", "f2py": "total"}
    for call in trace["calls"]:
        given = [argument["given"] for argument in call["arguments"]]
        dtypes = [layout["dtype"] for layout in given if layout is not None]
        assert call["bytes_borrowed"] == call["count"] * sum(
            layout["nbytes"] for layout in given if layout is not None
        )
        if converted.get(kind) == call["function"] and dtypes == ["float32"]:
            assert call["bytes_copied"] == call["count"] * 6 * F8
        else:
            assert call["bytes_copied"] == 0
    if kind in converted:
        copies = [copy for copy in trace["copies"] if copy["native"] is not None]
        assert sum(copy["bytes"] for copy in copies) == 4 * 6 * F8
        assert all(copy["unmet"] == ["dtype"] for copy in copies)


def test_nested_calls_leave_the_outer_one_its_own_time(pair: tuple[str, Any]) -> None:
    kind, trace = pair
    outer = {"plain": "call_back", "pybind11": "apply", "cython": "outer"}.get(kind)
    if outer is None:
        pytest.skip("calls nothing back")
    calls = [call for call in trace["calls"] if call["function"] == outer]
    assert any(call["seconds_self"] < call["seconds"] for call in calls)
    inner = sum(call["seconds"] for call in trace["calls"] if call["function"] != outer)
    assert all(0 <= call["seconds_self"] <= call["seconds"] for call in trace["calls"])
    assert inner > 0


def test_calls_through_cffi_pointers_are_named_by_their_library(pair: tuple[str, Any]) -> None:
    kind, trace = pair
    if kind != "cffi":
        pytest.skip("of cffi alone")
    pointers = [call for call in trace["calls"] if "libm" in call["library"]]
    assert {call["binding"] for call in pointers} == {"cffi"}
    assert sum(call["count"] for call in pointers) == 3 + 1 + 1  # the last one fails inside


@pytest.fixture
def plain_calls(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    build_c_module("plain_calls", folder)
    monkeypatch.syspath_prepend(str(folder))
    import plain_calls

    yield plain_calls
    del sys.modules["plain_calls"]


def record(function: Callable[[], object]) -> Trace:
    recorder = Recorder(own_paths=[__file__])
    recorder.start()
    try:
        function()
    finally:
        trace = recorder.stop()
    return trace


def own_slots() -> dict[str, int]:
    return {slot: value for probe, slot, value in native.patched_slots()
            if probe == "extension-calls"}  # fmt: skip


def test_slots_are_restored(plain_calls: ModuleType) -> None:
    before = own_slots()
    recorder = Recorder(own_paths=[__file__])
    recorder.start()
    import plain_calls as again

    during = own_slots()
    recorder.stop()
    after = own_slots()
    assert "Counter.defined_in" in during.keys() - before.keys()
    assert {key: value for key, value in during.items() if before.get(key) == value} == {}
    # Types met meanwhile stay listed: their slots hold their own functions again.
    assert {key: after[key] for key in before} == before
    assert all(after[key] != during[key] for key in after.keys() & during.keys())
    assert again.same(1) == 1


def test_a_module_is_watched_from_its_import_on(plain_calls: ModuleType) -> None:
    del sys.modules["plain_calls"]

    def calls() -> None:
        from plain_calls import fast

        for _ in range(3):
            fast(1)

    assert [(call.function, call.count) for call in record(calls).calls] == [("fast", 3)]


def test_a_package_is_left_alone(plain_calls: ModuleType) -> None:
    def calls() -> None:
        import plain_calls

        plain_calls.fast(1)

    extension_calls.configure([], ["plain_calls"])
    try:
        assert record(calls).calls == []
    finally:
        extension_calls.configure([], [])
    assert [call.function for call in record(calls).calls] == ["fast"]


def test_numpy_is_watched_only_inside_the_boundary() -> None:
    random = np.random.default_rng(1)

    def calls() -> None:
        import numpy.random  # noqa: F401

        random.random(3)

    assert record(calls).calls == []
    extension_calls.configure(["numpy.random"], [])
    try:
        seen = record(calls).calls
    finally:
        extension_calls.configure([], [])
    assert [(call.function, call.count) for call in seen] == [("Generator.random", 1)]


def test_functions_keep_hash_and_equality(plain_calls: ModuleType) -> None:
    known = {plain_calls.same: 1, np.asarray: 2, __import__: 3}
    hashes = [hash(function) for function in known]

    def look() -> None:
        import plain_calls

        functions = (plain_calls.same, np.asarray, __import__)
        assert [known[function] for function in functions] == [1, 2, 3]
        assert [hash(function) for function in known] == hashes
        assert plain_calls.same == plain_calls.alias != plain_calls.fast
        known[plain_calls.fast] = 4

    record(look)
    assert known[plain_calls.fast] == 4


def test_a_call_may_outlive_the_recording(plain_calls: ModuleType) -> None:
    recorder = Recorder(own_paths=[__file__])
    recorder.start()
    import plain_calls as watched

    trace = watched.call_back(recorder.stop)
    assert native.installed() == []
    assert watched.same(3) == 3
    assert trace.meta.complete


def test_functions_die_as_before(plain_calls: ModuleType) -> None:
    import plain_calls as watched

    references = sys.getrefcount(watched.same)
    argument = np.ones(3)
    given = sys.getrefcount(argument)
    for _ in range(3):
        record(lambda: [watched.same(argument) for _ in range(1000)])
    gc.collect()
    after = (sys.getrefcount(watched.same), sys.getrefcount(argument))
    assert after == (references, given)


def test_threads_are_counted_exactly(plain_calls: ModuleType) -> None:
    def work() -> None:
        for _ in range(500):
            plain_calls.fast(1)

    def calls() -> None:
        import plain_calls  # noqa: F401

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    counts = [call.count for call in record(calls).calls if call.function == "fast"]
    assert counts == [4000]


def test_functions_behind_the_proxies_of_swig_are_watched(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Programs import areas, which lies among the installed packages; _areas is its own affair."""
    packages = folder / "site-packages"
    packages.mkdir()
    build_swig("areas", packages)
    monkeypatch.syspath_prepend(str(packages))

    def look() -> None:
        import areas

        assert areas.area(2.0, 3.0) == 6.0

    seen = [(call.binding, call.function, call.count) for call in record(look).calls]
    assert seen == [("SWIG", "area", 1)]
