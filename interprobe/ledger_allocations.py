"""Reads what the ledger says of large blocks of array data (native/ledger_allocations.c)."""

from __future__ import annotations

import struct
from collections.abc import Callable

from interprobe.ledger_records import AllocationRecord, PagesRecord, Place

_HEAD = struct.Struct("<II")
_KEY = struct.Struct("<IIII")
_ALLOCATION = struct.Struct("<II13Q")
_PAGES = struct.Struct("<6Q")


def pages(raw: bytes, offset: int) -> PagesRecord:
    """What is known of fresh memory, at an offset of the region."""
    return PagesRecord(*_PAGES.unpack_from(raw, offset + _HEAD.size))


def allocation(
    raw: bytes, offset: int, peaks: int, place_at: Callable[[int], Place | None]
) -> AllocationRecord:
    """The record at an offset of the region.

    Args:
        raw: The ledger.
        offset: Of the entry.
        peaks: Number of the highest peak, which the ledger's pages entry tells.
        place_at: Reads a place at an offset.
    """
    offset += _HEAD.size
    size_class = _KEY.unpack_from(raw, offset)[2]
    place, user_place, *numbers = _ALLOCATION.unpack_from(raw, offset + _KEY.size)
    count, nbytes, largest, ended, live_bytes, live_count, live_most = numbers[:7]
    touched, looked_at, kept_largest, peak, peak_bytes, passing_bytes = numbers[7:]
    at_peak = peak == peaks  # else nothing has changed since: what lives now lived then
    return AllocationRecord(
        place=place_at(place),
        user_place=place_at(user_place),
        size_class=1 << size_class,
        count=count,
        bytes=nbytes,
        largest=largest,
        ended=ended,
        live_most=live_most,
        # Not all are looked at where they come faster than looks pay.
        touched_bytes=touched * ended // looked_at if looked_at else 0,
        looked_at=looked_at,
        kept_largest=max(kept_largest, largest) if live_count else kept_largest,
        peak_bytes=peak_bytes if at_peak else live_bytes,
        passing_bytes=passing_bytes if at_peak else 0,
    )
