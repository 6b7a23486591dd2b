"""``@interprobe.profile`` with the real probes."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import interprobe

FIELD = np.ones((300, 200))

Profile = Callable[..., Any]


@pytest.fixture
def profile() -> Iterator[Profile]:
    """The decorator without a report at exit: a recording ends with its function."""

    def decorate(function: Any, **options: Any) -> Any:
        return interprobe.profile(report=False, **options)(function)

    yield decorate
    # One that calls itself is a cycle.
    gc.collect()


def pack() -> int:
    return np.ascontiguousarray(FIELD.T).size


def counts(trace: interprobe.Recording) -> list[int]:
    return [copy.count for copy in trace.copies]


def test_calls_add_up_and_what_is_between_them_does_not(profile: Profile) -> None:
    profiled = profile(pack)
    for calls in range(1, 4):
        pack()
        assert profiled() == FIELD.size
        assert counts(profiled.recording) == [calls]
    (copy,) = profiled.recording.copies
    assert copy.bytes == 3 * FIELD.nbytes
    assert copy.user_site.function == "pack"
    assert profiled.recording.trace.meta.complete


def test_the_share_is_of_the_time_in_the_function(profile: Profile) -> None:
    profiled = profile(pack)
    profiled()
    time.sleep(0.2)
    profiled()
    assert profiled.recording.trace.meta.seconds < 0.15


def test_recursion_counts_each_copy_once(profile: Profile) -> None:
    def descend(depth: int) -> None:
        np.ascontiguousarray(FIELD.T)
        if depth:
            profiled(depth - 1)

    profiled = profile(descend)
    profiled(4)
    assert counts(profiled.recording) == [5]


def test_a_generators_consumer_is_not_recorded(profile: Profile) -> None:
    def blocks() -> Generator[Any, None, None]:
        for _ in range(3):
            yield np.ascontiguousarray(FIELD.T)

    profiled = profile(blocks)
    for block in profiled():
        np.asarray(block, np.float32)
    (copy,) = profiled.recording.copies
    assert (copy.count, copy.mechanism) == (3, "numpy.ascontiguousarray")


def test_another_task_is_not_recorded_while_a_coroutine_waits(profile: Profile) -> None:
    async def body() -> None:
        for _ in range(3):
            np.ascontiguousarray(FIELD.T)
            await asyncio.sleep(0)

    async def other() -> None:
        for _ in range(5):
            np.asarray(FIELD, np.float32)
            await asyncio.sleep(0)

    async def both() -> None:
        await asyncio.gather(profiled(), other())

    profiled = profile(body)
    asyncio.run(both())
    (copy,) = profiled.recording.copies
    assert (copy.count, copy.mechanism) == (3, "numpy.ascontiguousarray")


def test_threads_add_up(profile: Profile) -> None:
    profiled = profile(pack)

    def work() -> None:
        for _ in range(20):
            profiled()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(counts(profiled.recording)) == 80


def test_one_profiled_function_in_another_has_its_own_recording(profile: Profile) -> None:
    inner = profile(pack)

    def twice() -> None:
        inner()
        np.asarray(FIELD, np.float32)
        inner()

    outer = profile(twice)
    outer()
    assert counts(inner.recording) == [2]
    assert sorted(counts(outer.recording)) == [1, 2]


def test_inside_a_recorded_block(profile: Profile) -> None:
    profiled = profile(pack)
    with interprobe.record() as trace:
        profiled()
        pack()
    assert counts(profiled.recording) == [1]
    assert sum(counts(trace)) == 2


def test_with_its_own_boundary(profile: Profile) -> None:
    generator = np.random.default_rng(1)

    def draw() -> None:
        generator.random(3)

    profiled = profile(draw, boundary="numpy.random")
    profiled()
    profiled()
    calls = profiled.recording.trace.calls
    assert [(call.function, call.count) for call in calls] == [("Generator.random", 2)]


def test_more_functions_than_there_are_recordings_still_work(profile: Profile) -> None:
    functions = [profile(pack) for _ in range(70)]
    assert [function() for function in functions] == [FIELD.size] * 70
    assert counts(functions[0].recording) == [1]
    assert counts(functions[-1].recording) == []
    (why,) = functions[-1].recording.trace.meta.blind_spots
    assert "64" in why


def test_lines_and_copies_stand_side_by_side(profile: Profile) -> None:
    def body(field: Any) -> float:
        total = 0.0
        for _ in range(4):
            packed = np.ascontiguousarray(field.T)
            total += float(
                np.asarray(packed, np.float32).sum()
            )  # fmt: skip
        return total

    profiled = profile(body, lines=True)
    profiled(FIELD)
    profiled(FIELD)
    (function,) = profiled.recording.trace.lines
    first = body.__code__.co_firstlineno
    seen = {
        line.line - first: (line.hits, line.copies, line.bytes_copied) for line in function.lines
    }
    assert seen[3] == (8, 8, 8 * FIELD.nbytes)
    assert seen[5] == (8, 8, 8 * FIELD.nbytes // 2)
    assert sum(copies for _, copies, _ in seen.values()) == 16
    assert function.file == __file__
    spent = sum(line.seconds for line in function.lines)
    assert 0 < spent <= profiled.recording.trace.meta.seconds


SCRIPT = """\
import sys
import numpy as np
import interprobe

field = np.ones((300, 200))

@interprobe.profile
def pack(times):
    for _ in range(times):
        result = np.ascontiguousarray(field.T)
    return result

@interprobe.profile
def never_called():
    pass

@interprobe.profile(report=False)
def silent():
    return np.asarray(field, np.float32)

@interprobe.profile(memory=True, lines=True)
def measured():
    return np.asfortranarray(field)

print(pack(2).shape, pack(3).shape, silent().shape, measured().shape)
print(pack.recording.copies[0].count if pack.recording.copies else None)
sys.exit(3)
"""


def run(script: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, **environment},
    )


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "solve.py"
    path.write_text(SCRIPT)
    return path


SHAPES = "(200, 300) (200, 300) (300, 200) (300, 200)\n"


def test_at_exit_every_called_function_is_reported_on_standard_error(script: Path) -> None:
    done = run(script)
    assert (done.returncode, done.stdout) == (3, f"{SHAPES}5\n")
    first, second = done.stderr.split("interprobe.profile: ")[1:]
    assert first.startswith(f"pack ({script}:7)\n")
    assert "5 copies" in first
    assert "result = np.ascontiguousarray(field.T)" in first
    assert second.startswith(f"measured ({script}:21)\n")
    assert "Lines of measured" in second
    assert "Resident memory peaked" in second
    assert "Traceback" not in done.stderr


def test_switched_off_the_program_runs_alone(script: Path) -> None:
    done = run(script, INTERPROBE="off")
    assert (done.returncode, done.stdout, done.stderr) == (3, f"{SHAPES}None\n", "")


def test_a_worker_process_takes_a_profiled_function_by_name(tmp_path: Path) -> None:
    path = tmp_path / "pool.py"
    path.write_text(
        "import multiprocessing, sys\n"
        "import numpy as np\n"
        "import interprobe\n"
        "@interprobe.profile(report=False)\n"
        "def total(n):\n"
        "    return float(np.asarray(np.ones(n), np.float32).sum())\n"
        "if __name__ == '__main__':\n"
        "    total(2)\n"
        "    with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:\n"
        "        print(pool.map(total, [1, 2, 3]))\n"
    )
    for method in ("fork", "spawn"):
        done = subprocess.run(
            [sys.executable, str(path), method],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (done.returncode, done.stdout) == (0, "[1.0, 2.0, 3.0]\n"), done.stderr
