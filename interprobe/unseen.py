"""Says in sentences what a run could not see."""

from __future__ import annotations

from collections.abc import Sequence

from interprobe.description import RunDescription
from interprobe.ledger_records import LedgerContents


def sentences(
    ledgers: Sequence[LedgerContents], descriptions: Sequence[RunDescription]
) -> list[str]:
    """What a run could not see, a sentence each.

    Args:
        ledgers: One per process.
        descriptions: What the recorders of these said.
    """
    found = dict.fromkeys(sentence for each in descriptions for sentence in each.blind_spots)
    dropped = sum(contents.dropped for contents in ledgers)
    if dropped:
        found[f"{dropped} events found no room in the ledger: too many distinct places."] = None
    guards = [contents.guard for contents in ledgers if contents.guard is not None]
    unguarded = sum(guard.unguarded for guard in guards)
    if unguarded:
        made = unguarded + sum(guard.guarded for guard in guards)
        most = max(guard.most for guard in guards)
        found[
            f"Guard mode had no room for {unguarded:,} of {made:,} blocks of array data: accesses "
            f"beside those, or after their end, went unseen. At most {most:,} are guarded at one "
            "time, the last quarter of them in turns."
        ] = None
    lost = sum(guard.dropped for guard in guards)
    if lost:
        found[f"{lost:,} accesses beside arrays found no room in guard mode's records."] = None
    return list(found)
