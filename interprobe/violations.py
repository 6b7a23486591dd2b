"""Turns what guard mode wrote down into the trace's violations: names calls, places and C lines."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Literal

from interprobe import native_callers, symbols
from interprobe.findings import Site
from interprobe.ledger_records import CallRecord, GuardRecord, Place, ViolationRecord
from interprobe.trace import Call, Native, Violation

_KINDS: dict[int, Literal["past-end", "before-start", "after-free"]] = {
    1: "past-end",
    2: "before-start",
    3: "after-free",
}
_ACCESSES: dict[int, Literal["read", "write", "unknown"]] = {0: "unknown", 1: "read", 2: "write"}
_DISCOVERIES: dict[
    int, Literal["refused", "after-call", "before-call", "when-freed", "at-the-end"]
] = {1: "refused", 2: "after-call", 3: "before-call", 4: "when-freed", 5: "at-the-end"}

_RUNTIME = ("libc.so", "libc-", "libm.so", "libm-", "ld-linux", "libpthread", "libgcc_s", "[vdso]")
"""Beginnings of libraries that do the work of whoever called them, such as memcpy's."""

_CALLERS_OF_FOREIGN_CODE = ("libffi", "_ctypes.", "libpython", "python")
"""From here on the C stack leads away from what was called."""


def violations_of(
    process: int,
    guard: GuardRecord,
    named_call: Callable[[CallRecord], Call],
    site: Callable[[Place | None], Site],
) -> list[Violation]:
    """The violations of one process.

    Args:
        process: Its number in the trace.
        guard: What its ledger holds of guard mode.
        named_call: Makes the trace's call of a ledger's.
        site: Makes the source position of a place.
    """
    found = []
    for each in guard.violations:
        calls = [guard.calls.get(offset) for offset in (each.call, each.last_call)]
        call, last_call = (None if record is None else named_call(record) for record in calls)
        found.append(
            Violation(
                process=process,
                kind=_KINDS[each.kind],
                access=_ACCESSES[each.access],
                discovery=_DISCOVERIES[each.discovery],
                count=each.count,
                distance=each.distance,
                extent=each.extent,
                nbytes=each.block_bytes,
                array=each.layout,
                position=each.position,
                call=call,
                last_call=last_call,
                last_position=each.last_position,
                allocated=site(each.allocated) if each.allocated else None,
                freed=site(each.freed) if each.freed else None,
                running=site(each.running) if each.running else None,
                native=_author(each, call),
                instruction=_instruction(each),
            )
        )
    return found


def _author(record: ViolationRecord, call: Call | None) -> Native | None:
    """The function that a person wrote: in the library of the call if it is on the C stack.

    Else it is the first one that is none of the C library's.
    """
    wanted = None
    if call is not None and call.library:
        wanted = _library_on(record.frames, os.path.realpath(call.library))
    if wanted is None:
        names = [library for library, _ in record.frames if library is not None]
        wanted = next(
            (name for name in names if not os.path.basename(name).startswith(_RUNTIME)), None
        )
    # A function that ends by calling memcpy may have left the C stack before memcpy begins.
    if wanted is None or os.path.basename(wanted).startswith(_CALLERS_OF_FOREIGN_CODE):
        return None
    callers = [address for library, address in record.frames if library == wanted]
    found = native_callers.author(wanted, callers)
    return Native(wanted, found.symbol, found.file, found.line)


def _library_on(frames: Sequence[tuple[str | None, int]], path: str) -> str | None:
    return next(
        (name for name, _ in frames if name is not None and os.path.realpath(name) == path), None
    )


def _instruction(record: ViolationRecord) -> Native | None:
    """The function that the access itself is in: memcpy, for instance."""
    if not record.frames or record.frames[0][0] is None:
        return None
    library, address = record.frames[0]
    assert library is not None
    found = symbols.locate(library, address)
    return Native(library, found.symbol, found.file, found.line)
