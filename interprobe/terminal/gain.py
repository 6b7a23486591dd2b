"""Says what a fix gains, and how that is known, in plain words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from interprobe.terminal.units import duration

if TYPE_CHECKING:
    from interprobe.findings import Saving

_CACHES = {"warm": "caches warm", "evicted": "caches cold", "either": "caches warm or cold"}
_SAME_TIME = 1e-3
"""How far two times may differ and be that of the same run."""
_TOLD_PROBES = 0.05
"""Of a program's time: from here on it is told that what the probes took is left out."""


def gain_words(saving: Saving, run_seconds: float) -> str:
    """A saving as one sentence.

    Args:
        saving: Of a finding.
        run_seconds: Wall time of the run.

    Returns:
        ``gains 3.1x at this call (2.9 to 3.3, measured, caches warm): 1.2 s of the 4.0 s run``;
        ``estimated 1.2 s of the 4.0 s run; no call takes the copy directly``;
        ``not worth it: measured 1.02x at this call (0.97 to 1.06, caches warm)``;
        ``not measured: the call takes a file``.
    """
    if saving.method == "not measured":
        return f"not measured: {saving.reason}" if saving.reason else "not measured"
    known_by = f"{saving.method} "
    opening = ""
    if saving.verdict in ("not worth it", "undecided"):
        opening = f"{saving.verdict}: "
    elif saving.method == "measured" and saving.speedup is not None:
        opening, known_by = "gains ", ""
    crossing = ""
    if saving.speedup is not None:
        crossing = f"{factor(saving.speedup)} at this call"
    if saving.method == "measured":
        crossing += _circumstances(saving, method=not known_by)
    program = _of_program(saving, run_seconds)
    gained = ": ".join(filter(None, (crossing, program))) or "unknown"
    reason = f"; {saving.reason}" if saving.reason else ""
    return f"{opening}{known_by}{gained}{reason}"


def gain_figure(saving: Saving | None) -> str:
    """A saving in one figure of a table: ``3.1x``, ``~1.8x`` if estimated, ``none``, ``-``."""
    if saving is None or saving.method == "not measured":
        return "-"
    if saving.verdict == "not worth it":
        return "none"
    if saving.speedup is None:
        return "-"
    return f"{'' if saving.method == 'measured' else '~'}{factor(saving.speedup)}"


def factor(speedup: float) -> str:
    """A speedup with three digits at most: ``3.26x``, ``14.2x``, ``1,300x``."""
    if not math.isfinite(speedup):
        return "unknown"
    if speedup >= 99.95:
        return f"{speedup:,.0f}x"
    return f"{speedup:.1f}x" if speedup >= 9.995 else f"{speedup:.2f}x"


def _circumstances(saving: Saving, *, method: bool) -> str:
    """What belongs to a measurement, in brackets: its interval, the state of the caches."""
    parts = []
    if saving.low is not None and saving.high is not None:
        low, high = factor(saving.low).rstrip("x"), factor(saving.high).rstrip("x")
        parts.append(f"{low} to {high}")
    if method:
        parts.append("measured")
    if saving.cache:
        parts.append(_CACHES.get(saving.cache, saving.cache))
    return f" ({', '.join(parts)})" if parts else ""


def _of_program(saving: Saving, run_seconds: float) -> str:
    """What the program saves: ``1.2 s of the 4.0 s run``."""
    if saving.seconds is None:
        return ""
    if saving.seconds <= 0:
        return "no time"
    saved = duration(saving.seconds)
    whole = saving.program_seconds
    if whole is None:
        return saved
    told = f"{saved} of the {duration(whole)}"
    is_run = abs(whole + saving.probe_seconds - run_seconds) <= _SAME_TIME * run_seconds
    if saving.probe_seconds > _TOLD_PROBES * whole:
        return f"{told} that {'the run takes' if is_run else 'its processes take'} unobserved"
    return f"{told} {'run' if is_run else 'that its processes took'}"
