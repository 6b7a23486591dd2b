"""Makes the trace's allocations from the ledgers' records: names places, sizes and times."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from interprobe.allocation_records import Allocation
from interprobe.findings import Site
from interprobe.ledger_records import AllocationRecord, LedgerContents, Place

_MEBIBYTE = 1 << 20
_HUGE_PAGES_FROM = 4 * _MEBIBYTE
"""From this size on NumPy asks the kernel for huge pages."""


def allocations_of(
    ledgers: Sequence[LedgerContents], site_of: Callable[[Place | None], Site]
) -> list[Allocation]:
    """Where the processes of a run made large blocks of array data.

    Args:
        ledgers: One per process, in the order of the processes' numbers.
        site_of: The source text of a place.
    """
    return [
        Allocation(
            process=number,
            site=site_of(record.place),
            user_site=site_of(record.user_place or record.place),
            count=record.count,
            bytes=record.bytes,
            nbytes=record.largest,
            ended=record.ended,
            live_most=record.live_most,
            touched_bytes=record.touched_bytes,
            touched_seconds=_touched_seconds(record, contents),
            kept_nbytes=record.kept_largest,
            peak_bytes=record.peak_bytes,
            passing_bytes=record.passing_bytes,
        )
        for number, contents in enumerate(ledgers)
        for record in contents.allocations
        if record.count
    ]


def page_fault_seconds(contents: LedgerContents) -> float | None:
    """What one small page costs at its first touch; None where that was not measured."""
    pages = contents.pages
    if pages is None or pages.small_ticks == 0:
        return None
    return contents.seconds(pages.small_ticks) * pages.page_bytes / _MEBIBYTE


def _touched_seconds(record: AllocationRecord, contents: LedgerContents) -> float | None:
    """What touching fresh pages took, at the rate that was measured for such blocks."""
    if contents.pages is None or record.looked_at == 0:
        return None
    huge = record.size_class >= _HUGE_PAGES_FROM
    ticks = contents.pages.huge_ticks if huge else contents.pages.small_ticks
    return contents.seconds(ticks) * (record.touched_bytes / _MEBIBYTE) if ticks else None
