"""Chooses, between a replay's two states of the caches, the one that the calls were in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from interprobe.replays import Replay

DISAGREES: Final = 1.4
"""From this ratio on, a time in the child and one in the program are not the same state."""


def typical_seconds(count: int, seconds: float, longest: float) -> float:
    """What one call of a record took as a rule: the first ones, in cold memory, are the longest.

    Args:
        count: Of the record's calls.
        seconds: Of all of them.
        longest: Of the longest one.
    """
    if count <= 0:
        return 0.0
    return (seconds - longest) / (count - 1) if count > 1 and seconds > longest else seconds / count


def choose(
    replays: Sequence[Replay], in_place: float, *, of_difference: bool = False
) -> list[Replay]:
    """One replay of each change: in the state whose time as it was is nearest to that in place.

    Where neither is near, the interval spans both.

    Args:
        replays: Of one record; warm and evicted ones of the same change.
        in_place: Seconds of one call, as the program saw it; of one copy, for a copy's record.
        of_difference: It is a copy's: its time in the child is what the change leaves out.
    """
    by_change: dict[tuple[str, tuple[int, ...]], list[Replay]] = {}
    for each in replays:
        by_change.setdefault((each.change, tuple(each.positions)), []).append(each)
    return [_chosen(states, in_place, of_difference) for states in by_change.values()]


def _chosen(states: Sequence[Replay], in_place: float, of_difference: bool) -> Replay:
    def seen(replay: Replay) -> float:
        return replay.as_is - replay.changed if of_difference else replay.as_is

    measured = [each for each in states if each.passes and seen(each) > 0]
    if not measured:
        return max(states, key=lambda each: each.passes)
    if in_place <= 0:
        return measured[0]
    nearest = min(measured, key=lambda each: _distance(seen(each), in_place))
    if _distance(seen(nearest), in_place) < DISAGREES or len(measured) == 1:
        return nearest
    lows = [each.low for each in measured if each.low is not None]
    highs = [each.high for each in measured if each.high is not None]
    return replace(
        nearest,
        cache="either",
        low=min(lows) if lows else None,
        high=max(highs) if highs else None,
    )


def _distance(one: float, other: float) -> float:
    return max(one / other, other / one)
