"""The immutable record of one run: its types, saving, loading and its JSON Schema."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from interprobe.allocation_records import Allocation
from interprobe.facts import Fact
from interprobe.findings import Finding, Site
from interprobe.layout import Layout
from interprobe.line_records import FunctionLines
from interprobe.machine import Machine
from interprobe.prototypes import Prototype
from interprobe.replays import Replay
from interprobe.turns import Turn

SCHEMA: Final = "interprobe.trace/1"


class TraceError(Exception):
    """A file is no trace of this schema; the message is one sentence for the user."""


class Native(msgspec.Struct, frozen=True):
    """The native code that asked for a copy."""

    library: str
    """Path of the shared object."""
    symbol: str | None = None
    file: str | None = None
    line: int | None = None


class Variant(msgspec.Struct, frozen=True):
    """A further shape that a record met; ``shape`` is None for all shapes beyond the first ones."""

    shape: list[int] | None
    count: int


class Copy(msgspec.Struct, frozen=True):
    """All copies of one cause at one place."""

    process: int
    site: Site
    user_site: Site
    mechanism: str
    """What made the copy: ``numpy.ascontiguousarray``, ``ndarray.astype``, ``PyArray_FromAny``."""
    kind: str
    """What the transfer did: ``strided``, ``cast``, ``byteswap``, ... joined with ``+``."""
    explicit: bool
    """True where the program asked for a copy by name (``.copy()``, ``copy=True``)."""
    native: Native | None
    source: Layout | None
    """Layout of the largest instance; None for a sequence."""
    result: Layout
    unmet: list[str]
    """The requirements that forced the copy: ``dtype``, ``C_CONTIGUOUS``, ``ALIGNED``, ..."""
    count: int
    bytes: int
    """Bytes written to the destination, exact, over all instances."""
    seconds: float
    nbytes_min: int
    nbytes_max: int
    variants: list[Variant]
    repeated: int = 0
    """How many instances read the same buffer, with equal sampled contents, as the one before."""
    facts: list[Fact] = []
    replays: list[Replay] = []
    """Of the call that the copy was made for, with an array that needs none."""


class Argument(msgspec.Struct, frozen=True):
    """One argument of a crossing: what the callee believes and what it was given."""

    position: int
    name: str | None
    declared: str | None
    """The declared type, as the binding writes it: ``POINTER(c_double)``."""
    true: str | None
    """The type in the callee's own prototype, where that could be read."""
    given: Layout | None
    """The array behind the pointer, or None where there is none."""
    owner_site: Site | None = None
    role: str | None = None
    freed: Layout | None = None
    """The array that the pointer led to until it was freed, before the call; ``given`` is None."""


class Returns(msgspec.Struct, frozen=True):
    """What comes back from a crossing: the type that Python reads, and the one that C wrote."""

    declared: str | None
    """As the binding writes it: ``c_int``, also where nothing is declared; ``None``."""
    true: str | None
    """The type in the callee's own prototype, where that could be read."""
    integer: int | None = None
    """What Python read the first time, where that was an integer."""


class Call(msgspec.Struct, frozen=True):
    """All crossings into one native function from one place."""

    process: int
    site: Site
    user_site: Site
    binding: str
    library: str
    function: str
    arguments: list[Argument]
    count: int
    seconds: float
    seconds_self: float
    """Without the crossings nested in it."""
    seconds_min: float
    seconds_max: float
    bytes_borrowed: int
    """Bytes of the arrays whose buffers the callee was given."""
    bytes_copied: int
    """Bytes of copies made while the crossing was in flight."""
    resident_growth: int = 0
    """Bytes of resident memory gained, over the instances that were long enough to be measured."""
    page_faults: int = 0
    """In the same instances: how often the thread touched a page that the kernel had to make."""
    faulting: int = 0
    """Instances with 256 such page faults and more."""
    facts: list[Fact] = []
    returns: Returns | None = None
    argtypes: int | None = None
    """How many arguments the binding declares; None where it declares none, as ctypes allows."""
    prototype: Prototype | None = None
    """The callee's own, from its library's debug information or a header, where that is known."""
    replays: list[Replay] = []
    turn: Turn | None = None
    """Of the loop around it; None where that was not sampled, or is too little of the run."""


