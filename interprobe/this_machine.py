"""Finds out what this machine has: caches, cores, and what its memory gives to one thread."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from interprobe import native, traffic
from interprobe.machine import Machine
from interprobe.trace import Trace

_SYSFS = Path("/sys/devices/system/cpu/cpu0/cache")
_CGROUPS = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")
_MEMORY = Path("/proc/meminfo")

_NANOSECONDS = 60_000_000
"""That the test of memory may take, about."""

_LEAST_BUFFER = 32 << 20
_LARGEST_BUFFER = 128 << 20
_TIMES_LAST_CACHE = 3
_LEAST_TIMES_LAST_CACHE = 1.2
"""A buffer that is smaller than that would lie in the cache as much as in memory."""

_SHARE_OF_FREE_MEMORY = 16


def with_machine(trace: Trace) -> Trace:
    """Add this machine to the trace of a run that has just ended on it.

    What its memory gives is measured only where something in the run can be held against it, once
    in a process: that takes some 60 ms and, for as long, up to 128 MB of fresh memory.

    Args:
        trace: The run.
    """
    machine = described()
    if traffic.has_judged(trace):
        read, copy = _bandwidth()
        machine = msgspec.structs.replace(machine, bandwidth_read=read, bandwidth_copy=copy)
    return msgspec.structs.replace(trace, machine=machine)


@functools.cache
def described() -> Machine:
    """This machine, but for what its memory gives: that would have to be measured."""
    caches, line = _caches_of_sysfs(_SYSFS)
    if not caches:
        caches, line = _caches_of_sysconf()
    return Machine(caches=caches, line=line, cores=_usable_cores())


@functools.cache
def _bandwidth() -> tuple[float | None, float | None]:
    """Bytes per second, reading and in ``y += s * x``; None where that cannot be measured."""
    nbytes = _buffer_bytes(described().caches, _free_memory())
    if nbytes is None:
        return None, None
    try:
        read, copy = native.measure_bandwidth(nbytes, _NANOSECONDS)
    except OSError:  # no room, or a limit on the process's memory
        return None, None
    return read or None, copy or None


def _buffer_bytes(caches: list[int], free: int | None) -> int | None:
    """How much memory to walk through: well beyond the caches, and a small part of what is free."""
    last = max(caches, default=0)
    wanted = max(_LEAST_BUFFER, _TIMES_LAST_CACHE * last) if last else _LARGEST_BUFFER
    room = _LARGEST_BUFFER if free is None else free // _SHARE_OF_FREE_MEMORY
    nbytes = min(wanted, room, _LARGEST_BUFFER)
    large_enough = nbytes >= max(_LEAST_BUFFER, _LEAST_TIMES_LAST_CACHE * last)
    return nbytes if large_enough else None


def _text(path: Path) -> str:
    """What a file of the kernel's says; "" where there is none."""
    try:
        return path.read_text().strip()
    except (OSError, ValueError):
        return ""


def _number(text: str) -> int | None:
    """A number as the kernel writes it: ``32768K``, ``64``; None for anything else."""
    factor = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}.get(text[-1:], 1)
    digits = text[:-1] if factor > 1 else text
    return int(digits) * factor if digits.isdecimal() else None


def _caches_of_sysfs(folder: Path) -> tuple[list[int], int | None]:
    """Sizes of the data caches by level and the length of a line, as the kernel tells them."""
    sizes: dict[int, int] = {}
    line = None
    for index in sorted(folder.glob("index*")):
        level, size = _number(_text(index / "level")), _number(_text(index / "size"))
        if level and size and _text(index / "type") in {"Data", "Unified"}:
            sizes[level] = size
            line = line or _number(_text(index / "coherency_line_size"))
    return [sizes[level] for level in sorted(sizes)], line


def _caches_of_sysconf() -> tuple[list[int], int | None]:
    """The same as the C library tells them: on virtual machines the host's last level, perhaps."""
    names = ("SC_LEVEL1_DCACHE_SIZE", "SC_LEVEL2_CACHE_SIZE", "SC_LEVEL3_CACHE_SIZE")
    found = [_sysconf(name) for name in names]
    return [size for size in found if size], _sysconf("SC_LEVEL1_DCACHE_LINESIZE")


def _sysconf(name: str) -> int | None:
    try:
        value = os.sysconf(name)
    except (OSError, ValueError):
        return None
    return value if value > 0 else None


def _usable_cores() -> int | None:
    """Cores that this process may run on, and that its control group pays for."""
    try:
        allowed = len(os.sched_getaffinity(0))
    except OSError:
        return os.cpu_count()
    quotas = [quota for folder in _groups("cpu") if (quota := _quota(folder)) is not None]
    return max(1, min([allowed, *(math.ceil(quota) for quota in quotas)]))


def _quota(folder: Path) -> float | None:
    """Cores' worth of time that a control group has; None: no limit."""
    words = _text(folder / "cpu.max").split()
    if len(words) != 2:
        words = [_text(folder / "cpu.cfs_quota_us"), _text(folder / "cpu.cfs_period_us")]
    if not all(word.isdecimal() for word in words) or int(words[1]) == 0:
        return None  # "max", "-1", or no such file
    return int(words[0]) / int(words[1])


def _free_memory() -> int | None:
    """Bytes that the machine and the control groups of this process have left."""
    left = []
    for line in _text(_MEMORY).splitlines():
        if line.startswith("MemAvailable:"):
            left += [int(word) * 1024 for word in line.split()[1:2] if word.isdecimal()]
    for folder in _groups("memory"):
        for most, used in (
            ("memory.max", "memory.current"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes"),
        ):
            limit, taken = _number(_text(folder / most)), _number(_text(folder / used))
            if limit is not None and taken is not None:
                left.append(max(0, limit - taken))
    return min(left, default=None)


def _groups(controller: str) -> Iterator[Path]:
    """Folders of one controller's control groups that this process is in, innermost first."""
    for line in _text(_MEMBERSHIP).splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers and controller not in controllers.split(","):
            continue
        root = _CGROUPS / controllers if controllers else _CGROUPS
        if controllers and not root.is_dir():
            root = _CGROUPS / controller
        folder = root / path.lstrip("/")
        while folder != root:
            yield folder
            folder = folder.parent
        yield root
