"""Figures as a report shows them: bytes, seconds, counts and shares, each in one form throughout.

- Bytes are decimal, as disks count: 1 kB is 1000 B, 1 MB is 1000 kB.
- Times are in ns, us, ms or s.
- The unit is the largest that leaves a figure of 1 or more, with three significant digits.
- Shares are in per cent: whole from 10 % up, with one decimal below, ``<0.1 %`` at the end.
- Counts are exact, thousands separated; in tables, from ten million up, in M, G or T.
"""

from __future__ import annotations

import math

from interprobe.wording import bytes_text, seconds_text

_TABLE_COUNT_LIMIT = 10_000_000


def byte_count(count: int) -> str:
    """A number of bytes with a readable unit: ``999 B``, ``1.60 GB``."""
    return f"{count} B" if abs(count) < 1000 else bytes_text(count)


def duration(seconds: float) -> str:
    """A time with a readable unit: ``36.0 ns``, ``1.2 s``; ``unknown`` if it is no number."""
    return seconds_text(seconds) if math.isfinite(seconds) else "unknown"


def share(fraction: float) -> str:
    """A share of a whole, given as 0 to 1, in per cent: ``38 %``, ``4.2 %``, ``<0.1 %``."""
    if not math.isfinite(fraction):
        return "unknown"
    percent = fraction * 100
    if percent <= 0:
        return "0 %"
    if percent < 0.1:
        return "<0.1 %"
    # 9.96 would round to 10.0, which belongs to the form without a decimal.
    return f"{percent:.1f} %" if percent < 9.95 else f"{percent:,.0f} %"


def table_count(count: int) -> str:
    """A count for a table's column: exact up to ten million, scaled above (``12.3 M``)."""
    if abs(count) < _TABLE_COUNT_LIMIT:
        return f"{count:,}"
    for power, unit in ((1e6, "M"), (1e9, "G"), (1e12, "T")):
        if abs(count) < power * 1000:
            return f"{count / power:.1f} {unit}"
    return f"{count:.2e}"
