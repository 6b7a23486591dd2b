"""Running scenarios: both sides, the gain, the table of all, and what counts as a failure."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from interprobe.cli import main
from interprobe.cli.showcase import catalogue
from interprobe.trace import load

SIZE = ["--size", "4"]


@pytest.fixture
def fortran_order() -> ModuleType:
    scenario = catalogue.load("fortran-order")
    assert isinstance(scenario, ModuleType)
    return scenario


def test_one_scenario(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace_file = tmp_path / "trace.json"
    assert main(["run", *SIZE, "--json", str(trace_file), "fortran-order", "--width", "90"]) == 0
    output, errors = capsys.readouterr()
    assert errors == ""
    assert output.startswith("fortran-order: a matrix in the storage order")
    assert f"({SIZE[1]} MiB)" in output.splitlines()[0]
    assert output.index("IP102 order-mismatch") < output.index("The cure, good()")
    cure = output[output.index("The cure, good()") :]
    assert "All clear" in cure
    assert "copied before, 0 B after." in cure
    assert re.search(r"[\d.]+x as fast: .* before, .* after \(best of \d+ rounds", cure)
    assert "Both compute the same numbers, to the last bit." in cure
    assert max(map(len, output.splitlines())) <= 90
    trace = load(trace_file)
    assert {finding.rule for finding in trace.findings} == {"IP102"}
    assert f"{trace.bytes_copied / 1e6:.2f} MB copied before" in cure


def test_a_scenario_with_wrong_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", *SIZE, "dtype-reinterpreted"]) == 0
    output = capsys.readouterr().out
    assert "the two do not compute the same, so that is no speedup" in output
    assert re.search(r"The pitfall computed \S+ where the right number is \S+\.", output)
    assert "as fast" not in output


def test_a_scenario_as_a_picture(tmp_path: Path) -> None:
    picture = tmp_path / "report.svg"
    assert main(["run", "fortran-order", *SIZE, "--format", "svg", "-o", str(picture)]) == 0
    assert picture.read_text().startswith("<svg")


def test_all_scenarios() -> None:
    # A process of its own: for all that is known, what other tests hold in memory may be data.
    command = [sys.executable, "-m", "interprobe", "run", "--all", *SIZE, "--width", "80"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    output = done.stdout
    assert done.returncode == 0, output
    names = catalogue.names()
    progress, _, table = output.partition("All scenarios")
    for name in names:
        expected = ", ".join(sorted(catalogue.load(name).EXPECTED))
        assert re.search(rf"(?m)^{name} +{expected} +as expected$", progress)
        assert re.search(rf"(?m)^{name} +{expected} .*[MkG]?B .* (same|wrong)$", table)
    assert f"{len(names)} of {len(names)} scenarios show what they say" in table
    assert max(map(len, output.splitlines())) <= 80


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> int:
    """There are three scenarios only; yields how many."""
    names = ["dtype-reinterpreted", "fortran-order", "strided-access"]
    assert set(names) <= set(catalogue.names())
    monkeypatch.setattr(catalogue, "names", lambda: names)
    return len(names)


def test_all_scenarios_into_a_file(
    tmp_path: Path, few: int, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.txt"
    report.write_text("old")
    assert main(["run", "--all", *SIZE, "-o", str(report)]) == 0
    assert capsys.readouterr().out == ""
    text = report.read_text()
    assert not text.startswith("old")
    assert text.count("as expected") == few
    assert "All scenarios" in text


def test_other_findings_than_expected(
    fortran_order: ModuleType,
    few: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(fortran_order, "EXPECTED", ("IP101", "IP102"))
    assert main(["run", *SIZE, "fortran-order"]) == 1
    assert "fortran-order: expected IP101, IP102, found IP102." in capsys.readouterr().out
    assert main(["run", "--all", *SIZE]) == 1
    output = capsys.readouterr().out
    assert re.search(r"(?m)^fortran-order +IP102 +not as expected$", output)
    assert f"{few - 1} of {few} scenarios show what they say" in output


def test_a_cure_that_does_not_cure(
    fortran_order: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(fortran_order, "good", fortran_order.bad)
    assert main(["run", *SIZE, "fortran-order"]) == 1
    assert "the cure has findings of its own, IP102." in capsys.readouterr().out


def test_numbers_that_differ(
    fortran_order: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    good = fortran_order.good
    monkeypatch.setattr(fortran_order, "good", lambda data: tuple(x + 1 for x in good(data)))
    assert main(["run", *SIZE, "fortran-order"]) == 1
    output = capsys.readouterr().out
    assert "the numbers of both sides differ, and should not." in output
