"""Samples resident memory while a program runs, and remembers the line of the peak."""

from __future__ import annotations

import _thread
import math
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from interprobe.findings import Site
    from interprobe.trace import Trace

INTERVAL = 0.01
"""Default time between two samples, in seconds."""

_Place = tuple[str, int, str]
"""File, line and qualified name of the function."""

_Stack = list[_Place]
"""Where a thread is: its innermost Python frame first."""

_BYTES_PER_MIB = 1024 * 1024

# A thread whose innermost Python frame is in one of these modules waits for another thread, which
# is the one that fills the memory.
_WAITING_MODULES = frozenset({"concurrent.futures._base", "queue", "selectors", "threading"})

# How often a paused thread looks whether its sampler still exists, in seconds.
_IDLE = 1.0

# The OS reports a thread as gone slightly after it has run its last Python code.
_EXIT_PATIENCE = 0.05


class ResidentPeak(NamedTuple):
    """The highest resident memory that was sampled, and where the program was then."""

    bytes: int
    site: Site | None
    """The nearest line of the user's own code; None where no such code was running."""


class ResidentSampler:
    """Reads the resident memory of this process at a fixed interval, with memory_profiler.

    The samples come from a thread of its own, which never keeps the interpreter alive, is unknown
    to :mod:`threading`, and is gone while the process forks. A peak between two samples, or inside
    a native call that keeps the GIL, is missed: the kernel's own peak is in
    ``trace.memory.rss_peak_bytes``. Resident memory is that of the whole process: the interpreter
    and interprobe itself are part of it.
    """

    def __init__(self, interval: float = INTERVAL) -> None:
        """Prepare to sample every ``interval`` seconds.

        Raises:
            ValueError: The interval is not positive.
        """
        if not interval > 0:
            raise ValueError(f"the sampling interval must be positive, not {interval!r} seconds")
        self._interval = interval
        self._highest: tuple[int, list[_Stack]] = (0, [])
        self._active = False
        self._last_sample = -math.inf
        self._worker: _Worker | None = None
        self._read = _memory_reader()

    def start(self) -> None:
        """Begin to sample, or go on after :meth:`pause`, with a sample at once if one is due."""
        if self._active:
            return
        self._active = True
        self._sample_if_due()
        if self._worker is None:
            self._worker = _Worker.begin(self._tick, self._interval)
            _started.add(self)
        else:
            self._worker.resume()

    def pause(self) -> None:
        """Sample no more until :meth:`start`; the thread waits, since a new one costs more."""
        if not self._active:
            return
        self._sample_if_due()
        self._active = False
        if self._worker is not None:
            self._worker.pause()

    def stop(self) -> ResidentPeak:
        """End the sampling, with a last sample, and return the peak of all."""
        if self._active:
            self._sample()
        self._active = False
        _started.discard(self)
        if self._worker is not None:
            self._worker.stop()
            self._worker = None
        return self.peak

    @property
    def peak(self) -> ResidentPeak:
        """The peak of the samples taken so far."""
        resident, stacks = self._highest
        return ResidentPeak(resident, _user_site(stacks))

    def _tick(self) -> None:
        if self._active:
            self._sample()

    def _sample_if_due(self) -> None:
        # A body that is entered and left many times within an interval is not sampled each time.
        if time.monotonic() - self._last_sample >= self._interval:
            self._sample()

    def _sample(self) -> None:
        self._last_sample = time.monotonic()
        try:
            resident = self._read()
        except Exception:
            # The program may have used up its file descriptors: a sample is missing then, and an
            # exception from here would appear in the program's own code.
            return
        if resident > self._highest[0]:
            self._highest = (resident, _stacks())

    def _before_fork(self) -> None:
        if self._worker is not None:
            self._worker.stop()

    def _after_fork_in_parent(self) -> None:
        if self._worker is not None:
            self._worker = _Worker.begin(self._tick, self._interval, paused=not self._active)

    def _after_fork_in_child(self) -> None:
        self._active = False
        self._worker = None


