"""IP504 oversubscription on real programs: pools of threads on fewer cores, one core at least."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from extension_builder import build_c_library

PROGRAM = """
import ctypes, multiprocessing, os, sys
import numpy as np

os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # one core, on any machine
library, threads, workers = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])

def work(milliseconds):
    busy_pool = ctypes.CDLL(library)["busy_pool"]
    doubles = ctypes.POINTER(ctypes.c_double)
    busy_pool.argtypes = [doubles, ctypes.c_size_t, ctypes.c_int, ctypes.c_int]
    busy_pool.restype = ctypes.c_double
    x = np.ones(1000)
    for _ in range(3):
        busy_pool(x.ctypes.data_as(doubles), x.size, milliseconds, threads)

if workers == 1:
    work(300)
else:
    started = [multiprocessing.Process(target=work, args=(300,)) for _ in range(workers)]
    for process in started:
        process.start()
    for process in started:
        process.join()
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_c_library("busy_kernels", tmp_path_factory.mktemp("oversubscription"))


def trace_of(folder: Path, library: Path, threads: int, workers: int) -> dict[str, Any]:
    script, path = folder / "pool.py", folder / "trace.json"
    script.write_text(PROGRAM)
    command = [sys.executable, "-m", "interprobe", "run", "--json", str(path)]
    command += ["-o", str(folder / "report.txt"), str(script)]
    subprocess.run([*command, str(library), str(threads), str(workers)], check=True)
    trace: dict[str, Any] = json.loads(path.read_text())
    return trace


def findings(trace: dict[str, Any]) -> list[dict[str, Any]]:
    return [found for found in trace["findings"] if found["rule"] == "IP504"]


def counts_are_kept() -> bool:
    try:
        ran, _, _ = Path("/proc/self/schedstat").read_text().split()
    except (OSError, ValueError):
        return False
    return int(ran) > 0


pytestmark = pytest.mark.skipif(
    not counts_are_kept() or not hasattr(os, "sched_setaffinity"),
    reason="this kernel does not count how long threads wait",
)


def test_eight_threads_on_one_core_stand_in_the_queue(tmp_path: Path, library: Path) -> None:
    trace = trace_of(tmp_path, library, 8, 1)
    (found,) = findings(trace)
    assert found["subject"] == "busy_pool"
    assert "the program may use 1 core." in found["cause"]
    assert found["severity"] == "warning"
    assert 'os.environ["OMP_NUM_THREADS"] = "1"' in found["fix"]["code"]


def test_one_thread_on_one_core_does_not_whatever_else_the_machine_does(
    tmp_path: Path, library: Path
) -> None:
    trace = trace_of(tmp_path, library, 1, 1)
    kinds = {fact["kind"] for call in trace["calls"] for fact in call["facts"]}
    assert kinds & {"threads-ran", "threads-queued"}  # it was looked at
    assert findings(trace) == []


def test_processes_are_counted_together(tmp_path: Path, library: Path) -> None:
    (found,) = findings(trace_of(tmp_path, library, 1, 3))
    assert "in 3 processes together" in found["cause"]
    assert "Start 1 process instead of 3" in found["fix"]["text"]
