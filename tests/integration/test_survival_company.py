"""Threads, processes, tasks and stacks: no event is lost or counted twice, every ending stays."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from extension_builder import SOURCES, build_c_library

from interprobe.trace import Trace, load

PROGRAM = SOURCES / "company.py"
BYTES = 50 * 40 * 8
ADDRESS_OR_THREAD = re.compile(r"0x[0-9a-f]+|Thread-\d+|(?<=pid=)\d+")


class Ending(NamedTuple):
    stdout: str
    stderr: str
    status: int


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("threads")
    library = build_c_library("native_threads", folder)
    # OpenBLAS ends its threads at a fork; Python warns of those that the kernel still counts.
    return os.environ | {"NATIVE_THREADS": str(library), "OPENBLAS_NUM_THREADS": "1"}


def end(command: list[str], environment: dict[str, str], number: int | None = None) -> Ending:
    """Run a command to its end; a signal is sent to it as soon as it says that it is ready."""
    streams = subprocess.PIPE
    with subprocess.Popen(
        command, stdout=streams, stderr=streams, text=True, env=environment, start_new_session=True
    ) as process:
        first = ""
        if number is not None:
            assert process.stdout is not None
            first = process.stdout.readline()
            # To the whole group, as a terminal does.
            os.killpg(process.pid, number)
        stdout, stderr = process.communicate(timeout=120)
    return Ending(first + stdout, ADDRESS_OR_THREAD.sub("", stderr), process.returncode)


def compare(
    task: str, folder: Path, environment: dict[str, str], number: int | None = None
) -> tuple[Ending, Trace]:
    """The plain ending, which the recorded one must equal, and the trace."""
    path = folder / "trace.json"
    plain = end([sys.executable, str(PROGRAM), task], environment, number)
    options = ["--json", str(path), "-o", str(folder / "report.txt")]
    command = [sys.executable, "-m", "interprobe", "run", *options, str(PROGRAM), task]
    probed = end(command, environment | {"TMPDIR": str(folder)}, number)
    assert probed == plain
    assert not list(folder.glob("interprobe-*")), "ledgers are left behind"
    return plain, load(path)


def copies(trace: Trace) -> list[int]:
    """How often each process copied: the first one's number, then the others' in rising order."""
    counts = [0] * len(trace.processes)
    for copy in trace.copies:
        if copy.mechanism == "numpy.ascontiguousarray":
            assert copy.bytes == copy.count * BYTES
            counts[copy.process] += copy.count
    return [counts[0], *sorted(count for count in counts[1:] if count)]


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("native threads", [7 + 2 * (1 + 2 + 3)]),
        ("suspended generator", [7 + 3 * 2]),
        ("greenlets", [7 + 2 * (1 + 2)]),
        ("asyncio", [7 + 3 * (1 + 2 + 3)]),
        ("joblib threading", [7 + 15]),
        ("forks", [7 + 1, 3, 4]),
        ("interpreter", [7, 1]),
        ("environments", [7, 1, 1, 1]),
        ("unhandled in a thread", [7 + 2]),
        ("daemon at exit", [7]),
    ],
)
def test_every_copy_is_counted_in_its_process(
    task: str, expected: list[int], tmp_path: Path, environment: dict[str, str]
) -> None:
    if task == "greenlets":
        pytest.importorskip("greenlet")
    if task.startswith("joblib"):
        pytest.importorskip("joblib")
    ending, trace = compare(task, tmp_path, environment)
    assert ending.status == 0
    assert trace.meta.complete
    assert copies(trace) == expected
    assert trace.processes[0].in_flight is None


@pytest.mark.parametrize(
    "task", ["executor fork", "executor spawn", "executor forkserver", "pool", "joblib loky"]
)
def test_the_work_of_a_pool_is_counted_once_however_it_is_spread(
    task: str, tmp_path: Path, environment: dict[str, str]
) -> None:
    if task == "joblib loky":
        pytest.importorskip("joblib")
    ending, trace = compare(task, tmp_path, environment)
    assert ending.status == 0
    assert trace.processes[0].complete
    # Which worker takes which job is up to the pool; none may be missing, none counted again.
    first, *others = copies(trace)
    assert (first, sum(others)) == (7, 1 + 2 + 3 + 4 + 5)


@pytest.mark.parametrize(
    ("task", "status", "in_flight"),
    [
        ("abort in a kernel", -signal.SIGABRT, "crash of libnative_threads"),
        ("segfault in a kernel", -signal.SIGSEGV, "crash of libnative_threads"),
        ("segfault in a thread's kernel", -signal.SIGSEGV, "crash of libnative_threads"),
    ],
)
def test_a_death_in_a_kernel_names_the_kernel_and_its_array(
    task: str, status: int, in_flight: str, tmp_path: Path, environment: dict[str, str]
) -> None:
    ending, trace = compare(task, tmp_path, environment)
    assert ending.status == status
    assert not trace.meta.complete
    assert copies(trace) == [7]
    words = trace.processes[0].in_flight
    assert words is not None
    assert words.startswith(in_flight)
    assert "argument 1 float64 7" in words


def test_an_exit_in_a_callback_keeps_what_was_seen(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    ending, trace = compare("exit in a callback", tmp_path, environment)
    assert ending.status == 9
    assert copies(trace) == [7 + 2]
    words = trace.processes[0].in_flight
    assert words is not None
    assert words.startswith("call_once of libnative_threads")


@pytest.mark.parametrize(("number", "complete"), [(signal.SIGINT, True), (signal.SIGTERM, False)])
def test_a_signal_to_the_whole_group_ends_the_program_as_it_would_alone(
    number: int, complete: bool, tmp_path: Path, environment: dict[str, str]
) -> None:
    without_columns = environment | {"PYTHONNODEBUGRANGES": "1"}
    ending, trace = compare("interrupted", tmp_path, without_columns, number)
    assert ending.status == -number
    assert trace.meta.complete is complete
    assert copies(trace) == [7 + 2]


@pytest.mark.parametrize("task", ["child killed", "child terminated"])
def test_a_killed_child_leaves_its_copies(
    task: str, tmp_path: Path, environment: dict[str, str]
) -> None:
    ending, trace = compare(task, tmp_path, environment)
    assert ending.status == 0
    assert copies(trace) == [7, 3]
    assert [process.complete for process in trace.processes] == [True, False]
