"""What a call took when it was repeated with one thing changed: the measured counterfactual."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

DISAGREES: Final = 1.4
"""From this ratio on, a time in the child and one in the program are not of the same state."""


NO_CROSSING: Final = "no-crossing"
"""The change that calls a C function as compiled code does. What it takes then is part of the
call's turn (turns.py), and no replay of the trace: no other arguments stand for it."""


class Replay(msgspec.Struct, frozen=True):
    """One experiment: a call as it was, and with other arguments, in turns in a forked child.

    Attributes:
        change: What was different: the name that a file of ``native/`` gives it. ``conforming``:
            arrays as the callee had them converted to. ``contiguous``: strided arrays without gaps.
            ``other-order``: matrices with their axes in the other order. ``padded``: rows a little
            apart that started a power of two apart. ``aligned``: misaligned elements aligned.
            ``same-layout``: the control of these four, copies of the same layout.
        positions: The arguments that were replaced, from 0.
        passes: How often both were timed; 0 where nothing could be measured.
        as_is: Seconds of one call as it was, in the child: the median.
        changed: The same with the change.
        speedup: Median of ``as_is / changed`` over the pairs; None where nothing was measured.
        low: Lower end of the interval that holds the speedup.
        high: Its upper end.
        as_is_spread: How far the passes' times as it was lie apart: their upper quartile by their
            lower one; None where nothing was measured.
        changed_spread: The same with the change.
        cache: The state that agrees with the time seen in place: ``warm`` where the calls followed
            each other, ``evicted`` where their arrays were taken out of the caches before each;
            ``either`` where neither agrees, and the interval spans both.
        reason: Why nothing was measured.
    """

    change: str
    positions: list[int]
    passes: int = 0
    as_is: float = 0.0
    changed: float = 0.0
    speedup: float | None = None
    low: float | None = None
    high: float | None = None
    as_is_spread: float | None = None
    changed_spread: float | None = None
    cache: Literal["warm", "evicted", "either"] | None = None
    reason: str | None = None
