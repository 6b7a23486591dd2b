"""Reads the native ledger's bytes: the one Python file that knows their form (native/ledger.h)."""

from __future__ import annotations

import struct
from typing import Literal, cast

from interprobe import ledger_allocations, ledger_guard
from interprobe.layout import Layout
from interprobe.ledger_records import (
    KINDS,
    REQUIREMENTS,
    ArgumentRecord,
    BorrowRecord,
    CallRecord,
    CopyRecord,
    FactRecord,
    LedgerContents,
    MemoryRecord,
    OperationRecord,
    Place,
    TemporaryRecord,
)
from interprobe.trace import Variant

MAGIC = b"IPLEDGER"
VERSION = 4
_HEADER = struct.Struct("<8sII16QII")
_BIN = struct.Struct("<QQQ")
_BINS = 64
_HEAD = struct.Struct("<II")
_PLACE = struct.Struct("<IIiiii")
_COPY_KEY = struct.Struct("<QQIIIIHH6s6B")
_COPY = struct.Struct("<IIII4QQQQQQQQQQQ9Q")
_CALL_KEY = struct.Struct("<QQII")
_CALL = struct.Struct("<IIIIIIQQQQQQQQQQQQ")
_BORROW_KEY = struct.Struct("<QQIIII6B2x")
_BORROW = struct.Struct("<IIII4QQQQ")
_TEMPORARY_KEY = struct.Struct("<QIIIcB2x")
_TEMPORARY = struct.Struct("<IIIIQQQQ")
_OPERATION_KEY = struct.Struct("<QQII")
_OPERATION = struct.Struct("<IIIIQQQQQ")
_OPERAND = struct.Struct("<iI")
_FACT_KEY = struct.Struct("<QIiiI")
_FACT = struct.Struct("<IIIIQqq")
_ARGUMENT = struct.Struct("<IIII")
_LAYOUT = struct.Struct("<40sccBBiq")
_SHAPES = 9
_THREADS = 64

_ORDERS: dict[bytes, Literal["C", "F", "strided"]] = {b"C": "C", b"F": "F", b"S": "strided"}


def _callers(values: tuple[int, ...]) -> list[int]:
    """Of a copy's or borrow's numbers, those that are addresses in the native library."""
    return [address for address in values[4:8] if address]


class LedgerError(Exception):
    """The bytes are no ledger that this version can read."""


