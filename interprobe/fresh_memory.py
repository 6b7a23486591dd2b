"""What of the cost of fresh memory could be spared, by using the memory of earlier arrays again."""

from __future__ import annotations

from interprobe.allocation_records import Allocation


def avoidable_bytes(allocation: Allocation) -> int:
    """Bytes of new pages that as many arrays as were alive at one time would not have touched."""
    spare = max(allocation.count - allocation.live_most, 0)
    return allocation.touched_bytes * spare // max(allocation.count, 1)


def avoidable_seconds(allocation: Allocation) -> float:
    """What touching them took; 0 where that was not measured."""
    spare = max(allocation.count - allocation.live_most, 0)
    return (allocation.touched_seconds or 0.0) * spare / max(allocation.count, 1)
