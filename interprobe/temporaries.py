"""Makes the trace's temporaries from the ledgers' records: names places and times."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from interprobe.findings import Site
from interprobe.ledger_records import LedgerContents, Place
from interprobe.trace import Temporary


def temporaries_of(
    ledgers: Sequence[LedgerContents], site_of: Callable[[Place | None], Site]
) -> list[Temporary]:
    """What the expressions of a run made only for their next operation.

    Args:
        ledgers: One per process, in the order of the processes' numbers.
        site_of: The source text of a place.
    """
    return [
        Temporary(
            process=number,
            site=site_of(record.place),
            user_site=site_of(record.user_place or record.place),
            mechanism=record.mechanism,
            result=record.result,
            count=record.count,
            bytes=record.bytes,
            seconds=contents.seconds(record.ticks),
        )
        for number, contents in enumerate(ledgers)
        for record in contents.temporaries
        if record.count
    ]