class _Reader:
    """Walks the entries of one ledger."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self._places: dict[int, Place] = {}
        self._facts: dict[int, list[FactRecord]] = {}

    def text(self, offset: int) -> str | None:
        if offset == 0:
            return None
        (length,) = struct.unpack_from("<I", self.raw, offset + _HEAD.size)
        start = offset + _HEAD.size + 4
        return self.raw[start : start + length].decode("utf-8", "replace")

    def place(self, offset: int) -> Place | None:
        if offset == 0:
            return None
        if offset not in self._places:
            file, function, *numbers = _PLACE.unpack_from(self.raw, offset + _HEAD.size)
            self._places[offset] = Place(self.text(file) or "", self.text(function) or "", *numbers)
        return self._places[offset]

    def layout(self, offset: int) -> tuple[Layout, int]:
        """The layout stored at ``offset``, and the offset behind it."""
        dtype, byteorder, order, aligned, writeable, ndim, nbytes = _LAYOUT.unpack_from(
            self.raw, offset
        )
        numbers = struct.unpack_from(f"<{2 * ndim}q", self.raw, offset + _LAYOUT.size)
        layout = Layout(
            dtype=dtype.rstrip(b"\0").decode(),
            byteorder=cast(Literal["<", ">", "|"], byteorder.decode()),
            shape=list(numbers[:ndim]),
            strides=list(numbers[ndim:]),
            order=_ORDERS[order],
            aligned=bool(aligned),
            writeable=bool(writeable),
            nbytes=nbytes,
        )
        return layout, offset + _LAYOUT.size + 16 * ndim

    def facts_about(self, offset: int) -> list[FactRecord]:
        """What is said of the record at an offset; the list grows while later entries are read."""
        return self._facts.setdefault(offset, [])

    def fact(self, offset: int) -> None:
        """Add the fact at an offset of the region to those of its record."""
        _, about, position, other, _ = _FACT_KEY.unpack_from(self.raw, offset + _HEAD.size)
        values = _FACT.unpack_from(self.raw, offset + _HEAD.size + _FACT_KEY.size)
        kind, text, place, _, count, value, limit = values
        self.facts_about(about).append(
            FactRecord(
                kind=self.text(kind) or "",
                position=None if position < 0 else position,
                other=None if other < 0 else other,
                count=count,
                value=value,
                limit=limit,
                text=self.text(text),
                place=self.place(place),
            )
        )

    def copy(self, offset: int) -> CopyRecord:
        """The copy record at an offset of the region."""
        facts = self.facts_about(offset)
        offset += _HEAD.size
        key = _COPY_KEY.unpack_from(self.raw, offset)
        kind, unmet = key[6], key[7]
        has_source, explicit = key[13], key[14]
        offset += _COPY_KEY.size
        values = _COPY.unpack_from(self.raw, offset)
        offset += _COPY.size
        source = None
        if has_source:
            source, offset = self.layout(offset)
        result, offset = self.layout(offset)
        return CopyRecord(
            place=self.place(values[0]),
            user_place=self.place(values[1]),
            mechanism=self.text(values[2]) or "",
            library=self.text(values[3]),
            callers=_callers(values),
            count=values[8],
            bytes=values[9],
            ticks=values[10],
            ticks_min=values[11],
            nbytes_min=values[12],
            nbytes_max=values[13],
            repeated=values[14],
            variants=self._variants(offset, len(result.shape), values[18:], values[17]),
            kind=[name for bit, name in enumerate(KINDS) if kind & 1 << bit],
            unmet=[name for bit, name in enumerate(REQUIREMENTS) if unmet & 1 << bit],
            explicit=bool(explicit),
            source=source,
            result=result,
            facts=facts,
        )

    def _variants(
        self, offset: int, ndim: int, counts: tuple[int, ...], others: int
    ) -> list[Variant]:
        """The distinct shapes, where there is more than one."""
        variants: list[Variant] = []
        for position, count in enumerate(counts[:_SHAPES]):
            if count:
                start = offset + position * ndim * 8
                shape = list(struct.unpack_from(f"<{ndim}q", self.raw, start))
                variants.append(Variant(shape, count))
        if others:
            variants.append(Variant(None, others))
        return variants if len(variants) > 1 else []

    def call(self, offset: int) -> CallRecord:
        """The call record at an offset of the region, with its arguments."""
        facts = self.facts_about(offset)
        offset += _HEAD.size
        address = _CALL_KEY.unpack_from(self.raw, offset)[0]
        offset += _CALL_KEY.size
        values = _CALL.unpack_from(self.raw, offset)
        offset += _CALL.size
        arguments = []
        for _ in range(values[5]):
            declared, member, position, has_layout = _ARGUMENT.unpack_from(self.raw, offset)
            offset += _ARGUMENT.size
            given = freed = None
            if has_layout == 1:
                given, offset = self.layout(offset)
            elif has_layout:
                freed, offset = self.layout(offset)
            arguments.append(
                ArgumentRecord(self.text(declared), given, position, self.text(member), freed)
            )
        return CallRecord(
            place=self.place(values[0]),
            user_place=self.place(values[1]),
            binding=self.text(values[2]) or "",
            library=self.text(values[3]),
            function=self.text(values[4]),
            address=address,
            arguments=arguments,
            count=values[6],
            ticks=values[7],
            ticks_self=values[8],
            ticks_min=values[9],
            ticks_max=values[10],
            bytes_borrowed=values[11],
            bytes_copied=values[12],
            resident_growth=values[14],
            page_faults=values[15],
            faulting=values[16],
            facts=facts,
        )

    def borrow(self, offset: int) -> BorrowRecord:
        """The borrow record at an offset of the region."""
        facts = self.facts_about(offset)
        offset += _HEAD.size
        requested = _BORROW_KEY.unpack_from(self.raw, offset)[4]
        offset += _BORROW_KEY.size
        values = _BORROW.unpack_from(self.raw, offset)
        layout, _ = self.layout(offset + _BORROW.size)
        return BorrowRecord(
            place=self.place(values[0]),
            user_place=self.place(values[1]),
            manner=self.text(values[2]) or "",
            requested=requested,
            library=self.text(values[3]),
            callers=_callers(values),
            count=values[8],
            bytes=values[9],
            layout=layout,
            facts=facts,
        )

    def temporary(self, offset: int) -> TemporaryRecord:
        offset += _HEAD.size + _TEMPORARY_KEY.size
        values = _TEMPORARY.unpack_from(self.raw, offset)
        layout, _ = self.layout(offset + _TEMPORARY.size)
        return TemporaryRecord(
            place=self.place(values[0]),
            user_place=self.place(values[1]),
            mechanism=self.text(values[2]) or "",
            result=layout,
            count=values[4],
            bytes=values[5],
            ticks=values[6],
        )

    def operation(self, offset: int) -> OperationRecord:
        """The record of an operation at an offset of the region, with its operands."""
        facts = self.facts_about(offset)
        offset += _HEAD.size + _OPERATION_KEY.size
        values = _OPERATION.unpack_from(self.raw, offset)
        offset += _OPERATION.size
        positions, operands = [], []
        for _ in range(values[3]):
            positions.append(_OPERAND.unpack_from(self.raw, offset)[0])
            layout, offset = self.layout(offset + _OPERAND.size)
            operands.append(layout)
        return OperationRecord(
            place=self.place(values[0]),
            user_place=self.place(values[1]),
            operation=self.text(values[2]) or "",
            operands=operands,
            positions=positions,
            count=values[4],
            ticks=values[5],
            ticks_max=values[6],
            bytes=values[7],
            facts=facts,
        )

    def timeline(self, elapsed: int, shift: int) -> list[tuple[int, int]]:
        """Bins from the start to the end of the recording; one without events repeats the last."""
        bins: list[tuple[int, int]] = []
        live = 0
        for index in range(min(_BINS, (max(elapsed, 0) >> shift) + 1)):
            highest, last, events = _BIN.unpack_from(self.raw, _HEADER.size + index * _BIN.size)
            bins.append((index << shift, max(highest, live)))
            live = last if events else live
        return bins


HEADER_BYTES = _HEADER.size


def used_bytes(head: bytes) -> int:
    """How much of a ledger's region holds data.

    Args:
        head: At least its first ``HEADER_BYTES`` bytes.

    Raises:
        LedgerError: The bytes are no ledger.
    """
    if len(head) < _HEADER.size or head[:8] != MAGIC:
        raise LedgerError("these bytes are no interprobe ledger")
    return int(_HEADER.unpack_from(head)[3])


def read(raw: bytes) -> LedgerContents:
    """Read a ledger.

    Args:
        raw: What ``Ledger.snapshot`` returned.

    Raises:
        LedgerError: The bytes are no ledger, or one of another version.
    """
    if len(raw) < _HEADER.size or raw[:8] != MAGIC:
        raise LedgerError("these bytes are no interprobe ledger")
    header = _HEADER.unpack_from(raw)
    if header[1] != VERSION:
        raise LedgerError(f"this ledger has version {header[1]}; this interprobe reads {VERSION}")
    header_size, used, pid, parent, sealed, dropped = header[2:8]
    started_ticks, started_ns, now_ticks, now_ns, last_ticks, rate, active_ticks = header[8:15]
    allocations, allocated, live, peak, peak_place, shift = header[15:21]
    if now_ticks == 0:
        # The process died before anybody asked: its last event is its end.
        now_ticks = last_ticks
        now_ns = started_ns + (last_ticks - started_ticks) * 1_000_000_000 // max(rate, 1)
        active_ticks = last_ticks - started_ticks
    reader = _Reader(raw)
    elapsed = now_ticks - started_ticks
    contents = LedgerContents(
        pid=pid,
        parent=parent,
        sealed=bool(sealed),
        dropped=dropped,
        started_nanoseconds=started_ns,
        elapsed_ticks=elapsed,
        elapsed_nanoseconds=now_ns - started_ns,
        active_ticks=active_ticks,
        memory=MemoryRecord(
            allocations=allocations,
            allocated_bytes=allocated,
            live_bytes=live,
            peak_bytes=peak,
            peak_place=reader.place(peak_place),
            timeline=reader.timeline(elapsed, shift),
        ),
    )
    under_way = set(struct.unpack_from(f"<{_THREADS}I", raw, _HEADER.size + _BINS * _BIN.size)) - {
        0
    }
    _read_entries(contents, reader, range(header_size, min(used, len(raw))), under_way)
    return contents


def _read_entries(
    contents: LedgerContents, reader: _Reader, within: range, under_way: set[int]
) -> None:
    """Add what the entries between two offsets say."""
    raw, calls, large_blocks = reader.raw, {}, []
    offset = within.start
    while offset < within.stop:
        kind, size = _HEAD.unpack_from(raw, offset)
        if kind == 3:
            contents.copies.append(reader.copy(offset))
        elif kind == 4:
            contents.calls.append(reader.call(offset))
            calls[offset] = contents.calls[-1]
            if offset in under_way:
                contents.in_flight.append(contents.calls[-1])
        elif kind == 5:
            contents.borrows.append(reader.borrow(offset))
        elif kind == 6:
            contents.description = reader.text(offset) or ""
        elif kind == 7:
            contents.temporaries.append(reader.temporary(offset))
        elif kind == 8:
            reader.fact(offset)
        elif kind == 9:
            contents.guard = ledger_guard.guard(raw, offset)
            contents.guard.calls = calls
        elif kind == 10 and contents.guard is not None:
            violation = ledger_guard.violation(raw, offset, reader.layout)
            contents.guard.violations += [] if violation is None else [violation]
        elif kind == 11:
            contents.operations.append(reader.operation(offset))
        elif kind == 20:
            large_blocks.append(offset)
        elif kind == 21:
            contents.pages = ledger_allocations.pages(raw, offset)
        offset += size
    contents.allocations = [
        ledger_allocations.allocation(raw, each, contents.pages.peaks, reader.place)
        for each in large_blocks
        if contents.pages is not None
    ]
