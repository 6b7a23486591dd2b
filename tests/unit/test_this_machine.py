"""What the kernel's files say of a machine, and how much memory its test may take."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from trace_builder import called, trace_of

from interprobe import this_machine
from interprobe.machine import Machine
from interprobe.trace import Trace


def write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text + "\n")


def caches_of_a_desktop(folder: Path) -> Path:
    line = {"coherency_line_size": "64"}
    write(folder / "index0", level="1", type="Data", size="32K", **line)
    write(folder / "index1", level="1", type="Instruction", size="64K", **line)
    write(folder / "index2", level="2", type="Unified", size="1024K", **line)
    write(folder / "index3", level="3", type="Unified", size="32M", **line)
    return folder


def test_data_caches_are_read_by_level_and_instruction_caches_are_not(tmp_path: Path) -> None:
    sizes, line = this_machine._caches_of_sysfs(caches_of_a_desktop(tmp_path))
    assert sizes == [32 << 10, 1 << 20, 32 << 20]
    assert line == 64


@pytest.mark.parametrize("size", ["", "many", "32Q", "-1K"])
def test_a_cache_of_unreadable_size_is_left_out(tmp_path: Path, size: str) -> None:
    write(tmp_path / "index0", level="1", type="Data", size=size, coherency_line_size="64")
    assert this_machine._caches_of_sysfs(tmp_path) == ([], None)


def test_a_machine_without_these_files_has_no_known_caches(tmp_path: Path) -> None:
    assert this_machine._caches_of_sysfs(tmp_path / "nowhere") == ([], None)


def test_a_quota_of_the_second_version_is_time_over_period(tmp_path: Path) -> None:
    write(tmp_path, cpu__max="150000 100000")
    assert this_machine._quota(tmp_path) == 1.5


def test_a_quota_of_the_first_version_is_read_too(tmp_path: Path) -> None:
    write(tmp_path, cpu__cfs_quota_us="400000", cpu__cfs_period_us="100000")
    assert this_machine._quota(tmp_path) == 4.0


@pytest.mark.parametrize(
    "files",
    [
        {"cpu__max": "max 100000"},
        {"cpu__cfs_quota_us": "-1", "cpu__cfs_period_us": "100000"},
        {"cpu__max": "100000 0"},
        {},
    ],
)
def test_no_limit_is_no_quota(tmp_path: Path, files: dict[str, str]) -> None:
    write(tmp_path, **files)
    assert this_machine._quota(tmp_path) is None


def test_a_quota_below_the_affinity_limits_the_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(this_machine.os, "sched_getaffinity", lambda _: set(range(8)))
    monkeypatch.setattr(this_machine, "_groups", lambda _: [tmp_path / "own", tmp_path])
    write(tmp_path / "own", cpu__max="max 100000")
    write(tmp_path, cpu__max="250000 100000")
    assert this_machine._usable_cores() == 3


def test_control_groups_are_found_from_the_inside_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    membership = tmp_path / "cgroup"
    membership.write_text("4:memory:/jobs/one\n1:cpu,cpuacct:/jobs/two\n0::/jobs/three\n")
    monkeypatch.setattr(this_machine, "_MEMBERSHIP", membership)
    monkeypatch.setattr(this_machine, "_CGROUPS", tmp_path)
    (tmp_path / "memory").mkdir()
    assert list(this_machine._groups("memory")) == [
        tmp_path / "memory/jobs/one",
        tmp_path / "memory/jobs",
        tmp_path / "memory",
        tmp_path / "jobs/three",
        tmp_path / "jobs",
        tmp_path,
    ]


def test_the_least_of_all_limits_is_what_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = tmp_path / "meminfo"
    memory.write_text("MemTotal:  9000000 kB\nMemAvailable:   4000000 kB\n")
    monkeypatch.setattr(this_machine, "_MEMORY", memory)
    monkeypatch.setattr(this_machine, "_groups", lambda _: [tmp_path])
    write(tmp_path, memory__max="3000000000", memory__current="2900000000")
    assert this_machine._free_memory() == 100_000_000


MIB = 1 << 20


def test_the_test_of_memory_walks_through_more_than_the_last_cache_holds() -> None:
    assert this_machine._buffer_bytes([32 << 10, MIB, 32 * MIB], 64 << 30) == 96 * MIB


def test_it_takes_no_more_than_128_mib_and_no_large_part_of_what_is_free() -> None:
    assert this_machine._buffer_bytes([100 * MIB], 64 << 30) == 128 * MIB
    assert this_machine._buffer_bytes([8 * MIB], 640 * MIB) == 32 * MIB
    assert this_machine._buffer_bytes([8 * MIB], 2 * 640 * MIB - 16) == 32 * MIB


def test_where_memory_is_scarce_or_the_cache_too_large_nothing_is_measured() -> None:
    assert this_machine._buffer_bytes([8 * MIB], 100 * MIB) is None
    assert this_machine._buffer_bytes([512 * MIB], 64 << 30) is None


def test_unknown_caches_ask_for_the_largest_buffer() -> None:
    assert this_machine._buffer_bytes([], None) == 128 * MIB


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """What the native test was asked for; it measures nothing."""
    asked: list[int] = []

    def measure(nbytes: int, _nanoseconds: int) -> tuple[float, float]:
        asked.append(nbytes)
        return 2e10, 3e10

    this_machine._bandwidth.cache_clear()
    monkeypatch.setattr(this_machine.native, "measure_bandwidth", measure)
    yield asked
    this_machine._bandwidth.cache_clear()


def long_calls() -> Trace:
    call = msgspec.structs.replace(called("lib.f(x)", []), bytes_borrowed=8_000_000, count=10)
    return trace_of(call)


def test_memory_is_measured_once_where_calls_can_be_judged(measured: list[int]) -> None:
    for _ in range(2):
        machine = this_machine.with_machine(long_calls()).machine
        assert machine is not None
        assert (machine.bandwidth_read, machine.bandwidth_copy) == (2e10, 3e10)
    assert len(measured) == 1


def test_a_run_without_long_calls_costs_no_measurement(measured: list[int]) -> None:
    machine = this_machine.with_machine(trace_of()).machine
    assert machine is not None
    assert machine.bandwidth_read is None
    assert measured == []


def test_memory_that_is_refused_leaves_the_bandwidth_unknown(
    measured: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_nbytes: int, _nanoseconds: int) -> tuple[float, float]:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(this_machine.native, "measure_bandwidth", refuse)
    machine = this_machine.with_machine(long_calls()).machine
    assert machine is not None
    assert machine.bandwidth_read is None


def test_the_level_that_holds_data_is_the_first_with_room() -> None:
    machine = Machine(caches=[32 << 10, MIB, 32 * MIB])
    assert machine.level_holding(1000) == 1
    assert machine.level_holding(MIB) == 2
    assert machine.level_holding(MIB + 1) == 3
    assert machine.level_holding(33 * MIB) is None
    assert Machine().level_holding(1) is None
