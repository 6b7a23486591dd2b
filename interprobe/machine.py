"""The machine that a run was recorded on: its caches, its cores and what its memory gives."""

from __future__ import annotations

import msgspec


class Machine(msgspec.Struct, frozen=True):
    """What a program's speed can be held against; None is what could not be found out.

    Attributes:
        caches: Bytes of the data caches that one core reaches, the first level first.
        line: Bytes that memory and caches move at a time.
        cores: How many cores the process may use.
        bandwidth_read: Bytes per second that memory gives to one thread that walks forward.
        bandwidth_copy: Bytes per second of one thread that computes ``y += s * x``: ``x`` counts
            once, ``y`` twice, as it is read and written.
    """

    caches: list[int] = []
    line: int | None = None
    cores: int | None = None
    bandwidth_read: float | None = None
    bandwidth_copy: float | None = None

    def level_holding(self, nbytes: float) -> int | None:
        """The first cache level that has room for so many bytes, from 1; None: only memory has."""
        levels = (level for level, size in enumerate(self.caches, 1) if nbytes <= size)
        return next(levels, None)
