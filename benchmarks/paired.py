"""Interleaves runs of plain Python and of profilers, so that both meet the same disturbances."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar

from benchmarks.processes import RunError
from benchmarks.profilers import INTERPROBE, PLAIN, Profiler

T = TypeVar("T")


class Trio(NamedTuple, Generic[T]):
    """A run under a profiler, and the plain runs just before and after it."""

    before: T
    profiled: T
    after: T


@dataclass
class Rounds(Generic[T]):
    """What the runs of one benchmark measured.

    Attributes:
        plain: Of all plain runs, in order: the difference of neighbours is the noise.
        profiled: Of each profiler's runs.
        failures: Why a profiler has no runs, a sentence.
    """

    plain: list[T] = field(default_factory=list)
    profiled: dict[str, list[Trio[T]]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def picked(self, pick: Callable[[T], float]) -> Rounds[float]:
        """The same runs with one number of what they measured."""
        return Rounds(
            [pick(value) for value in self.plain],
            {
                name: [Trio(*(pick(value) for value in trio)) for trio in trios]
                for name, trios in self.profiled.items()
            },
            self.failures,
        )


def run_rounds(
    measure: Callable[[Profiler], T],
    profilers: Sequence[Profiler],
    *,
    rounds: int,
    peer_rounds: int,
) -> Rounds[T]:
    """Measure plain, a profiler, plain, the next profiler, plain, ... again and again.

    Args:
        measure: Runs one process and returns what it measured.
        profilers: Those besides plain Python.
        rounds: How often interprobe is run.
        peer_rounds: In how many of these rounds the peers take part.

    Raises:
        RunError: Plain Python or interprobe failed; a peer that fails is left out instead.
    """
    found: Rounds[T] = Rounds([measure(PLAIN)])
    for number in range(rounds):
        for profiler in profilers if number < peer_rounds else [INTERPROBE]:
            if profiler.name in found.failures:
                continue
            value = _attempted(measure, profiler, found.failures)
            if value is None:
                found.profiled.pop(profiler.name, None)
                continue
            found.plain.append(measure(PLAIN))
            trio = Trio(found.plain[-2], value, found.plain[-1])
            found.profiled.setdefault(profiler.name, []).append(trio)
    return found


def _attempted(
    measure: Callable[[Profiler], T], profiler: Profiler, failures: dict[str, str]
) -> Any:
    """What ``profiler`` measured; None where it is missing or failed, with the reason noted."""
    reason = profiler.missing()
    if reason is None:
        try:
            return measure(profiler)
        except RunError as error:
            if profiler is INTERPROBE:
                raise
            reason = str(error)
    failures[profiler.name] = reason
    return None