class Borrow(msgspec.Struct, frozen=True):
    """All reads of arrays' buffers in place by one consumer."""

    process: int
    site: Site
    user_site: Site
    consumer: str
    requested: str
    layout: Layout
    count: int
    bytes: int
    facts: list[Fact] = []


class Temporary(msgspec.Struct, frozen=True):
    """Arrays that one ufunc made at one place, only for the next ufunc of the expression to read.

    They are no copies: each holds new numbers. Only those of 64 KiB and more are followed.
    """

    process: int
    site: Site
    """The operation that filled them, ``b * c`` in ``np.sqrt(a + b * c)``."""
    user_site: Site
    mechanism: str
    """The ufunc, ``numpy.multiply``."""
    result: Layout
    """Layout of the largest one."""
    count: int
    bytes: int
    seconds: float
    """What the calls took that filled them, arithmetic included."""


class Operation(msgspec.Struct, frozen=True):
    """One of NumPy's own operations at one place, slow enough for its operands' layouts to matter.

    It copied nothing. Only those are here that took over 100 us a time, of ufuncs and of their
    methods (``reduce``, ``accumulate``), over large arrays in several orders or with far strides.
    """

    process: int
    site: Site
    """Where NumPy was called, perhaps inside a library: ``sum`` calls it in NumPy's own Python."""
    user_site: Site
    operation: str
    """``numpy.add``, ``numpy.add.reduce``."""
    operands: list[Layout]
    """The arrays that it read, and the one that it was told to write, of the largest instance."""
    positions: list[int]
    """Of each among the arguments, from 0; -1: the array that it was told to write."""
    count: int
    bytes: int
    """Of these arrays, over all instances."""
    seconds: float
    facts: list[Fact] = []
    replays: list[Replay] = []


class Violation(msgspec.Struct, frozen=True):
    """Native code touched memory beside an array's data, or the data of a freed one (guard mode).

    Attributes:
        discovery: ``refused``: the kernel stopped the access. The others found bytes overwritten
            beside the data: ``after-call`` (by the call), ``before-call`` (when it began already),
            ``when-freed``, ``at-the-end``.
        count: How often, for one call and argument.
        distance: Bytes from the end of the data to the first one touched; from the first byte of
            the data back to the lowest one touched; or into the freed data.
        extent: Bytes found overwritten; 0 where the access was refused.
        nbytes: Size of the data's block.
        array: The array of that block that native code was given last, or None.
        position: The argument that leads to the block, from 0; None: none does.
        call: The call that native code was inside of, or None.
        last_call: The last call that was given the block, or None.
        last_position: The argument of that call that led to the block.
        allocated: The program's line that made the block.
        freed: The line that freed it.
        running: The line that ran, where there was no call.
        native: The author's function that did it; ``instruction``: that of the access, ``memcpy``.
    """

    process: int
    kind: Literal["past-end", "before-start", "after-free"]
    access: Literal["read", "write", "unknown"]
    discovery: Literal["refused", "after-call", "before-call", "when-freed", "at-the-end"]
    count: int
    distance: int
    extent: int
    nbytes: int
    array: Layout | None = None
    position: int | None = None
    call: Call | None = None
    last_call: Call | None = None
    last_position: int | None = None
    allocated: Site | None = None
    freed: Site | None = None
    running: Site | None = None
    native: Native | None = None
    instruction: Native | None = None


class Guard(msgspec.Struct, frozen=True):
    """How much guard mode has guarded in one process."""

    guarded: int
    """Blocks of array data."""
    unguarded: int
    """Blocks for which there was no room."""
    most: int
    """How many can be guarded at one time."""


