"""Turns the facts in which experiments with calls are booked into replays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, Literal

from interprobe.facts import Fact
from interprobe.replays import Replay

WHAT_IF: Final = "what-if"
"""Kind of the facts; their text is
``CHANGE|POSITIONS|CACHE|PASSES|AS_IS_NS|CHANGED_NS|SPEEDUP|LOW|HIGH|AS_IS_SPREAD|CHANGED_SPREAD|``
``REASON``: positions separated by commas, times in nanoseconds, and nothing between the bars where
something is unknown."""

_CACHES: Final[dict[str, Literal["warm", "evicted", "either"] | None]] = {
    "warm": "warm",
    "evicted": "evicted",
    "either": "either",
    "": None,
}


def split(facts: Sequence[Fact]) -> tuple[list[Fact], list[Replay]]:
    """The facts that remain facts, and the replays that the others told.

    A fact whose text cannot be read stays a fact, for somebody to see.
    """
    remaining: list[Fact] = []
    replays: list[Replay] = []
    for fact in facts:
        replay = _replay(fact.text) if fact.kind == WHAT_IF and fact.text else None
        if replay is None:
            remaining.append(fact)
        else:
            replays.append(replay)
    return remaining, replays


def _replay(text: str) -> Replay | None:
    """The replay that a fact's text tells; None where it is cut short or malformed."""
    parts = text.split("|", 11)
    if len(parts) != 12 or not parts[0] or parts[2] not in _CACHES:
        return None
    change, positions, cache, passes, as_is, changed, speedup, low, high, *spreads, reason = parts
    try:
        return Replay(
            change=change,
            positions=[int(position) for position in positions.split(",") if position],
            passes=int(passes or 0),
            as_is=(_number(as_is) or 0.0) / 1e9,
            changed=(_number(changed) or 0.0) / 1e9,
            speedup=_number(speedup),
            low=_number(low),
            high=_number(high),
            as_is_spread=_number(spreads[0]),
            changed_spread=_number(spreads[1]),
            cache=_CACHES[cache],
            reason=reason or None,
        )
    except ValueError:
        return None


def _number(text: str) -> float | None:
    if not text:
        return None
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number
