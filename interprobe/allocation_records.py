"""Where a run made large blocks of array data, how fresh they were, and what made the peak."""

from __future__ import annotations

import msgspec

from interprobe.findings import Site


class Allocation(msgspec.Struct, frozen=True):
    """Blocks of 1 MiB and more that NumPy allocated for array data at one place, of one size class.

    Attributes:
        nbytes: Size of the largest; the others are more than half as large.
        ended: How many were freed before the recording ended.
        live_most: How many were alive at one time, at most.
        touched_bytes: Of those that were freed: bytes of pages that were touched for the first time
            while they lived, so that the kernel had to find and clear them.
        touched_seconds: What memory costs that is fresh in this way, beside memory that is used
            again: from a measurement on this machine, right after the recording. None: not
            measured.
        kept_nbytes: Largest block that outlived the expression that made it; 0: none did.
        peak_bytes: Alive when the array data of the process were at their highest.
        passing_bytes: Of these, those that were freed inside the very expression that made them.
    """

    process: int
    site: Site
    user_site: Site
    count: int
    bytes: int
    nbytes: int
    ended: int
    live_most: int
    touched_bytes: int = 0
    touched_seconds: float | None = None
    kept_nbytes: int = 0
    peak_bytes: int = 0
    passing_bytes: int = 0
