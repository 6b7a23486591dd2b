"""Every scenario yields the findings it declares, its cure none, and both the same numbers."""

from __future__ import annotations

import importlib
import os
import pkgutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from interprobe import scenarios
from interprobe.analysis import analyse, rules
from interprobe.recorder import Recorder
from interprobe.trace import Trace, load

SIZE = 4
"""MiB: large against every fixed cost, small enough to run all scenarios often."""

NAMES = sorted(module.name for module in pkgutil.iter_modules(scenarios.__path__))


@pytest.fixture(params=NAMES)
def scenario(request: pytest.FixtureRequest) -> ModuleType:
    return importlib.import_module(f"interprobe.scenarios.{request.param}")


def record(
    scenario: ModuleType, side: Callable[[Any], tuple[float, ...]], data: object
) -> tuple[Trace, tuple[float, ...]]:
    """Run one side under a recorder of its own: its analysed trace, and its numbers."""
    recorder = Recorder([scenario.__name__], own_paths=[source_of(scenario)])
    recorder.start()
    try:
        numbers = side(data)
    finally:
        trace = recorder.stop()
    return analyse(trace), numbers


FRESH_PROCESS = """
import importlib, sys
from pathlib import Path
from test_scenarios import SIZE, record

scenario = importlib.import_module(sys.argv[1])
trace, _ = record(scenario, scenario.bad, scenario.prepare(SIZE))
trace.save(sys.argv[2])
"""


def trace_of_bad(scenario: ModuleType, folder: Path) -> Trace:
    """What the bad side leaves; where the memory of the whole process counts, in a fresh one."""
    if "IP602" not in scenario.EXPECTED:
        # What a layout costs hangs on the caches: little is certain of data that they hold.
        by_caches = any(code.startswith("IP2") for code in scenario.EXPECTED)
        return record(
            scenario, scenario.bad, scenario.prepare(scenario.SIZE if by_caches else SIZE)
        )[0]
    target = folder / "trace.json"
    subprocess.run(
        [sys.executable, "-c", FRESH_PROCESS, scenario.__name__, str(target)],
        cwd=Path(__file__).parent,
        check=True,
    )
    return load(target)


def source_of(scenario: ModuleType) -> str:
    assert scenario.__file__ is not None
    return os.path.realpath(scenario.__file__)


def findings_of(trace: Trace) -> list[str]:
    """One line for each finding, so that a failing test says what was found and where."""
    return [
        f"{found.rule} {found.user_site.file}:{found.user_site.line} {found.cause}"
        for found in trace.findings
    ]


def test_there_are_scenarios() -> None:
    assert NAMES


def test_a_scenario_follows_the_protocol(scenario: ModuleType) -> None:
    assert scenario.TITLE
    assert "\n" not in scenario.TITLE
    assert scenario.__doc__
    assert scenario.EXPECTED
    assert set(scenario.EXPECTED) <= {rule.CODE for rule in rules()}
    assert isinstance(scenario.SAME_NUMBERS, bool)
    assert scenario.SIZE > 0


def test_bad_yields_exactly_the_expected_findings(scenario: ModuleType, tmp_path: Path) -> None:
    trace = trace_of_bad(scenario, tmp_path)
    found = {finding.rule for finding in trace.findings}
    assert found == set(scenario.EXPECTED), findings_of(trace)
    elsewhere = {
        finding.user_site.file
        for finding in trace.findings
        if os.path.realpath(finding.user_site.file) != source_of(scenario)
    }
    assert not elsewhere, findings_of(trace)


def test_good_yields_no_finding_and_copies_nothing(scenario: ModuleType) -> None:
    trace, _ = record(scenario, scenario.good, scenario.prepare(SIZE))
    assert trace.findings == [], findings_of(trace)
    assert trace.copies == []


def test_both_sides_call_the_c_library_through_ctypes(scenario: ModuleType) -> None:
    data = scenario.prepare(SIZE)
    for side in (scenario.bad, scenario.good):
        trace, _ = record(scenario, side, data)
        assert any(
            call.binding == "ctypes" and call.function.startswith("cdemo_") for call in trace.calls
        )


def test_the_numbers_agree_unless_they_are_the_pitfall(scenario: ModuleType) -> None:
    data = scenario.prepare(SIZE)
    bad, good = scenario.bad(data), scenario.good(data)
    assert (bad == good) is scenario.SAME_NUMBERS
    for numbers in (bad, good):
        middle = len(numbers) // 2
        assert numbers[:middle] == numbers[middle:], "ctypes and Cython disagree"
    assert scenario.bad(data) == bad, "a side changed the data"


def test_recording_changes_no_number(scenario: ModuleType) -> None:
    data = scenario.prepare(SIZE)
    for side in (scenario.bad, scenario.good):
        _, recorded = record(scenario, side, data)
        assert recorded == side(data)


def test_a_side_prepares_its_own_data(
    scenario: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scenario, "SIZE", 1)
    data = scenario.prepare(1)
    assert scenario.bad() == scenario.bad(data)
    assert scenario.good() == scenario.good(data)
