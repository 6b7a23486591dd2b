"""Reads what guard mode has written into a ledger (native/guard_records.h)."""

from __future__ import annotations

import struct
from collections.abc import Callable

from interprobe.layout import Layout
from interprobe.ledger_records import GuardRecord, Place, ViolationRecord

_HEAD = struct.Struct("<II")
_GUARD = struct.Struct("<QQQQ")
_VIOLATION = struct.Struct("<I4BQQQQQiiII")
_PLACE = struct.Struct("<IIiiii")
_COUNTS = struct.Struct("<II")
_FRAME = struct.Struct("<QII")
_FRAMES = 16
_LAYOUT_BYTES = 56 + 16 * 8
_COMPLETE = 2


def guard(raw: bytes, offset: int) -> GuardRecord:
    """The counts at an offset of the region."""
    return GuardRecord(*_GUARD.unpack_from(raw, offset + _HEAD.size))


def violation(
    raw: bytes, offset: int, layout_at: Callable[[int], tuple[Layout, int]]
) -> ViolationRecord | None:
    """The violation at an offset of the region; None where the record is empty.

    Args:
        raw: The ledger.
        offset: Of the entry.
        layout_at: Reads a stored layout at an offset.
    """
    offset += _HEAD.size
    values = _VIOLATION.unpack_from(raw, offset)
    if values[0] != _COMPLETE:
        return None
    kind, access, discovery, has_layout = values[1:5]
    count, distance, extent, block_bytes, _ = values[5:10]
    position, last_position, call, last_call = values[10:14]
    offset += _VIOLATION.size
    at_places = offset
    offset += 3 * _PLACE.size
    frame_count, texts_used = _COUNTS.unpack_from(raw, offset)
    at_frames = offset + _COUNTS.size
    at_layout = at_frames + _FRAMES * _FRAME.size
    at_texts = at_layout + _LAYOUT_BYTES
    texts = raw[at_texts : at_texts + texts_used]

    def text(begins: int) -> str | None:
        if begins == 0:
            return None
        return texts[begins : texts.index(b"\0", begins)].decode("utf-8", "replace")

    def place(number: int) -> Place | None:
        file, function, *rest = _PLACE.unpack_from(raw, at_places + number * _PLACE.size)
        name = text(file)
        return None if name is None else Place(name, text(function) or "", *rest)

    frames = []
    for number in range(min(frame_count, _FRAMES)):
        address, library, _ = _FRAME.unpack_from(raw, at_frames + number * _FRAME.size)
        frames.append((text(library), address))
    return ViolationRecord(
        kind=kind,
        access=access,
        discovery=discovery,
        count=count,
        distance=distance,
        extent=extent,
        block_bytes=block_bytes,
        position=None if position < 0 else position,
        last_position=None if last_position < 0 else last_position,
        call=call,
        last_call=last_call,
        allocated=place(0),
        freed=place(1),
        running=place(2),
        frames=frames,
        layout=layout_at(at_layout)[0] if has_layout else None,
    )
