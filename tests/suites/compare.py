"""Runs packages' own tests with and without interprobe; the outcomes must be exactly the same.

    python3 tests/suites/compare.py numpy._core numpy.linalg scipy.ndimage

Each package's tests are run twice, in processes of their own: by ``python -m pytest --pyargs`` and
by ``interprobe run -m pytest --pyargs``. What is compared is every test's outcome, with the text of
its exception, of its reason to be skipped and of its warnings. The files with a difference are run
again, both ways: a test that also changes from one plain run to the next is called flaky and is not
counted. The exit status is 1 if a difference is left that ``expected_differences.toml`` does not
explain.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from outcomes import (
    Difference,
    Event,
    Outcomes,
    confirm,
    differences,
    explain,
    file_of,
    read_log,
)

_HERE = Path(__file__).resolve().parent
_EXPECTED = _HERE / "expected_differences.toml"

# How much of a difference is shown: the rest is in the logs, which --keep keeps.
_MOST_SHOWN = 100
_MOST_TEXT = 600

_SECONDS_TO_REPORT_A_DEATH = 30

# NumPy and SciPy skip a test that needs more memory than is free, which changes by the second.
_FIXED = {"NPY_AVAILABLE_MEM": "1G", "SCIPY_AVAILABLE_MEM": "1G", "PYTHONHASHSEED": "0"}


@dataclass(frozen=True)
class Run:
    """A run of tests that has ended.

    Attributes:
        outcomes: What became of the tests.
        seconds: How long it took.
        cpu_seconds: The processors' time of it and of its children; other programs that use the
            machine at the same time lengthen this less.
        complaint: What is wrong with the report that interprobe left; empty if nothing is.
    """

    outcomes: Outcomes
    seconds: float
    cpu_seconds: float
    complaint: str

    def described(self) -> str:
        """The counts and the time, as text."""
        return (
            f"{self.outcomes.counts() or 'no tests'} in {self.seconds:,.0f} s"
            f" ({self.cpu_seconds:,.0f} s of processor time)"
        )


@dataclass(frozen=True)
class _Suite:
    """A package's tests.

    Attributes:
        root: The folder from which ids of tests are counted: that of the topmost package.
        folder: Has a folder for each run.
        pytest_options: What pytest is told in addition.
        guard: Whether interprobe runs in guard mode, which must find nothing.
        run_options: What ``interprobe run`` is told in addition.
    """

    root: Path
    folder: Path
    pytest_options: Sequence[str]
    guard: bool
    run_options: Sequence[str]

    def run(self, name: str, what: Sequence[str], *, probed: bool) -> Run:
        """Run tests with pytest, in a process of its own.

        Args:
            name: Of the folder for what the run leaves behind; is made, or emptied.
            what: What to run: paths, or ``--pyargs`` and a package.
            probed: Whether interprobe runs it.
        """
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        work = folder / "work"
        work.mkdir(parents=True)
        shutil.copy(_HERE / "outcome_log.py", work)
        # Settings and plug-ins of a project in whose folder the environment may lie are not theirs.
        settings = work / "pytest.ini"
        settings.write_text("[pytest]\n")
        log, trace, report = (folder / name for name in ("log.jsonl", "trace.json", "report.txt"))
        command = [sys.executable]
        if probed:
            command += ["-m", "interprobe", "run", "--json", str(trace), "-o", str(report)]
            command += ["--guard"] if self.guard else []
            command += self.run_options
        command += ["-m", "pytest", "-q", "-c", str(settings), f"--rootdir={self.root}"]
        command += [f"--confcutdir={self.root}", f"--basetemp={work / 'temporary'}"]
        command += ["-p", "no:cacheprovider", "-p", "outcome_log", *what, *self.pytest_options]
        tools = os.pathsep.join(
            [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
        )
        env = {**_FIXED, **os.environ, "PATH": tools, "OUTCOME_LOG": str(log)}
        log.touch()
        began, used = time.monotonic(), _cpu_seconds_of_children()
        with (folder / "output.txt").open("wb") as output:
            status = subprocess.run(
                command, cwd=work, env=env, stdout=output, stderr=output, check=False
            ).returncode
        seconds, cpu_seconds = time.monotonic() - began, _cpu_seconds_of_children() - used
        with log.open(encoding="ascii") as lines:
            tests = read_log(lines, str(work))
        shutil.rmtree(work, ignore_errors=True)
        complaint = _complaint(trace, report, died=status < 0) if probed else ""
        return Run(Outcomes(tests, status), seconds, cpu_seconds, complaint)


def main(words: Sequence[str] | None = None) -> int:
    """Compare the tests of each package; 1 if any went otherwise under interprobe."""
    options = _options(words)
    expected = tomllib.loads(options.expected.read_text())["expected"]
    folder = options.keep or Path(tempfile.mkdtemp(prefix="suites-"))
    counted = 0
    for package in options.packages:
        counted += _compare(package, options, expected, folder.resolve() / package)
    if options.keep is None:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if counted else 0


class _Options(argparse.Namespace):
    packages: list[str]
    reruns: int
    keep: Path | None
    expected: Path
    guard: bool
    option: list[str]
    pytest_options: list[str]


def _options(words: Sequence[str] | None) -> _Options:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").partition("\n")[0],
        epilog="Options of pytest follow after --, for example: -- -k copy",
    )
    parser.add_argument("packages", nargs="+", metavar="PACKAGE", help="as for pytest --pyargs")
    parser.add_argument(
        "--reruns", type=int, default=2, metavar="N", help="further runs of what differs (2)"
    )
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep logs, traces and reports")
    parser.add_argument(
        "--expected", type=Path, default=_EXPECTED, metavar="FILE", help="differences explained"
    )
    parser.add_argument(
        "--guard", action="store_true", help="run interprobe in guard mode: it must find nothing"
    )
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="OPTION",
        help="one more option of 'interprobe run', such as --option=--what-if=all; may be repeated",
    )
    words = list(sys.argv[1:] if words is None else words)
    end = words.index("--") if "--" in words else len(words)
    options = parser.parse_args(words[:end], _Options())
    options.pytest_options = words[end + 1 :]
    for package in options.packages:
        if not _is_installed(package):
            parser.error(f"there is no package {package!r} to test.")
    return options


def _is_installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ImportError:
        return False


def _compare(package: str, options: _Options, expected: Mapping[str, str], folder: Path) -> int:
    """Compare the tests of one package, say what was found, and count what is left."""
    suite = _Suite(_root(package), folder, options.pytest_options, options.guard, options.option)
    plain = suite.run("plain", ["--pyargs", package], probed=False)
    _say(f"{package} plain: {plain.described()}")
    probed = suite.run("probed", ["--pyargs", package], probed=True)
    _say(f"{package} under interprobe: {probed.described()}")
    _say(
        f"{package} under interprobe took {probed.seconds / plain.seconds:.2f} times as long,"
        f" and {probed.cpu_seconds / plain.cpu_seconds:.2f} times the processor's time"
    )
    found = differences(plain.outcomes, probed.outcomes)
    if found:
        # A run that died has no outcome for most tests: that in which it died is to be looked at.
        died = [*plain.outcomes.unfinished(), *probed.outcomes.unfinished()]
        suspects = [each.test for each in found if each.test in died or not died]
        found = _again(found, {file_of(each) for each in suspects} - {""}, suite, options.reruns)
    found = [explain(each, expected) for each in found]
    for each in found[:_MOST_SHOWN]:
        _show(each)
    if len(found) > _MOST_SHOWN:
        _say(f"... and {len(found) - _MOST_SHOWN:,} more")
    complaints = [run.complaint for run in (plain, probed) if run.complaint]
    if not any(events for events in plain.outcomes.tests.values()):
        complaints.append("not one test was run.")
    for complaint in complaints:
        _say(f"{package}: {complaint}")
    counted = sum(each.counts for each in found)
    _say(
        f"{package}: {counted} differences to explain, {len(found) - counted} flaky or expected,"
        f" {len(plain.outcomes.tests):,} entries compared"
    )
    return counted + len(complaints)


def _again(
    found: Sequence[Difference], files: set[str], suite: _Suite, reruns: int
) -> list[Difference]:
    """Run the files in which something differed again, both ways, and say what that showed."""
    further: dict[bool, list[Outcomes]] = {False: [], True: []}
    for number in range(reruns if files else 0):
        for probed in (False, True):
            name = f"{'probed' if probed else 'plain'}-again-{number + 1}"
            what = [str(suite.root / file) for file in sorted(files)]
            further[probed].append(suite.run(name, what, probed=probed).outcomes)
    return [
        confirm(each, further[False], further[True]) if file_of(each.test) in files else each
        for each in found
    ]


def _cpu_seconds_of_children() -> float:
    """Of processes that have ended and were waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _complaint(trace: Path, report: Path, *, died: bool) -> str:
    """What is wrong with what interprobe left of a run."""
    patience = time.monotonic() + (_SECONDS_TO_REPORT_A_DEATH if died else 0)
    # The report on a process that was killed comes from another, which outlives it.
    while not _is_written(report) and time.monotonic() < patience:
        time.sleep(0.2)
    if not _is_written(report):
        return "interprobe left no report."
    try:
        saved = json.loads(trace.read_text(encoding="utf-8"))
        complete, violations = saved["meta"]["complete"], saved["violations"]
    except (OSError, ValueError, KeyError):
        return "interprobe left no trace that can be read."
    if violations:
        return f"guard mode found {len(violations)} accesses beside arrays."
    return "" if complete else "interprobe's trace is not complete."


def _is_written(file: Path) -> bool:
    return file.exists() and file.stat().st_size > 0


def _root(package: str) -> Path:
    """The folder that holds a package's topmost package, as in ``site-packages``."""
    spec = importlib.util.find_spec(package.partition(".")[0])
    assert spec is not None
    places = list(spec.submodule_search_locations or [])
    return (Path(places[0]) if places else Path(spec.origin or ".")).resolve().parent


def _show(difference: Difference) -> None:
    """Print a test with what became of it each way."""
    _say(difference.test)
    _say(f"    plain       {_described(difference.plain)}")
    _say(f"    interprobe  {_described(difference.probed)}")
    _say(f"    seen        {difference.seen}")
    if difference.expected:
        _say(f"    expected    {difference.expected}")


def _described(events: tuple[Event, ...]) -> str:
    shown = [f"{what}: {text}" if text else what for what, text in events if what != "began"]
    text = " | ".join(shown) or ("ended in it" if events else "not run")
    text = text if len(text) <= _MOST_TEXT else f"{text[:_MOST_TEXT]} ..."
    return text.replace("\n", "\n" + 16 * " ")


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
