"""The ladder as a report draws it."""

from __future__ import annotations

import msgspec
import pytest
from report_builders import call, layout, site, trace

from interprobe.machine import Machine
from interprobe.renderers import svg, terminal
from interprobe.trace import Argument, Trace

MACHINE = Machine(
    caches=[32_768, 1_048_576], line=64, cores=4, bandwidth_read=20e9, bandwidth_copy=25e9
)
LINE = "total = lib.dsum(x)"


def run(nbytes: int, seconds: float, machine: Machine | None = MACHINE) -> Trace:
    given = Argument(0, None, None, None, layout(shape=(nbytes // 8,)))
    record = call(site(7, LINE, "lib.dsum(x)"), arguments=[given], seconds=seconds, lent=nbytes)
    return msgspec.structs.replace(trace(calls=[record], seconds=0.1), machine=machine)


def drawn(run_of: Trace, width: int = 120) -> str:
    return terminal.render(run_of, width=width, color=False)


@pytest.mark.parametrize(
    ("nbytes", "seconds", "share", "left"),
    [
        (80_000_000, 0.005, "80 %", "memory-bound"),
        (80_000_000, 0.04, "10 %", "up to 10x"),
        (80_000_000, 0.4, "1.0 %", "up to 100x"),
        (80_000_000, 0.001, "400 %", "several threads?"),
        (800_000, 0.02, "-", "fits in L2"),
    ],
)
def test_a_row_tells_memory_bound_from_ten_times_left(
    nbytes: int, seconds: float, share: str, left: str
) -> None:
    report = drawn(run(nbytes, seconds))
    (row,) = [line for line in report.splitlines() if line.rstrip().endswith(left)]
    assert "dsum (libkernels.so)" in row
    assert f" {share} " in row


def test_the_title_says_what_memory_gives_and_a_line_what_is_counted() -> None:
    report = drawn(run(80_000_000, 0.04))
    assert "Against this machine's memory: 20.0 GB/s read, 25.0 GB/s read and written" in report
    assert "A call that walks over gaps moves more than that" in " ".join(report.split())


@pytest.mark.parametrize("machine", [None, Machine(), Machine(caches=[32_768], cores=2)])
def test_without_a_measured_bandwidth_there_is_no_ladder(machine: Machine | None) -> None:
    assert "machine's memory" not in drawn(run(80_000_000, 0.04, machine))


def test_the_picture_has_it_too() -> None:
    picture = svg.render(run(80_000_000, 0.04), width=120, color=True)
    assert "up&#160;to&#160;10x" in picture


@pytest.mark.parametrize("width", [60, 80, 109])
def test_a_narrow_report_keeps_the_figures_whole(width: int) -> None:
    report = drawn(run(80_000_000, 0.04), width)
    assert "2.00 GB/s" in report
    assert max(map(len, report.splitlines())) <= width
