"""Runs both sides of a scenario: records each once, times each several times without a recorder."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from interprobe.analysis import analyse
from interprobe.cli.showcase.catalogue import Scenario
from interprobe.recorder import Recorder
from interprobe.this_machine import with_machine
from interprobe.trace import Trace

_WARM_UP_SIZE = 1
"""In MiB."""
_ROUNDS = 5
_ENOUGH_SECONDS = 2.0
"""No further round begins when the rounds have taken this long."""


@dataclass(frozen=True)
class Side:
    """One side of a scenario.

    Attributes:
        trace: What was recorded, analysed.
        numbers: What it computed.
        times: Seconds of each round, without a recorder.
    """

    trace: Trace
    numbers: tuple[float, ...]
    times: tuple[float, ...]


@dataclass(frozen=True)
class Outcome:
    """Both sides of a scenario that was run."""

    name: str
    scenario: Scenario
    size: int
    """In MiB."""
    bad: Side
    good: Side

    @property
    def found(self) -> tuple[str, ...]:
        """Codes of the bad side's findings, sorted, each once."""
        return tuple(sorted({finding.rule for finding in self.bad.trace.findings}))

    @property
    def as_expected(self) -> bool:
        """Whether the bad side yields the expected codes and no other, and the good side none."""
        expected = tuple(sorted(self.scenario.EXPECTED))
        return self.found == expected and not self.good.trace.findings

    @property
    def numbers_agree(self) -> bool:
        """Whether both sides computed the same numbers, to the last bit."""
        return self.bad.numbers == self.good.numbers

    @property
    def holds(self) -> bool:
        """Whether the scenario shows what it says."""
        return self.as_expected and self.numbers_agree is self.scenario.SAME_NUMBERS

    @property
    def speedup(self) -> float:
        """How many times faster the good side is, by the best round of each."""
        return min(self.bad.times) / min(self.good.times)

    @property
    def speedup_range(self) -> tuple[float, float]:
        """The lowest and the highest speedup among the rounds; each round runs both sides."""
        ratios = [bad / good for bad, good in zip(self.bad.times, self.good.times, strict=True)]
        return min(ratios), max(ratios)


def run(name: str, scenario: Scenario, size: int | None = None) -> Outcome:
    """Run a scenario.

    Args:
        name: Its name.
        scenario: Its module.
        size: Size of the data in MiB; the scenario's own by default.
    """
    size = scenario.SIZE if size is None else size
    small = scenario.prepare(_WARM_UP_SIZE)
    scenario.bad(small)
    scenario.good(small)
    data = scenario.prepare(size)
    bad_trace, bad_numbers = _record(f"{name}: bad", scenario, scenario.bad, data)
    good_trace, good_numbers = _record(f"{name}: good", scenario, scenario.good, data)
    bad_times, good_times = [], []
    began = time.perf_counter()
    for _ in range(_ROUNDS):
        # In turns, so that a slow spell of the machine meets both.
        bad_times.append(_time(scenario.bad, data))
        good_times.append(_time(scenario.good, data))
        if time.perf_counter() - began > _ENOUGH_SECONDS:
            break
    return Outcome(
        name=name,
        scenario=scenario,
        size=size,
        bad=Side(bad_trace, bad_numbers, tuple(bad_times)),
        good=Side(good_trace, good_numbers, tuple(good_times)),
    )


def _record(
    label: str, scenario: Scenario, side: Callable[[Any], tuple[float, ...]], data: Any
) -> tuple[Trace, tuple[float, ...]]:
    recorder = Recorder(argv=[label], own_paths=[os.path.dirname(scenario.__file__)])
    recorder.start()
    try:
        numbers = side(data)
    finally:
        trace = recorder.stop()
    return analyse(with_machine(trace)), numbers


def _time(side: Callable[[Any], tuple[float, ...]], data: Any) -> float:
    began = time.perf_counter()
    side(data)
    return time.perf_counter() - began
