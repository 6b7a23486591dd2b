"""``interprobe.record()`` with the real probes."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import interprobe
from interprobe.trace import load

FIELD = np.ones((300, 200))


def test_the_copies_of_the_block_and_no_others() -> None:
    np.ascontiguousarray(FIELD.T)
    with interprobe.record() as trace:
        for _ in range(3):
            np.ascontiguousarray(FIELD.T)
    np.ascontiguousarray(FIELD.T)
    (copy,) = trace.copies
    assert (copy.count, copy.bytes) == (3, 3 * FIELD.nbytes)
    assert (copy.user_site.file, copy.user_site.expression) == (
        __file__,
        "np.ascontiguousarray(FIELD.T)",
    )
    assert {finding.rule for finding in trace.findings} >= {"IP102"}
    assert trace.trace.meta.complete


def test_the_inner_block_is_part_of_the_outer_one() -> None:
    with interprobe.record() as outer:
        np.ascontiguousarray(FIELD.T)
        with interprobe.record() as inner:
            np.asarray(FIELD, np.float32)
        np.asarray(FIELD, np.float32)
    assert sum(copy.count for copy in inner.copies) == 1
    assert sum(copy.count for copy in outer.copies) == 3


def test_after_an_exception_what_came_before_it_is_there() -> None:
    with pytest.raises(ValueError, match="cannot reshape"), interprobe.record() as trace:
        np.ascontiguousarray(FIELD.T).reshape(7, 7)
    assert [copy.count for copy in trace.copies] == [1]


def test_a_block_in_each_of_several_threads() -> None:
    traces = []

    def work() -> None:
        with interprobe.record() as trace:
            np.ascontiguousarray(FIELD.T)
        traces.append(trace)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # A block sees all threads, so its own copy is the least that it has.
    assert all(sum(copy.count for copy in trace.copies) >= 1 for trace in traces)


def test_the_report_shows_the_users_line(tmp_path: Path) -> None:
    with interprobe.record() as trace:
        np.ascontiguousarray(FIELD.T)
    text = io.StringIO()
    trace.report(file=text, width=90)
    assert "IP102 order-mismatch" in text.getvalue()
    assert "test_recorded_block.py:" in text.getvalue()
    assert "np.ascontiguousarray(FIELD.T)" in text.getvalue()
    trace.save(tmp_path / "trace.json")
    assert load(tmp_path / "trace.json") == trace.trace


def test_the_peak_of_the_block_with_its_line() -> None:
    size = 96 * 1024 * 1024
    with interprobe.record(memory=True) as trace:
        held = np.ones(size // 8)
        end = held.sum()
    assert end == size // 8
    memory = trace.trace.memory
    assert memory.numpy_peak_bytes >= size
    assert memory.numpy_peak_site is not None
    assert memory.numpy_peak_site.expression == "np.ones(size // 8)"
    assert memory.rss_sampled_peak_bytes is not None
    assert size < memory.rss_sampled_peak_bytes <= memory.rss_peak_bytes + size // 8
    assert memory.rss_sampled_peak_site is not None
    assert memory.rss_sampled_peak_site.file == __file__


def test_in_the_interactive_interpreter() -> None:
    session = (
        "import numpy as np, interprobe\n"
        "field = np.ones((300, 200))\n"
        "with interprobe.record() as trace:\n"
        "    packed = np.ascontiguousarray(field.T)\n"
        "\n"
        "trace.report(width=80)\n"
    )
    done = subprocess.run(
        [sys.executable, "-i", "-q"],
        input=session,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "IP102 order-mismatch" in done.stdout
    assert "<stdin>" in done.stdout or "<python-input" in done.stdout
    assert "Traceback" not in done.stderr
