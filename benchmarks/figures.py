"""Medians and spreads of paired runs, as they stand in results.json."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from itertools import pairwise
from typing import TypedDict

from benchmarks.paired import Trio


class Figure(TypedDict):
    """A median with its quartiles, and how many values they are made of."""

    median: float
    low: float
    high: float
    runs: int


def figure_of(values: Sequence[float]) -> Figure:
    """Median and quartiles of at least one value."""
    if len(values) == 1:
        low = median = high = values[0]
    else:
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Figure(median=median, low=low, high=high, runs=len(values))


def added(trios: Sequence[Trio[float]]) -> Figure:
    """What a profiler added over the mean of the plain runs before and after it."""
    return figure_of([trio.profiled - (trio.before + trio.after) / 2 for trio in trios])


def ratio(trios: Sequence[Trio[float]]) -> Figure:
    """The profiled run as a multiple of the mean of the plain runs before and after it."""
    return figure_of([trio.profiled / ((trio.before + trio.after) / 2) for trio in trios])


def noise_floor(plain: Sequence[float]) -> float:
    """How far plain Python lies from itself: the median distance of neighbouring plain runs."""
    return statistics.median(abs(after - before) for before, after in pairwise(plain))
