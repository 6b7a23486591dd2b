"""How many bytes calls move, and how near that comes to what the machine's memory gives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from interprobe.machine import Machine
from interprobe.trace import Call, Trace
from interprobe.wording import distinct_bytes, is_broadcast

LEAST_SECONDS_OF_CALL = 20e-6
"""A shorter call is the binding's time as much as the kernel's."""

LEAST_SECONDS = 1e-3
"""All calls of a record, at least: less is noise on any machine."""

LEAST_SHARE = 0.01
"""Of a run: what takes less is not worth a line."""

MEMORY_BOUND = 0.6
"""From this share of the bandwidth on, a kernel is as fast as its memory lets it be."""

BEYOND_ONE_THREAD = 1.25
"""Above this share it had more than one thread's bandwidth, or touched less than it was given."""

_SHORTEST = 1e-9
"""No call took less: a shorter time is none."""

_LEAST_OWN = 0.9
"""Share of a call's time that must be its own for its rate to say anything."""


@dataclass(frozen=True)
class Rung:
    """One record of calls, held against the machine.

    Attributes:
        call: The record.
        moved: Bytes of one call: its arrays, each read once, those it wrote counted once more. A
            kernel that touches all elements moves at least that: gaps between them move too.
        seconds: The fastest call; the mean where the calls' arrays differ in size.
        is_mean: Whether it is the mean.
        limit: Bytes per second that memory gives to such a mix of reading and writing; None where
            that was not measured.
        level: The cache level that has room for the arrays, from 1; None: only memory has.
    """

    call: Call
    moved: float
    seconds: float
    is_mean: bool
    limit: float | None
    level: int | None

    @property
    def rate(self) -> float:
        """Bytes per second that the call reached."""
        return self.moved / self.seconds

    @property
    def share(self) -> float | None:
        """Of memory's bandwidth; None where that is unknown, or the arrays may lie in a cache."""
        if self.limit is None or self.level is not None:
            return None
        return self.rate / self.limit


def ladder(trace: Trace) -> list[Rung]:
    """The calls of a run that took long enough to be judged, the longest in all first.

    Args:
        trace: The run; without a machine in it, nothing can be judged but how much was moved.
    """
    machine = trace.machine or Machine()
    calls = sorted(judged(trace), key=lambda call: call.seconds, reverse=True)
    return [_rung(call, machine) for call in calls]


def judged(trace: Trace) -> Iterator[Call]:
    """The calls of native code that took long enough and were given arrays."""
    wall = {process.id: process.seconds for process in trace.processes}
    for call in trace.calls:
        least = max(LEAST_SECONDS, LEAST_SHARE * wall.get(call.process, trace.meta.seconds))
        if (
            call.count > 0
            and call.bytes_borrowed > 0
            and call.seconds >= least
            and call.seconds / call.count >= LEAST_SECONDS_OF_CALL
            and call.seconds_self >= _LEAST_OWN * call.seconds
        ):
            yield call


def has_judged(trace: Trace) -> bool:
    """Whether calls, or operations of NumPy's own, took long enough for the machine to matter."""
    if any(judged(trace)):
        return True
    least = max(LEAST_SECONDS, LEAST_SHARE * trace.meta.seconds)
    return any(operation.seconds >= least for operation in trace.operations)


def _limit(machine: Machine, written: float, moved: float) -> float | None:
    """Bytes per second that memory gives where ``written`` of the bytes moved are written."""
    read, copy = machine.bandwidth_read, machine.bandwidth_copy
    if not read or moved <= 0:
        return read or None
    # A third of what the test of both moves is written.
    both = min(1.0, 3 * written / moved)
    return 1 / ((1 - both) / read + both / (copy or read))


def _rung(call: Call, machine: Machine) -> Rung:
    given = [argument for argument in call.arguments if argument.given is not None]
    full, distinct, written = 0, 0, 0
    for argument in given:
        layout = argument.given
        assert layout is not None
        size = distinct_bytes(layout) if is_broadcast(layout) else layout.nbytes
        full += layout.nbytes
        distinct += size
        written += size if argument.role == "output" else 0
    each = call.bytes_borrowed / call.count
    # Layouts are those of the largest call; the others' proportions are taken for the same.
    scale = each / full if full > 0 else 0.0
    held = distinct * scale if full > 0 else each
    same_size = full > 0 and call.bytes_borrowed == full * call.count
    same_size = same_size and call.seconds_min >= _SHORTEST
    return Rung(
        call=call,
        moved=held + written * scale,
        seconds=call.seconds_min if same_size else call.seconds / call.count,
        is_mean=not same_size,
        limit=_limit(machine, written * scale, held + written * scale),
        level=machine.level_holding(held),
    )
