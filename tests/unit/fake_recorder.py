"""A recorder that records what is asked of it, for tests of those who own one."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace
from trace_builder import trace_of, transposed

from interprobe.trace import Trace


class FakeRecorder:
    """Counts as recorded one copy for each time that it was active."""

    def __init__(self, own_paths: Sequence[str] = ()) -> None:
        self.own_paths = list(own_paths)
        self.asked: list[str] = []
        self.active = False
        self.activations = 0

    def start(self) -> None:
        self._go("start")

    def resume(self) -> None:
        self._go("resume")

    def pause(self) -> None:
        assert self.active
        self.asked.append("pause")
        self.active = False

    def snapshot(self) -> Trace:
        self.asked.append("snapshot")
        trace = self._trace()
        return replace(trace, meta=replace(trace.meta, complete=False))

    def stop(self) -> Trace:
        self.asked.append("stop")
        self.active = False
        return self._trace()

    def _go(self, request: str) -> None:
        assert not self.active
        self.asked.append(request)
        self.active = True
        self.activations += 1

    def _trace(self) -> Trace:
        return trace_of(transposed(count=self.activations, seconds=0.2))
