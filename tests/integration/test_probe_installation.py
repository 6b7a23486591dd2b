"""Every patched pointer is put back; trampolines that others kept stay valid and inert."""

import ctypes
import importlib.util
import sys
import threading
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from extension_builder import build_pybind11

from interprobe import native, probes
from interprobe.recorder import Recorder
from interprobe.trace import Trace


def slots() -> dict[tuple[str, str], int]:
    return {(probe, slot): value for probe, slot, value in native.patched_slots()}


def record(function: object) -> Trace:
    assert callable(function)
    recorder = Recorder(own_paths=[__file__])
    recorder.start()
    try:
        function()
    finally:
        trace = recorder.stop()
    return trace


def test_install_changes_every_slot_and_uninstall_restores_it() -> None:
    ctypes.CDLL(None)
    before = slots()
    assert probes.acquire() == []
    during = slots()
    probes.release()
    after = slots()
    shared = before.keys() & during.keys() & after.keys()
    assert {probe for probe, _ in shared} == {
        "allocations",
        "borrows",
        "child-environments",
        "conversions",
        "ctypes",
        "extension-calls",
        "numpy-c-api",
        "transfers",
    }
    untouched = {key for key in shared if during[key] == before[key]}
    # Python's own C API is no foreign code: ctypes' helper types are left alone.
    assert {probe for probe, _ in untouched} <= {"ctypes"}
    assert {key: after[key] for key in shared} == {key: before[key] for key in shared}


def test_a_library_loaded_while_recording_is_restored_too() -> None:
    before = slots()[("ctypes", "CFuncPtr.tp_call")]
    libraries: list[ctypes.CDLL] = []
    trace = record(lambda: libraries.append(ctypes.CDLL(None)) or libraries[0].abs(-3))
    assert [call.function for call in trace.calls] == ["abs"]
    assert all(value == before for key, value in slots().items() if key[0] == "ctypes")


def test_recordings_nest_and_each_has_its_own_trace() -> None:
    x = np.ones((4, 6))
    outer = Recorder(own_paths=[__file__])
    outer.start()
    np.asfortranarray(x)
    inner = Recorder(own_paths=[__file__])
    inner.start()
    np.asfortranarray(x)
    within = inner.stop()
    np.asfortranarray(x)
    around = outer.stop()
    assert within.copy_count == 1
    assert around.copy_count == 3
    assert probes.in_use() == 0


def test_a_pause_is_not_recorded() -> None:
    x = np.ones((4, 6))
    recorder = Recorder(own_paths=[__file__])
    recorder.start()
    recorder.pause()
    np.asfortranarray(x)
    recorder.resume()
    kept = np.asfortranarray(x)
    snapshot = recorder.snapshot()
    trace = recorder.stop()
    assert kept.flags.f_contiguous
    assert snapshot.copy_count == trace.copy_count == 1
    assert not snapshot.meta.complete
    assert trace.meta.complete


def test_blocks_freed_during_a_pause_leave_the_books() -> None:
    recorder = Recorder(own_paths=[__file__])
    recorder.start()
    for _ in range(50):
        block = np.empty(1 << 20, np.uint8)
        recorder.pause()
        del block
        recorder.resume()
    trace = recorder.stop()
    assert trace.memory.allocations == 50
    assert trace.memory.numpy_peak_bytes == 1 << 20


def test_a_recorder_starts_once() -> None:
    recorder = Recorder()
    recorder.start()
    with pytest.raises(RuntimeError, match="started before"):
        recorder.start()
    recorder.stop()
    with pytest.raises(RuntimeError, match="not recording"):
        recorder.stop()


def test_threads_are_seen_and_counted_exactly() -> None:
    x = np.ones((16, 16), dtype=np.float32)

    def work() -> None:
        for _ in range(500):
            np.ascontiguousarray(x.T, dtype=np.float64)

    def run() -> None:
        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    trace = record(run)
    assert [(copy.count, copy.bytes) for copy in trace.copies] == [(4000, 4000 * 16 * 16 * 8)]
    assert trace.memory.allocations == 4000
    assert trace.memory.allocated_bytes == 4000 * 16 * 16 * 8


def test_the_peak_of_array_data_is_exact_and_on_its_line() -> None:
    def run() -> None:
        small = np.empty(1000, np.uint8)
        large = np.empty(700_000, np.uint8)
        del large
        last = np.empty(500, np.uint8)
        del small, last

    trace = record(run)
    assert trace.memory.numpy_peak_bytes == 701_000
    assert trace.memory.numpy_peak_site is not None
    assert trace.memory.numpy_peak_site.expression == "np.empty(700_000, np.uint8)"


def test_frames_agree_with_the_interpreter() -> None:
    def here() -> tuple[object, ...]:
        found = native.current_position()[0]
        assert found is not None
        return (found[0], found[1], sys._getframe().f_lineno, found[2])

    native.set_ownership([], [], [])
    file, function, actual, line = here()
    assert file == __file__
    assert str(function).endswith("here")
    assert line == int(str(actual)) - 2


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.name.partition(".")[0], path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_pointers_that_pybind11_kept_stay_valid_and_inert(tmp_path: Path) -> None:
    module = load(build_pybind11("image_filter", tmp_path))
    image = np.ones((8, 8), np.float32)
    # First use under the probes: pybind11 keeps the trampolines for good.
    first = record(lambda: module.brightness(image))
    assert [copy.mechanism for copy in first.copies] == ["PyArray_FromAny"]
    assert native.installed() == []
    references = sys.getrefcount(image)
    for _ in range(1000):
        assert module.brightness(image) == 1.0
    assert sys.getrefcount(image) == references
    again = record(lambda: module.brightness(image))
    assert again.copy_count == 1


def test_a_pybind11_module_that_was_there_before_is_named(tmp_path: Path) -> None:
    module = load(build_pybind11("image_filter", tmp_path))
    sys.modules["image_filter"] = module
    try:
        trace = record(lambda: None)
    finally:
        del sys.modules["image_filter"]
    assert any("image_filter" in sentence for sentence in trace.meta.blind_spots)
