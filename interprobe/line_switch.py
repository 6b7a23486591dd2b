"""Turns line_profiler on and off, from any thread."""

from __future__ import annotations

import functools
import os
import sys
import threading
from collections import Counter
from typing import Any


class ThreadSwitch:
    """Turns line_profiler on in the calling thread: its trace function is the thread's own."""

    per_thread = True

    def enable(self, profiler: Any) -> None:
        """Turn it on until as many calls of :meth:`disable`."""
        profiler.enable_by_count()

    def enable_in_new_thread(self, profiler: Any) -> None:
        """Turn it on in a thread that has just begun, and that nobody will turn it off in."""
        # line_profiler keeps its state by thread number, which a new thread takes from one that
        # ended while it was timed: without this it would count as timed already.
        profiler._manager.active_instances.clear()
        self.enable(profiler)

    def disable(self, profiler: Any) -> None:
        """Undo one :meth:`enable` of this thread."""
        profiler.disable_by_count()


class ProcessSwitch:
    """Turns line_profiler on in all threads: ``sys.monitoring`` has one tool for the process.

    line_profiler itself keeps one manager of that tool for each thread. When two threads enable
    and disable in turns, the first to end takes the events from the second, whose own end then
    fails. All threads share one manager here. It has a tool of its own, so that cProfile, which
    refuses to start while line_profiler has the usual one, still works in the program.
    """

    per_thread = False

    def __init__(self) -> None:
        self._manager: Any = None
        self._counts: Counter[Any] = Counter()
        self._renew_lock()
        # A forked child may find the lock held by a thread that it does not have.
        os.register_at_fork(after_in_child=self._renew_lock)

    def enable(self, profiler: Any) -> None:
        """Turn it on until as many calls of :meth:`disable`, from any thread."""
        with self._lock:
            if not self._counts:
                manager = profiler._manager
                self._manager = type(manager)(_free_tool(profiler.tool_id), False, False)
            self._counts[profiler] += 1
            if self._counts[profiler] == 1:
                self._manager._handle_enable_event(profiler)

    def enable_in_new_thread(self, profiler: Any) -> None:
        """Nothing is left to do: the process's tool sees every thread."""

    def disable(self, profiler: Any) -> None:
        """Undo one :meth:`enable`."""
        with self._lock:
            self._counts[profiler] -= 1
            if self._counts[profiler] == 0:
                del self._counts[profiler]
                self._manager._handle_disable_event(profiler)

    def _renew_lock(self) -> None:
        self._lock = threading.RLock()


def _free_tool(usual: int) -> int:
    monitoring: Any = vars(sys)["monitoring"]
    # CPython gives the tools 0, 1, 2 and 5 a purpose; 3 and 4 are anyone's.
    return next((tool for tool in (3, 4) if monitoring.get_tool(tool) is None), usual)


@functools.cache
def line_switch() -> ThreadSwitch | ProcessSwitch:
    """The switch that fits the way in which line_profiler watches lines in this process."""
    from line_profiler import _diagnostics

    return ThreadSwitch() if _diagnostics.USE_LEGACY_TRACE else ProcessSwitch()
