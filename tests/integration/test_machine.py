"""The machine in traces of real runs, and a ladder where calls are long enough for one."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from interprobe import native, record, this_machine
from interprobe.cdemo import DOUBLE_POINTER, kernels
from interprobe.trace import load

PROGRAM = """
import numpy as np
from interprobe.cdemo import DOUBLE_POINTER, kernels

values = np.ones(6_000_000)
for _ in range(5):
    kernels.cdemo_sum(values.ctypes.data_as(DOUBLE_POINTER), values.size)
print(open("/proc/self/statm").read().split()[1] != "0")
"""


def test_memory_gives_something_and_gets_its_buffer_back() -> None:
    def mapped() -> int:
        return int(Path("/proc/self/statm").read_text().split()[0])

    native.measure_bandwidth(1 << 20, 0)
    before = mapped()
    read, copy = native.measure_bandwidth(32 << 20, 1_000_000)
    assert mapped() - before < (16 << 20) // os.sysconf("SC_PAGESIZE")
    # Between a tape and ten times what is made: units, not speed, are tested.
    assert 1e7 < read < 1e13
    assert 1e7 < copy < 1e13


@pytest.mark.parametrize("nbytes", [0, 1, 127, 128, 4097])
def test_a_buffer_of_any_size_is_safe(nbytes: int) -> None:
    read, copy = native.measure_bandwidth(nbytes, 1000)
    assert read >= 0
    assert copy >= 0


def test_memory_that_there_is_not_is_an_error() -> None:
    with pytest.raises(OSError, match="memory"):
        native.measure_bandwidth(1 << 60, 1000)


def test_this_machine_has_cores_and_caches_in_rising_sizes() -> None:
    machine = this_machine.described()
    assert machine.caches == sorted(machine.caches)
    assert machine.cores is not None
    assert 1 <= machine.cores <= len(os.sched_getaffinity(0))


def test_the_trace_of_a_program_has_the_machine_and_its_report_a_ladder(tmp_path: Path) -> None:
    program, saved, report = (tmp_path / name for name in ("sum.py", "trace.json", "report.txt"))
    program.write_text(PROGRAM)
    options = ("--json", str(saved), "-o", str(report), str(program))
    command = [sys.executable, "-m", "interprobe", "run", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")
    machine = load(saved).machine
    assert machine is not None
    assert machine.bandwidth_read is not None, "this machine is too small for the test of memory"
    text = report.read_text()
    assert "Against this machine's memory" in text
    assert "cdemo_sum" in text.partition("Against this machine's memory")[2]


def test_a_program_that_dies_has_its_machine_too(tmp_path: Path) -> None:
    program, saved = tmp_path / "dies.py", tmp_path / "trace.json"
    program.write_text(PROGRAM + "import os\nos.kill(os.getpid(), 9)\n")
    command = [sys.executable, "-m", "interprobe", "run", "--json", str(saved), str(program)]
    subprocess.run(command, capture_output=True, check=False)
    trace = load(saved)
    assert not trace.meta.complete
    assert trace.machine is not None
    assert trace.machine.bandwidth_read is not None


def test_a_block_that_is_recorded_has_it_once_somebody_looks() -> None:
    values = np.ones(1_000_000)
    with record() as recording:
        for _ in range(5):
            kernels.cdemo_sum(values.ctypes.data_as(DOUBLE_POINTER), ctypes.c_size_t(values.size))
    assert recording.trace.machine is not None
    assert recording.trace.machine.bandwidth_read is not None


def test_a_short_run_measures_nothing() -> None:
    values = np.ones(10)
    with record() as recording:
        kernels.cdemo_sum(values.ctypes.data_as(DOUBLE_POINTER), values.size)
    assert recording.trace.machine is not None
    assert recording.trace.machine.bandwidth_read is None
