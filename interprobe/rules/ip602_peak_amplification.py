"""IP602 peak-amplification: an expression took a multiple of its data's memory while it ran.

## What it does

Reports the peak of array data, where arrays that lived only for an expression of your code, or
conversions of other arrays, made it at least twice what the program needed otherwise: what it held
beside them and the expression's result. Peaks below 64 MiB are left alone.

## Why is this bad?

NumPy computes an expression step by step, and each step's result is a whole array. With
broadcasting such an array can be far larger than all inputs: `x[:, None] - x` of 10,000 points in
the plane has 200,000,000 elements. The program then needs a machine several times as large as its
data, or it is stopped in the middle for want of memory.

## Example

```python
import tracemalloc

import numpy as np

points = np.arange(3000.0).reshape(1000, 3)
tracemalloc.start()
distances = np.sqrt(np.square(points[:, None] - points).sum(axis=-1))
peak = tracemalloc.get_traced_memory()[1]
tracemalloc.stop()
peak < 2 * distances.nbytes  # False: all differences, and all their squares
```

## Use instead

Compute it in pieces, so that what is in between stays small:

```python
import tracemalloc

import numpy as np

points = np.arange(3000.0).reshape(1000, 3)
tracemalloc.start()
distances = np.empty((1000, 1000))
for start in range(0, 1000, 50):
    rows = points[start : start + 50]
    part = np.square(rows[:, None] - points).sum(axis=-1)
    np.sqrt(part, out=distances[start : start + 50])
peak = tracemalloc.get_traced_memory()[1]
tracemalloc.stop()
peak < 2 * distances.nbytes  # True: the result, and a piece
```

Where the arrays in between are as large as the inputs, in-place operators (`-=`, `*=`) and `out=`
do it too; where they are conversions, keep the data in the dtype and order that is needed, or
`del` the original.

## Limits

Array data that NumPy allocated is what counts, blocks of 1 MiB and more. Not seen: memory that
native code allocates by itself, memory-mapped files. An array that a variable holds counts as
needed, however little it is. Not reported: what libraries make inside, and arrays of new numbers,
such as `rng.random(n).sum()`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from interprobe.allocation_records import Allocation
from interprobe.findings import Cost, Finding, Fix, RecordIndex, Severity, Site
from interprobe.reused_outputs import computes_from_arrays
from interprobe.smaller_peaks import in_place_code, piecewise_code
from interprobe.trace import Copy, Process, Trace
from interprobe.wording import bytes_text, counted, listed, quoted

CODE = "IP602"
NAME = "peak-amplification"

LEAST_PEAK = 64 << 20
"""Bytes: a smaller peak is nobody's trouble."""
LEAST_TIMES = 2.0
"""How many times what is needed the peak is at least."""
_WARNING_SHARE = 0.25
"""Of the machine's memory: from here on the program may not get through."""
_BROADCAST = 4
"""How many times as large as all that is needed an array is that only broadcasting makes."""
_MOST_NAMED = 3


@dataclass(frozen=True)
class _Peak:
    """What made the peak of one process.

    Attributes:
        needless: Indices of the allocations, with the bytes of each that lived at the peak without
        need. highest: Bytes of array data at the peak. needed: Without those, and with the result
        that was still to come.
    """

    needless: dict[int, int]
    highest: int
    needed: int

    @property
    def times(self) -> float:
        """The peak as a multiple of what is needed."""
        return self.highest / max(self.needed, 1)


def check(trace: Trace) -> Iterator[Finding]:
    """Yield a finding for each process whose peak passing arrays and conversions made."""
    for process in {process.id: process for process in trace.processes}.values():
        peak = _peak(trace, process)
        if _is_reported(peak, process):
            yield from _findings(trace, process, peak)


def _peak(trace: Trace, process: Process) -> _Peak:
    own = {
        index: allocation
        for index, allocation in enumerate(trace.allocations)
        if allocation.process == process.id and allocation.site == allocation.user_site
    }
    conversions = {
        copy.site for copy in trace.copies if copy.process == process.id and _is_conversion(copy)
    }
    needless = {}
    for index, allocation in own.items():
        if allocation.site in conversions:
            needless[index] = allocation.peak_bytes
        elif allocation.passing_bytes and _is_computed(allocation, trace):
            needless[index] = min(allocation.passing_bytes, allocation.peak_bytes)
    needless = {index: nbytes for index, nbytes in needless.items() if nbytes > 0}
    highest = process.memory.numpy_peak_bytes
    rest = max(highest - sum(needless.values()), 0)
    lines = {_line(own[index]) for index in needless}
    results = [
        _result_to_come([each for each in own.values() if _line(each) == line], conversions)
        for line in lines
    ]
    return _Peak(needless=needless, highest=highest, needed=rest + max(results, default=0))