class TimelineBin(msgspec.Struct, frozen=True):
    """One of a fixed number of equal spans of the run."""

    seconds: float
    """Start of the bin, since the start of the recording."""
    numpy_bytes: int
    """Highest total of live array data in the bin."""
    rss_bytes: int | None = None


class Memory(msgspec.Struct, frozen=True):
    """Array data and resident memory."""

    numpy_peak_bytes: int = 0
    """Highest total of array data allocated since the start of the recording, exact."""
    rss_peak_bytes: int = 0
    allocations: int = 0
    allocated_bytes: int = 0
    timeline: list[TimelineBin] = []
    numpy_peak_site: Site | None = None
    """The user's line that was running when array data peaked."""
    machine_bytes: int | None = None
    """Memory of the machine; None where no large array was made."""
    page_fault_seconds: float | None = None
    """What one page costs at its first touch: measured after a recording that saw many."""
    held_before_bytes: int = 0
    """What malloc had handed out before the recording, arrays included; 0 where no large array was
    made."""
    rss_sampled_peak_bytes: int | None = None
    rss_sampled_peak_site: Site | None = None


class Process(msgspec.Struct, frozen=True):
    """One process of the run."""

    id: int
    pid: int
    parent: int | None
    argv: list[str]
    started: float
    seconds: float
    exit_status: int | None
    complete: bool
    in_flight: str | None
    memory: Memory
    guard: Guard | None = None
    """None where the process did not run in guard mode."""


class Meta(msgspec.Struct, frozen=True):
    """What was run, with what, when, and how it ended."""

    interprobe: str
    python: str
    numpy: str
    platform: str
    argv: list[str]
    started: float
    """Seconds since the Unix epoch."""
    seconds: float
    """Wall time of the recording."""
    exit_status: int | None
    complete: bool
    blind_spots: list[str] = []
    """What this run could not see, a sentence each."""


class Trace(msgspec.Struct, frozen=True):
    """Everything that one run left behind."""

    meta: Meta
    processes: list[Process]
    copies: list[Copy]
    calls: list[Call]
    borrows: list[Borrow]
    memory: Memory
    findings: list[Finding] = []
    lines: list[FunctionLines] = []
    temporaries: list[Temporary] = []
    violations: list[Violation] = []
    operations: list[Operation] = []
    machine: Machine | None = None
    allocations: list[Allocation] = []
    schema: Literal["interprobe.trace/1"] = SCHEMA

    @property
    def bytes_copied(self) -> int:
        """Bytes written by all copies, over all processes."""
        return sum(copy.bytes for copy in self.copies)

    @property
    def copy_count(self) -> int:
        """How many copies were made, over all processes."""
        return sum(copy.count for copy in self.copies)

    @property
    def copy_share(self) -> float:
        """Share of the wall time of all processes that went into copies, 0 to 1."""
        total = sum(process.seconds for process in self.processes)
        return min(1.0, sum(copy.seconds for copy in self.copies) / total) if total > 0 else 0.0

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the trace as one JSON object.

        Args:
            path: The file to write; replaced as a whole, so that no half-written trace is left.

        Raises:
            OSError: The file cannot be written.
        """
        target = Path(path)
        partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
        try:
            partial.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n")
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)


def load(path: str | os.PathLike[str]) -> Trace:
    """Read a trace that :meth:`Trace.save` wrote.

    Args:
        path: The file to read.

    Raises:
        TraceError: The file cannot be read, or is no trace of this schema.
    """
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        reason = error.strerror or "it cannot be read"
        raise TraceError(f"cannot read {os.fspath(path)!r}: {reason}") from error
    try:
        return msgspec.json.decode(raw, type=Trace)
    except msgspec.ValidationError as error:
        raise TraceError(
            f"{os.fspath(path)!r} is not a trace of schema {SCHEMA}: {error}"
        ) from error
    except msgspec.DecodeError as error:
        raise TraceError(f"{os.fspath(path)!r} is not JSON: {error}") from error


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a trace file."""
    return msgspec.json.schema(Trace)
