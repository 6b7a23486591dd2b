"""Runs a benchmark program in a fresh process, plain or under a profiler."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.profilers import Profiler

PROGRAMS = Path(__file__).parent / "programs"
LONGEST_SECONDS = 600.0


class RunError(Exception):
    """A run did not end well; the text is one sentence that says how."""


@dataclass(frozen=True)
class Run:
    """What one process left.

    Attributes:
        result: What the program measured itself.
        seconds: Wall time from before its start until after its end.
        cpu_seconds: Processor time of the process and of those that it waited for.
        peak_bytes: Highest resident memory of the process, its start and its report included.
        written_bytes: Size of the files that the profiler wrote.
        said: What the program printed.
    """

    result: Any
    seconds: float
    cpu_seconds: float
    peak_bytes: int
    written_bytes: dict[str, int]
    said: str


def run_program(
    profiler: Profiler,
    program: str,
    arguments: Sequence[object],
    *,
    before: Sequence[str] = (),
    hash_seed: str = "random",
    keep: Path | None = None,
) -> Run:
    """Run ``programs/PROGRAM.py RESULT ARGUMENTS...`` once and wait for its end.

    Args:
        profiler: How it is started.
        program: Name of the file, without ``.py``.
        arguments: What follows the name of the file that receives the program's own result.
        before: Words of a command that starts all that, such as ``valgrind``.
        hash_seed: ``PYTHONHASHSEED``.
        keep: An empty folder for the files that the profiler writes; by default they are deleted.

    Raises:
        RunError: It could not start, took too long, ended with another status than 0 or left no
            result.
    """
    with tempfile.TemporaryDirectory(prefix="interprobe-benchmark-") as name:
        folder = Path(name)
        output = keep or folder / "written"
        output.mkdir(exist_ok=True)
        result = folder / "result.json"
        words = [str(result), *map(str, arguments)]
        command = [
            *before, *profiler.command(PROGRAMS / f"{program}.py", words, output / "run")
        ]  # fmt: skip
        seconds, usage = _finished(command, folder, hash_seed)
        if not result.exists():
            raise RunError("it ended well but the program left no result")
        written = {path.name: path.stat().st_size for path in output.rglob("*") if path.is_file()}
        return Run(
            result=json.loads(result.read_text()),
            seconds=seconds,
            cpu_seconds=usage.ru_utime + usage.ru_stime,
            # What this process held when it started the other counts as well: it has no NumPy.
            peak_bytes=usage.ru_maxrss * 1024,
            written_bytes=written,
            said=(folder / "said").read_text("utf8", "replace"),
        )


def _finished(
    command: list[str], folder: Path, hash_seed: str
) -> tuple[float, resource.struct_rusage]:
    """Run ``command`` to its end: wall seconds and the system's account of it."""
    environment = {key: value for key, value in os.environ.items() if key != "INTERPROBE"}
    environment |= {"PYTHONHASHSEED": hash_seed, "OPENBLAS_NUM_THREADS": "1"}
    with (folder / "said").open("w+b") as said:
        began = time.perf_counter()
        try:
            process = subprocess.Popen(
                command, cwd=folder, env=environment,
                stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT,
            )  # fmt: skip
        except OSError as error:
            raise RunError(f"{command[0]} does not start: {error.strerror}") from error
        timer = threading.Timer(LONGEST_SECONDS, process.kill)
        timer.start()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            said.seek(0)
            text = said.read().decode("utf8", "replace")
            raise RunError(_reason(process.returncode, seconds, text))
    return seconds, usage


def _reason(status: int, seconds: float, said: str) -> str:
    if seconds >= LONGEST_SECONDS:
        return f"it did not end within {LONGEST_SECONDS:.0f} s"
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    how = f"signal {-status}" if status < 0 else f"exit status {status}"
    return f"it ended with {how}" + (f": {lines[-1][:160]}" if lines else "")
