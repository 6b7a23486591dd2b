"""What findings of real programs say that their fixes gain."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from types import ModuleType

import numpy as np
import pytest
from extension_builder import build_pybind11

from interprobe.analysis import analyse
from interprobe.findings import Finding, Saving
from interprobe.recorder import Recorder
from interprobe.what_if import WhatIf

NAME = "repeated_sums"
COLUMNS = np.arange(160_000.0).reshape(20_000, 8)[:, ::4]
"""Two numbers out of each cache line, so that the conversion reads four times what it writes."""


@pytest.fixture(scope="module")
def sums(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    module = build_pybind11(NAME, tmp_path_factory.mktemp("savings"))
    spec = importlib.util.spec_from_file_location(NAME, module)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = loaded
    spec.loader.exec_module(loaded)
    yield loaded
    del sys.modules[NAME]


def finding(work: Callable[[], object], what_if: WhatIf = "all") -> tuple[Finding, Saving]:
    """What is said of views with gaps, in a program that does nothing else."""
    recorder = Recorder(own_paths=[__file__], boundary=[NAME], what_if=what_if)
    recorder.start()
    try:
        for _ in range(8):
            work()
    finally:
        trace = recorder.stop()
    (found,) = [each for each in analyse(trace).findings if each.rule == "IP101"]
    assert found.saving is not None
    return found, found.saving


@pytest.mark.parametrize(
    "passed",
    [lambda: COLUMNS, lambda: np.ascontiguousarray(COLUMNS)],
    ids=["converted inside the call", "converted before the call"],
)
def test_a_fix_gains_what_the_call_takes_without_the_conversion(
    sums: ModuleType, passed: Callable[[], object]
) -> None:
    light = finding(lambda: sums.total(passed(), 1))
    heavy = finding(lambda: sums.total(passed(), 200))
    for _, saving in (light, heavy):
        assert saving.method == "measured"
        assert saving.low is not None
        assert saving.speedup is not None
        assert saving.high is not None
        assert saving.low <= saving.speedup <= saving.high
        assert saving.seconds is not None
        assert saving.program_seconds is not None
        assert saving.seconds < saving.program_seconds
    # The conversion is most of the one and next to nothing of the other.
    assert light[1].speedup is not None
    assert heavy[1].speedup is not None
    assert light[1].speedup > heavy[1].speedup


def test_what_is_not_repeated_is_estimated_from_the_copies(sums: ModuleType) -> None:
    for work, reason in (
        (lambda: sums.total(COLUMNS, 1), "the call was not repeated"),
        (lambda: sums.total(np.ascontiguousarray(COLUMNS), 1), "the copy is made before the call"),
    ):
        found, saving = finding(work, "off")
        assert (saving.method, saving.reason) == ("estimated", reason)
        assert saving.seconds == pytest.approx(found.cost.seconds)
        assert saving.speedup is not None
        assert saving.speedup > 1
