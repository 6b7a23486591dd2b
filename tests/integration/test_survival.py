"""A run leaves its trace however it ends; every process of it is counted once."""

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from extension_builder import SOURCES

from interprobe.trace import Trace, load

PROGRAM = SOURCES / "mortal.py"
BYTES = 500 * 400 * 8


def run(ending: str, folder: Path) -> tuple[subprocess.CompletedProcess[str], Trace]:
    path = folder / "trace.json"
    # The watching process keeps standard error open: its end is the end of the delivery.
    done = subprocess.run(
        [sys.executable, "-m", "interprobe", "run", "--json", str(path), str(PROGRAM), ending],
        capture_output=True,
        check=False,
        text=True,
        env=os.environ | {"TMPDIR": str(folder)},
    )
    assert not list(folder.glob("interprobe-*")), "ledgers are left behind"
    return done, load(path)


def plain(ending: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(PROGRAM), ending], capture_output=True, check=False, text=True
    )


def copies(trace: Trace) -> Counter[int]:
    counts: Counter[int] = Counter()
    for copy in trace.copies:
        assert copy.bytes == copy.count * BYTES
        counts[copy.process] += copy.count
    return counts


@pytest.mark.parametrize("ending", ["nothing", "exception", "sys.exit", "SIGINT"])
def test_an_ending_that_python_sees_is_complete(ending: str, tmp_path: Path) -> None:
    done, trace = run(ending, tmp_path)
    assert done.returncode == plain(ending).returncode
    assert trace.meta.complete
    assert copies(trace) == {0: 7}
    assert trace.processes[0].in_flight is None


@pytest.mark.parametrize("ending", ["os._exit", "SIGTERM", "SIGKILL", "segfault", "abort"])
def test_a_sudden_death_leaves_the_report_and_the_trace(ending: str, tmp_path: Path) -> None:
    done, trace = run(ending, tmp_path)
    expected = plain(ending)
    assert done.returncode == expected.returncode
    assert done.stdout == expected.stdout == "alive\n"
    assert not trace.meta.complete
    assert not trace.processes[0].complete
    assert copies(trace) == {0: 7}
    assert "Incomplete" in done.stderr
    assert "IP103" in done.stderr


def test_the_crossing_in_flight_is_named_with_its_arrays(tmp_path: Path) -> None:
    done, trace = run("segfault", tmp_path)
    assert done.returncode == -signal.SIGSEGV
    words = trace.processes[0].in_flight
    assert words is not None
    assert words.startswith("memcpy of libc")
    assert "argument 2 float32 500x400 in C order" in words
    line = next(
        number
        for number, text in enumerate(PROGRAM.read_text().splitlines(), 1)
        if "libc.memcpy(8" in text
    )
    assert words.endswith(f"mortal.py:{line}")


def test_a_forked_child_has_a_ledger_of_its_own(tmp_path: Path) -> None:
    done, trace = run("fork", tmp_path)
    assert done.stdout == plain("fork").stdout
    assert copies(trace) == {0: 7, 1: 3}
    assert [process.parent for process in trace.processes] == [None, 0]
    assert all(process.complete for process in trace.processes)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing_loses_no_event_and_counts_none_twice(method: str, tmp_path: Path) -> None:
    done, trace = run(f"multiprocessing {method}", tmp_path)
    assert done.returncode == 0, done.stderr
    # Fresh interpreters import the main module, but not what its __main__ guard protects.
    assert sorted(copies(trace).values()) == [2, 4, 7]
    assert copies(trace)[0] == 7
    assert all(process.complete for process in trace.processes)


def test_threads_share_the_ledger(tmp_path: Path) -> None:
    _, trace = run("threads", tmp_path)
    assert copies(trace) == {0: 13}


def test_an_interpreter_that_the_program_starts_is_a_process_of_the_run(tmp_path: Path) -> None:
    done, trace = run("subprocess", tmp_path)
    assert done.stdout.count("alive") == 2
    assert copies(trace) == {0: 7, 1: 7}
    assert trace.processes[1].parent == 0
