"""The commands beside ``run``: their output, their speed, and what they do with pipes."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from plain_and_probed import interprobe, run, write

from interprobe import __version__, analysis
from interprobe.cli import main
from interprobe.trace import load

LATEST_ANSWER = 0.150
"""Seconds that ``--help`` may take longer than an interpreter that does nothing."""

COPYING = """
    import numpy as np
    field = np.ones((300, 200), order="F")
    for _ in range(3):
        rows = np.ascontiguousarray(field)
    print(rows.sum())
"""


@pytest.fixture(scope="module")
def trace_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recorded")
    write(folder / "copying.py", COPYING)
    ending = run(interprobe("run", "--json", "trace.json", "copying.py"), folder)
    assert ending.status == 0
    return folder / "trace.json"


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"interprobe {__version__}\n"


def test_the_overview_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([], ["-h"], ["--help"]):
        assert main(words) == 0
        page = capsys.readouterr().out
        commands = re.findall(r"(?m)^  ([a-z]+) {3,}", page)
        assert commands == ["check", "doctor", "explain", "list", "report", "run", "schema"]
    for command in commands:
        with pytest.raises(SystemExit) as exit_:
            main([command, "--help"])
        assert exit_.value.code == 0
        assert capsys.readouterr().out.startswith(f"usage: interprobe {command}")


def test_help_answers_at_once(tmp_path: Path) -> None:
    def best(command: Sequence[str]) -> float:
        times = []
        for _ in range(10):
            # Of the processor: what else the machine does meanwhile does not count.
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run(command, cwd=tmp_path, stdout=subprocess.DEVNULL, check=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        return min(times)

    nothing = best([sys.executable, "-c", ""])
    assert best(interprobe("--help")) - nothing < LATEST_ANSWER
    assert best(interprobe("--version")) - nothing < LATEST_ANSWER


@pytest.mark.parametrize("command", ["", "run", "explain", "doctor"])
def test_help_loads_nothing_heavy(command: str, tmp_path: Path) -> None:
    words = [*command.split(), "--help"]
    code = f"""
        import sys
        from interprobe.cli import main
        try:
            main({words!r})
        except SystemExit:
            pass
        heavy = {{"numpy", "rich", "msgspec", "interprobe.native", "interprobe.recorder"}}
        sys.exit(str(heavy & sys.modules.keys()) if heavy & sys.modules.keys() else 0)
    """
    program = write(tmp_path / "program.py", code)
    assert run([sys.executable, str(program)], tmp_path).status == 0


def test_list_names_every_scenario(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("fortran-order ") and "storage order" in line for line in lines)
    assert main(["list", "--verbose"]) == 0
    verbose = capsys.readouterr().out
    assert "    A matrix in one storage order goes to a kernel" in verbose
    assert [line for line in verbose.splitlines() if line and line[0] != " "] == lines


def test_explain_lists_the_rules(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain"]) == 0
    output = capsys.readouterr().out
    for rule in analysis.rules():
        assert re.search(rf"(?m)^{rule.CODE}  {rule.NAME} ", output)


@pytest.mark.parametrize("name", ["IP102", "ip102", "order-mismatch"])
def test_explain_prints_a_manual_page(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", name]) == 0
    page = capsys.readouterr().out
    assert page == analysis.manual_page(analysis.find_rule("IP102")) + "\n"


def test_explain_renders_its_page_in_colour(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "IP102", "--color", "always", "--width", "70"]) == 0
    page = capsys.readouterr().out
    assert "\x1b[" in page
    assert "## " not in page
    lines = re.sub(r"\x1b\[[0-9;]*m", "", page).splitlines()
    assert max(map(len, lines)) <= 70


def test_schema_is_that_of_a_trace(capsys: pytest.CaptureFixture[str], trace_file: Path) -> None:
    assert main(["schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    trace = schema["$defs"]["Trace"]
    assert set(json.loads(trace_file.read_text())) == set(trace["properties"])
    assert trace["properties"]["schema"]["enum"] == ["interprobe.trace/1"]


def test_report_draws_what_run_drew(
    trace_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(trace_file)]) == 0
    first = capsys.readouterr().out
    assert "IP102" in first
    assert max(map(len, first.splitlines())) <= 100
    assert main(["report", str(trace_file), "-o", str(tmp_path / "report.txt")]) == 0
    assert capsys.readouterr().out == ""
    assert (tmp_path / "report.txt").read_text() == first


def test_report_heeds_width_and_colour(
    trace_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["report", str(trace_file)]) == 0
    eighty = capsys.readouterr().out
    assert max(map(len, eighty.splitlines())) <= 80
    assert main(["report", str(trace_file), "--width", "120"]) == 0
    assert capsys.readouterr().out != eighty
    assert main(["report", str(trace_file), "--color", "always"]) == 0
    coloured = capsys.readouterr().out
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == eighty != coloured
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert main(["report", str(trace_file)]) == 0
    assert capsys.readouterr().out == eighty
    monkeypatch.delenv("NO_COLOR")
    assert main(["report", str(trace_file)]) == 0
    assert capsys.readouterr().out == coloured


def test_report_draws_a_picture(trace_file: Path, tmp_path: Path) -> None:
    picture = tmp_path / "report.svg"
    assert main(["report", str(trace_file), "--format", "svg", "-o", str(picture)]) == 0
    assert picture.read_text().startswith("<svg")


def test_a_stream_of_few_characters(trace_file: Path, tmp_path: Path) -> None:
    environment = {"PYTHONIOENCODING": "ascii"}
    ending = run(interprobe("report", str(trace_file)), tmp_path, env=environment)
    assert ending.status == 0
    assert ending.stdout.isascii()
    assert b"IP102" in ending.stdout


def test_a_reader_that_has_seen_enough(trace_file: Path, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        interprobe("report", str(trace_file)),
        stdout=writing,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        check=False,
    )
    os.close(writing)
    assert done.stderr == b""
    assert done.returncode == 1


def test_a_full_disk(trace_file: Path, tmp_path: Path) -> None:
    command = f"exec {sys.executable} -m interprobe report {trace_file} > /dev/full"
    ending = run(["sh", "-c", command], tmp_path)
    assert ending.stderr.startswith(b"interprobe: Cannot write the report: No space left")
    assert b"Traceback" not in ending.stderr
    target = ["report", str(trace_file), "-o", "/dev/full"]
    assert b"No space left" in run(interprobe(*target), tmp_path).stderr


def test_a_saved_trace_is_analysed_again(trace_file: Path) -> None:
    trace = load(trace_file)
    assert [finding.rule for finding in analysis.analyse(trace).findings] == [
        finding.rule for finding in trace.findings
    ]