def add_resident_peak(trace: Trace, peak: ResidentPeak) -> Trace:
    """The same trace, with the sampled peak of resident memory among its figures."""
    from msgspec.structs import replace

    memory = replace(
        trace.memory, rss_sampled_peak_bytes=peak.bytes, rss_sampled_peak_site=peak.site
    )
    return replace(trace, memory=memory)


class _Worker:
    """The sampling thread: calls a function at a fixed interval, unless paused."""

    def __init__(self, sample: Callable[[], None], interval: float, *, paused: bool) -> None:
        # The thread ends when the program has forgotten the sampler.
        self._sample = weakref.WeakMethod(sample)
        self._interval = interval
        self._stopping = threading.Event()
        self._going = threading.Event()
        if not paused:
            self._going.set()
        self._native_id = 0
        self._alive = _thread.allocate_lock()
        self._alive.acquire()
        # A thread of `threading` would show in the program's threading.enumerate(), and the
        # program's tracers and profilers would see it.
        _thread.start_new_thread(self._run, ())

    @classmethod
    def begin(
        cls, sample: Callable[[], None], interval: float, *, paused: bool = False
    ) -> _Worker | None:
        """Start the thread; None where the process is out of threads, or is ending."""
        try:
            return cls(sample, interval, paused=paused)
        except RuntimeError:
            return None

    def pause(self) -> None:
        self._going.clear()

    def resume(self) -> None:
        self._going.set()

    def stop(self) -> None:
        self._stopping.set()
        self._going.set()
        self._alive.acquire()
        # CPython counts the threads that the OS knows when it warns about a fork.
        deadline = time.monotonic() + _EXIT_PATIENCE
        while os.path.exists(f"/proc/self/task/{self._native_id}") and time.monotonic() < deadline:
            time.sleep(0)

    def _run(self) -> None:
        self._native_id = _thread.get_native_id()
        try:
            while not self._stopping.wait(self._interval):
                sample = self._sample()
                if sample is None:
                    break
                going = self._going.is_set()
                if going:
                    sample()
                del sample
                if not going:
                    self._going.wait(_IDLE)
        finally:
            self._alive.release()


def _memory_reader() -> Callable[[], int]:
    """A function that returns the resident memory of this process, in bytes."""
    import memory_profiler

    # memory_usage() searches for its backend and sleeps at every call; this is the function that
    # it takes each sample with.
    sample = memory_profiler._get_memory
    backend = memory_profiler.choose_backend()
    return lambda: int(sample(-1, backend) * _BYTES_PER_MIB)


def _stacks() -> list[_Stack]:
    """Where all threads are, the likely causes first: those that work, of these the main thread."""
    main = threading.main_thread().ident
    # Frames are let go at once: one that outlives its call would delay the program's destructors.
    stacks = [
        (frame.f_globals.get("__name__") in _WAITING_MODULES, thread != main, _stack(frame))
        for thread, frame in sys._current_frames().items()
    ]
    stacks.sort(key=lambda stack: stack[:2])
    return [stack for _, _, stack in stacks]


def _stack(frame: FrameType | None) -> _Stack:
    stack = []
    while frame is not None:
        stack.append((frame.f_code.co_filename, frame.f_lineno or 0, frame.f_code.co_qualname))
        frame = frame.f_back
    return stack


def _user_site(stacks: list[_Stack]) -> Site | None:
    """The nearest line of the user's own code in the first thread that runs any."""
    # Found only when someone asks: this may import NumPy, which a sample must not.
    from interprobe import sites

    sites.apply_ownership()
    for stack in stacks:
        for file, line, function in stack:
            if sites.is_user_file(file):
                return sites.site_at(file, function, line, -1, -1, -1)
    return None


_started: weakref.WeakSet[ResidentSampler] = weakref.WeakSet()


def _each_started(act: Callable[[ResidentSampler], None]) -> None:
    for sampler in list(_started):
        act(sampler)


# A program that forks beside a sampling thread would be warned about it, and its child could
# inherit a lock that the thread held.
os.register_at_fork(
    before=lambda: _each_started(ResidentSampler._before_fork),
    after_in_parent=lambda: _each_started(ResidentSampler._after_fork_in_parent),
    after_in_child=lambda: _each_started(ResidentSampler._after_fork_in_child),
)