def _is_conversion(copy: Copy) -> bool:
    """Whether a copy holds what an array that lives as well holds, because of a requirement."""
    return not copy.explicit and copy.source is not None and copy.kind not in {"gather", "unknown"}


def _is_computed(allocation: Allocation, trace: Trace) -> bool:
    """Whether the blocks hold what was computed from arrays: not the program's first data."""
    here = (allocation.process, allocation.site)
    return computes_from_arrays(allocation.site.expression) or any(
        (each.process, each.site) == here for each in trace.temporaries
    )


def _line(allocation: Allocation) -> tuple[str, int, str]:
    place = allocation.user_site
    return place.file, place.line, place.function


def _result_to_come(line: list[Allocation], conversions: set[Site]) -> int:
    """Bytes of the line's largest result, where that was not there yet at the peak."""
    results = [each for each in line if each.site not in conversions]
    largest = max((each.kept_nbytes for each in results), default=0)
    there = sum(max(each.peak_bytes - each.passing_bytes, 0) for each in results)
    return 0 if there >= largest else largest


def _is_reported(peak: _Peak, process: Process) -> bool:
    before = process.memory.held_before_bytes  # the inputs may be in it
    return (
        bool(peak.needless)
        and peak.highest >= LEAST_PEAK
        and peak.highest + before >= LEAST_TIMES * (peak.needed + before)
    )


def _findings(trace: Trace, process: Process, peak: _Peak) -> Iterator[Finding]:
    """One finding at the line that holds most of it."""
    lines: dict[tuple[str, int, str], list[int]] = {}
    for index in peak.needless:
        lines.setdefault(_line(trace.allocations[index]), []).append(index)
    indices = max(lines.values(), key=lambda each: sum(peak.needless[index] for index in each))
    indices.sort(key=lambda index: peak.needless[index], reverse=True)
    lead = trace.allocations[indices[0]]
    machine = process.memory.machine_bytes
    threatens = machine is not None and peak.highest >= _WARNING_SHARE * machine
    yield Finding(
        rule=CODE,
        name=NAME,
        severity=Severity.WARNING if threatens else Severity.NOTE,
        user_site=lead.user_site,
        site=lead.site,
        subject=" ".join(lead.site.expression.split()) or "an expression",
        cause=_cause(trace, indices, peak),
        evidence=_evidence(trace, process, indices, peak),
        records=[RecordIndex(list="allocations", index=index) for index in indices],
        # It is memory that it costs; its time is in other rules' figures.
        cost=Cost(seconds=0.0, bytes=sum(peak.needless[index] for index in indices), share=0.0),
        fix=_fix(lead, peak),
    )


def _cause(trace: Trace, indices: list[int], peak: _Peak) -> str:
    named = [
        f"{quoted(trace.allocations[index].site.expression)} ({bytes_text(peak.needless[index])})"
        if trace.allocations[index].site.expression.strip()
        else bytes_text(peak.needless[index])
        for index in indices[:_MOST_NAMED]
    ]
    if len(indices) > _MOST_NAMED:
        rest = len(indices) - _MOST_NAMED
        named.append(counted(rest, "other operation", "other operations"))
    times = f"{peak.times:,.1f} times" if peak.times < 1000 else "over 1,000 times"
    return (
        f"At their peak arrays held {bytes_text(peak.highest)}, {times} the "
        f"{bytes_text(peak.needed)} of the program's data and the result. The rest lived only for "
        f"this line: {listed(named)}."
    )


def _evidence(trace: Trace, process: Process, indices: list[int], peak: _Peak) -> str:
    parts = [
        f"{bytes_text(peak.highest)} of array data alive at the peak, "
        f"{bytes_text(sum(peak.needless.values()))} of it without need"
    ]
    at = process.memory.numpy_peak_site
    if at is not None and at.line != trace.allocations[indices[0]].user_site.line:
        parts.append(f"reached at {at.file}:{at.line}")
    if process.memory.machine_bytes:
        share = peak.highest / process.memory.machine_bytes
        parts.append(f"{share:.2g} of the machine's memory")
    return "; ".join(parts)


def _fix(lead: Allocation, peak: _Peak) -> Fix:
    if lead.passing_bytes == 0:
        return Fix(
            text="Keep the data in the dtype and order that is needed from the beginning, or `del` "
            "the original as soon as its conversion is there."
        )
    if lead.nbytes >= _BROADCAST * peak.needed:
        return Fix(
            text="Compute it in pieces: a loop over some rows at a time, each written into its "
            "part of the result, so that what is in between stays small.",
            code=piecewise_code(lead.site),
        )
    return Fix(
        text="Compute in place (`-=`, `*=`) or with `out=` into one array that is used for all "
        "steps; or in pieces, some rows at a time.",
        code=in_place_code(lead.site),
    )
