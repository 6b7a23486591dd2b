"""Chooses, between a replay's two states of the caches, the one that the calls were in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from interprobe.replays import DISAGREES, Replay

AGREES: Final = 1.15
"""Up to this ratio they are: the probes' own time and what else runs make as much."""


_STEADY: Final = 0.25
"""Up to this part of the spread of the calls as they were, the changed ones are steady."""

_ENOUGH: Final = 7
"""Passes that tell a spread."""


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
    replays: Sequence[Replay],
    shortest: float,
    typical: float,
    *,
    of_difference: bool = False,
) -> list[Replay]:
    """One replay of each change: in the state whose time as it was is nearest to that in place.

    Where neither is near, or both are what was seen, the interval spans both. Where even the
    shortest call was slower than with warm caches, and calls as a rule lie between both states,
    they found a part of what they read: arrays that are taken in turn leave each other some room.
    What the change gains then lies as far in between.

    Args:
        replays: Of one record; warm and evicted ones of the same change.
        shortest: Seconds of the shortest call that the program saw; of a copy, for a copy's record.
        typical: Seconds of one as a rule. On a busy machine that is too long: a call that was
            interrupted is as long as the interruption.
        of_difference: It is a copy's: its time in the child is what the change leaves out.
    """
    by_change: dict[tuple[str, tuple[int, ...]], list[Replay]] = {}
    for each in replays:
        by_change.setdefault((each.change, tuple(each.positions)), []).append(each)
    chosen = [
        _chosen(states, shortest, typical, of_difference=of_difference)
        for states in by_change.values()
    ]
    return chosen if of_difference else [_as_in_program(each, typical) for each in chosen]


def _chosen(
    states: Sequence[Replay], shortest: float, typical: float, *, of_difference: bool
) -> Replay:
    def seen(replay: Replay) -> float:
        return replay.as_is - replay.changed if of_difference else replay.as_is

    measured = [each for each in states if each.passes and seen(each) > 0]
    if not measured:
        return max(states, key=lambda each: each.passes)
    if shortest <= 0 or typical <= 0:
        return measured[0]
    between = None if of_difference else _between(measured, shortest, typical)
    if between is not None:
        return between
    off = {each.cache: _off(seen(each), shortest, typical) for each in measured}
    nearest = min(measured, key=lambda each: (off[each.cache], _distance(seen(each), shortest)))
    ambiguous = sum(distance == 1.0 for distance in off.values()) > 1
    if len(measured) == 1 or (off[nearest.cache] < DISAGREES and not ambiguous):
        return nearest
    lows = [each.low for each in measured if each.low is not None]
    highs = [each.high for each in measured if each.high is not None]
    return replace(
        nearest,
        cache="either",
        low=min(lows) if lows else None,
        high=max(highs) if highs else None,
    )


def _between(states: Sequence[Replay], shortest: float, typical: float) -> Replay | None:
    """What lies between warm and evicted where a call as a rule does; None where none does."""
    by_cache = {each.cache: each for each in states}
    warm, evicted = by_cache.get("warm"), by_cache.get("evicted")
    if warm is None or evicted is None:
        return None
    if shortest <= AGREES * warm.as_is or not warm.as_is < typical < evicted.as_is:
        return None
    part = (typical - warm.as_is) / (evicted.as_is - warm.as_is)
    changed = warm.changed + part * (evicted.changed - warm.changed)
    lows = [each.low for each in (warm, evicted) if each.low is not None]
    highs = [each.high for each in (warm, evicted) if each.high is not None]
    return replace(
        warm,
        as_is=typical,
        changed=changed,
        speedup=typical / changed,
        low=min(lows, default=None),
        high=max(highs, default=None),
        cache="either",
    )


def _as_in_program(replay: Replay, typical: float) -> Replay:
    """The replay with the time of the program's calls, where only that of the child's is unsteady.

    What a call finds in a cache that other processors and machines share changes from one moment to
    the next; the child sees some moments of the run, the program's calls all of them. Where the
    changed call takes the same in each, the moments tell on the call as it was alone.
    """
    as_is, changed = replay.as_is_spread, replay.changed_spread
    if as_is is None or changed is None or replay.speedup is None or typical <= 0:
        return replay
    if replay.passes < _ENOUGH or as_is < AGREES or changed - 1 > _STEADY * (as_is - 1):
        return replay
    # Beyond what the child ever saw, the program's calls were interrupted.
    seconds = min(typical, replay.as_is * as_is)
    speedup = seconds / replay.changed
    return replace(
        replay,
        as_is=seconds,
        speedup=speedup,
        low=None if replay.low is None else min(replay.low, speedup),
        high=None if replay.high is None else max(replay.high, speedup),
    )


def _off(seconds: float, shortest: float, typical: float) -> float:
    """How far a time is from all that was seen in place; 1 where it was among that, or nearly."""
    longest = max(shortest, typical)
    ratio = shortest / seconds if seconds < shortest else max(1.0, seconds / longest)
    return ratio if ratio > AGREES else 1.0


def _distance(one: float, other: float) -> float:
    return max(one / other, other / one)
