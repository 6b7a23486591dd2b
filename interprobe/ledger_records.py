"""The records of a ledger as values, times still in ticks."""

from __future__ import annotations

import msgspec

from interprobe.layout import Layout
from interprobe.trace import Variant

KINDS = (
    "strided",
    "cast",
    "byteswap",
    "align",
    "broadcast",
    "duplicate",
    "sequence",
    "unknown",
    "overlap",
    "writeback",
    "gather",
)
REQUIREMENTS = (
    "dtype",
    "C_CONTIGUOUS",
    "F_CONTIGUOUS",
    "ALIGNED",
    "NOTSWAPPED",
    "WRITEABLE",
    "OWNDATA",
    "ENSUREARRAY",
)


class Place(msgspec.Struct, frozen=True):
    """A code position; -1 stands for a number that CPython did not record."""

    file: str
    function: str
    line: int
    column: int
    end_line: int
    end_column: int


class FactRecord(msgspec.Struct, frozen=True):
    """A fact as the hooks booked it: see :class:`interprobe.trace.Fact`."""

    kind: str
    position: int | None
    other: int | None
    count: int
    value: int
    limit: int
    text: str | None
    place: Place | None


class CopyRecord(msgspec.Struct, frozen=True):
    """One copy record as the hooks booked it; times in ticks."""

    place: Place | None
    user_place: Place | None
    mechanism: str
    kind: list[str]
    unmet: list[str]
    explicit: bool
    library: str | None
    callers: list[int]
    """Addresses in the library, innermost first, from where it was loaded."""
    source: Layout | None
    result: Layout
    count: int
    bytes: int
    ticks: int
    ticks_min: int
    nbytes_min: int
    nbytes_max: int
    repeated: int
    variants: list[Variant]
    facts: list[FactRecord]


class ArgumentRecord(msgspec.Struct, frozen=True):
    """One argument of a call record, or one pointer in the memory that an argument hands over."""

    declared: str | None
    given: Layout | None
    position: int
    member: str | None
    """What such a pointer is called in there: ``.field``, ``[3]``."""
    freed: Layout | None = None
    """The array that lay where the pointer leads, if it was freed and is known."""


class CallRecord(msgspec.Struct, frozen=True):
    """One call record as the hooks booked it; times in ticks."""

    place: Place | None
    user_place: Place | None
    binding: str
    library: str | None
    function: str | None
    address: int
    arguments: list[ArgumentRecord]
    count: int
    ticks: int
    ticks_self: int
    ticks_min: int
    ticks_max: int
    bytes_borrowed: int
    bytes_copied: int
    resident_growth: int
    facts: list[FactRecord]
    page_faults: int = 0
    faulting: int = 0


class BorrowRecord(msgspec.Struct, frozen=True):
    """One borrow record as the hooks booked it."""

    place: Place | None
    user_place: Place | None
    manner: str
    requested: int
    """PyBUF_* flags, where the way in has such."""
    library: str | None
    callers: list[int]
    layout: Layout
    count: int
    bytes: int
    facts: list[FactRecord]


class TemporaryRecord(msgspec.Struct, frozen=True):
    """One record of temporaries as the hooks booked it; times in ticks."""

    place: Place | None
    user_place: Place | None
    mechanism: str
    result: Layout
    count: int
    bytes: int
    ticks: int


class OperationRecord(msgspec.Struct, frozen=True):
    """One record of an operation of NumPy's own as the hooks booked it; times in ticks."""

    place: Place | None
    user_place: Place | None
    operation: str
    operands: list[Layout]
    positions: list[int]
    """Of the operands among the arguments; -1: the array that is written."""
    count: int
    bytes: int
    ticks: int
    ticks_max: int
    facts: list[FactRecord]


class AllocationRecord(msgspec.Struct, frozen=True):
    """Large blocks of array data made at one place: see :class:`interprobe.trace.Allocation`."""

    place: Place | None
    user_place: Place | None
    size_class: int
    """The power of two that the blocks' sizes are not below."""
    count: int
    bytes: int
    largest: int
    ended: int
    live_most: int
    touched_bytes: int
    looked_at: int
    kept_largest: int
    peak_bytes: int
    passing_bytes: int


class PagesRecord(msgspec.Struct, frozen=True):
    """What fresh memory costs on this machine; times in ticks."""

    peaks: int
    machine_bytes: int
    page_bytes: int
    held_before: int
    small_ticks: int
    """Of a MiB; 0: not measured."""
    huge_ticks: int
    """The same in blocks that NumPy asks huge pages for."""


class MemoryRecord(msgspec.Struct, frozen=True):
    """What the allocation hook counted."""

    allocations: int
    allocated_bytes: int
    live_bytes: int
    peak_bytes: int
    peak_place: Place | None
    timeline: list[tuple[int, int]]
    """(start of the bin in ticks since the start, highest live bytes), gaps filled."""


class ViolationRecord(msgspec.Struct, frozen=True):
    """One violation as guard mode wrote it down; its numbers are those of ``guard_records.h``."""

    kind: int
    access: int
    discovery: int
    count: int
    distance: int
    extent: int
    block_bytes: int
    position: int | None
    last_position: int | None
    call: int
    """Where the call's record begins in the ledger; 0: none is known."""
    last_call: int
    allocated: Place | None
    freed: Place | None
    running: Place | None
    frames: list[tuple[str | None, int]]
    """The C stack, innermost first: a library, and the address from where it was loaded."""
    layout: Layout | None


class GuardRecord(msgspec.Struct):
    """What guard mode says of one process."""

    guarded: int
    unguarded: int
    most: int
    dropped: int
    violations: list[ViolationRecord] = msgspec.field(default_factory=list)
    calls: dict[int, CallRecord] = msgspec.field(default_factory=dict)
    """The ledger's calls, by where they begin."""


class LedgerContents(msgspec.Struct):
    """Everything that one ledger holds."""

    pid: int
    parent: int
    sealed: bool
    dropped: int
    started_nanoseconds: int
    """CLOCK_MONOTONIC: comparable between the processes of one machine."""
    elapsed_ticks: int
    elapsed_nanoseconds: int
    active_ticks: int
    memory: MemoryRecord
    copies: list[CopyRecord] = msgspec.field(default_factory=list)
    calls: list[CallRecord] = msgspec.field(default_factory=list)
    borrows: list[BorrowRecord] = msgspec.field(default_factory=list)
    temporaries: list[TemporaryRecord] = msgspec.field(default_factory=list)
    operations: list[OperationRecord] = msgspec.field(default_factory=list)
    allocations: list[AllocationRecord] = msgspec.field(default_factory=list)
    pages: PagesRecord | None = None
    """None where no large block was made."""
    in_flight: list[CallRecord] = msgspec.field(default_factory=list)
    """Calls that native code is inside of, at most one per thread."""
    guard: GuardRecord | None = None
    """None where the process did not run in guard mode."""
    description: str = ""
    """What the recorder said of the run, as JSON; "" where it said nothing."""

    def seconds(self, ticks: int) -> float:
        """Ticks as seconds, at the rate that this recording itself measured."""
        if self.elapsed_ticks <= 0:
            return 0.0
        return ticks * self.elapsed_nanoseconds / self.elapsed_ticks / 1e9
