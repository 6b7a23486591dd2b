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
            touched_seconds=_touched_seconds(record, contents, ledgers),
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


def _mebibyte_seconds(contents: LedgerContents, huge: bool) -> float:
    """What a MiB of fresh memory cost where a process measured it; else 0."""
    pages = contents.pages
    if pages is None:
        return 0.0
    return contents.seconds(pages.huge_ticks if huge else pages.small_ticks)


def _touched_seconds(
    record: AllocationRecord, contents: LedgerContents, ledgers: Sequence[LedgerContents]
) -> float | None:
    """What touching fresh pages took, at the rate that was measured for such blocks.

    A process that was ended from outside has measured nothing: then another one's rate holds, of
    the same machine.
    """
    if record.looked_at == 0:
        return None
    huge = record.size_class >= _HUGE_PAGES_FROM
    rates = [_mebibyte_seconds(each, huge) for each in (contents, *ledgers)]
    rate = next((rate for rate in rates if rate > 0), None)
    return None if rate is None else rate * (record.touched_bytes / _MEBIBYTE)
