"""IP601 first-touch-faults: a line made large arrays again and again, each in memory that was new.

## What it does

Reports native functions that got fresh memory from the system at each call, and lines of your code
that allocated arrays of 1 MiB and more at least four times, of which only a few lived at one time,
where touching their fresh memory took 1 % of the run or more.

## Why is this bad?

`np.add(x, 1)` returns a new array. A large one lies in memory that has no pages yet: at the first
touch of each page the program stops, and the kernel looks for a page and clears it. When the array
is dropped, the pages go back, and the next array gets new ones. For cheap arithmetic this takes
longer than the arithmetic. Memory that is used again has its pages already.

## Example

```python
import resource

import numpy as np

x = np.ones(8_000_000)


def new_pages():
    return resource.getrusage(resource.RUSAGE_THREAD).ru_minflt


y = np.add(x, 1)
before = new_pages()
for _ in range(4):
    y = np.add(x, 1)  # 64 MB of new memory at each turn
new_pages() - before < 16  # False: the kernel made pages for each
```

## Use instead

Make the array once, and let each turn fill it:

```python
import resource

import numpy as np

x = np.ones(8_000_000)


def new_pages():
    return resource.getrusage(resource.RUSAGE_THREAD).ru_minflt


y = np.add(x, 1)
before = new_pages()
for _ in range(4):
    np.add(x, 1, out=y)
new_pages() - before < 16  # True: the memory is there already
```

Most functions of NumPy take `out=`. For native code, make the array before the loop and hand over
the same one at each call. Where a result is put aside for later, an array of its own is right.

## Limits

What a fresh page costs is measured once, after the run, and multiplied by the pages that were
touched: an estimate. It leaves out that memory used again may still be in the cache. Not reported:
arrays that a library makes inside, copies and temporaries of expressions that other rules report,
and guard mode, where all memory is new. Native functions are watched where your code calls them,
and calls that take over a millisecond.
"""

from __future__ import annotations

from collections.abc import Iterator

from interprobe.allocation_records import Allocation
from interprobe.findings import Cost, Finding, Fix, RecordIndex, Saving
from interprobe.fresh_memory import avoidable_bytes, avoidable_seconds
from interprobe.reused_outputs import refilling_code
from interprobe.shares import measured_cost, severity_of_cost
from interprobe.trace import Call, Process, Trace
from interprobe.wording import bytes_text, counted, quoted, seconds_text

CODE = "IP601"
NAME = "first-touch-faults"

LEAST_COUNT = 4
"""Arrays that a line makes before one speaks of again and again."""
LEAST_SHARE = 0.01
"""Of the run: what costs less is not worth a word."""
REUSABLE = 4
"""How many times as many were made as were alive at one time."""
_PAGE = 4096
"""Bytes of a page, at least: a fault that maps a larger one counts as one of these."""


def check(trace: Trace) -> Iterator[Finding]:
    """Yield a finding for each operation or native function whose fresh memory cost a share."""
    yield from _arrays(trace)
    yield from _workspaces(trace)


def _arrays(trace: Trace) -> Iterator[Finding]:
    """Arrays that NumPy made on a line of the user's."""
    for index, allocation in enumerate(trace.allocations):
        if _comes_again(allocation) and not _is_reported_elsewhere(allocation, trace):
            seconds = avoidable_seconds(allocation)
            cost = measured_cost(
                trace,
                [allocation.process],
                seconds,
                avoidable_bytes(allocation),
            )
            if cost.share >= LEAST_SHARE:
                yield Finding(
                    rule=CODE,
                    name=NAME,
                    severity=severity_of_cost(cost),
                    user_site=allocation.user_site,
                    site=allocation.site,
                    subject=" ".join(allocation.site.expression.split()) or "a new array",
                    cause=_cause(allocation, seconds, cost.share),
                    evidence=_evidence(allocation),
                    records=[RecordIndex(list="allocations", index=index)],
                    cost=cost,
                    fix=_fix(allocation),
                    saving=Saving(
                        seconds=seconds,
                        method="estimated",
                        reason="from the memory that was touched first, and what such memory costs "
                        "on this machine",
                    ),
                )


def _comes_again(allocation: Allocation) -> bool:
    """Whether the user's own line made blocks whose memory a later one could have used."""
    return (
        allocation.site == allocation.user_site
        and allocation.ended >= LEAST_COUNT
        and allocation.live_most * REUSABLE <= allocation.count
        and allocation.touched_seconds is not None
    )


def _is_reported_elsewhere(allocation: Allocation, trace: Trace) -> bool:
    """Whether another rule speaks of these very arrays, with a cure that spares them."""
    here = (allocation.process, allocation.site)
    if any((each.process, each.site) == here for each in trace.temporaries):
        return True
    needless = sum(
        copy.bytes
        for copy in trace.copies
        if (copy.process, copy.site) == here
        and ((not copy.explicit and copy.kind != "gather") or copy.repeated * 2 >= copy.count)
    )
    return needless * 2 >= allocation.bytes


def _cause(allocation: Allocation, seconds: float, share: float) -> str:
    what = quoted(allocation.site.expression) if allocation.site.expression.strip() else "This line"
    alive = "one was" if allocation.live_most == 1 else f"{allocation.live_most} were"
    return (
        f"{what} made a new array {counted(allocation.count, 'time', 'times')}, of which no more "
        f"than {alive} in use at once. New memory has no pages: at the first touch of each the "
        f"kernel has to find and clear one: {bytes_text(allocation.touched_bytes)}, and "
        f"{seconds_text(seconds)} of it ({share:.0%} of the run) could have been spared by using "
        "the same memory again."
    )


def _evidence(allocation: Allocation) -> str:
    seconds = allocation.touched_seconds or 0.0
    per_megabyte = seconds / max(allocation.touched_bytes / 1e6, 1e-9)
    return (
        f"{counted(allocation.count, 'array', 'arrays')} of up to {bytes_text(allocation.nbytes)}, "
        f"{bytes_text(allocation.bytes)} in all, at most {allocation.live_most} at a time; "
        f"{bytes_text(allocation.touched_bytes)} touched for the first time, at "
        f"{seconds_text(per_megabyte)} per MB, measured after the run"
    )


def _fix(allocation: Allocation) -> Fix:
    return Fix(
        text="Make the array once, before the loop, and have each turn write into it, with "
        "`out=` or by handing the same array to native code.",
        code=refilling_code(allocation.site),
    )


def _workspaces(trace: Trace) -> Iterator[Finding]:
    """Memory that native functions get from the system for themselves, at each call."""
    for process in {process.id: process for process in trace.processes}.values():
        page_seconds = process.memory.page_fault_seconds
        if page_seconds is None or process.guard is not None:
            continue
        # Arrays that a callee fills are fresh on the program's side: of all its faults, those that
        # these can explain are not the callee's own.
        explained = _pages_of_arrays(trace, process)
        for index, call in enumerate(trace.calls):
            own = call.page_faults - explained
            if call.process == process.id and _comes_and_goes(call, own):
                seconds = own * page_seconds
                nbytes = own * _PAGE
                cost = measured_cost(trace, [process.id], seconds, nbytes)
                if cost.share >= LEAST_SHARE:
                    yield _finding_on_call(index, call, cost)


def _pages_of_arrays(trace: Trace, process: Process) -> int:
    """Pages of array data that the process touched first, or may have."""
    return sum(
        -(-max(each.touched_bytes + (each.count - each.ended) * each.nbytes, 0) // _PAGE)
        for each in trace.allocations
        if each.process == process.id
    )


def _comes_and_goes(call: Call, own: int) -> bool:
    """Whether most pages that a function's calls touched first were its own, and given back."""
    return (
        call.count >= LEAST_COUNT
        and call.faulting * 2 >= call.count  # not once, as after a fork
        and own * 2 >= call.page_faults
        and call.resident_growth * REUSABLE <= own * _PAGE
    )


def _finding_on_call(index: int, call: Call, cost: Cost) -> Finding:
    pages = cost.bytes // _PAGE
    function = quoted(call.function)
    rest = call.seconds - cost.seconds
    return Finding(
        rule=CODE,
        name=NAME,
        severity=severity_of_cost(cost),
        user_site=call.user_site,
        site=call.site,
        subject=call.function,
        cause=f"{function} gets memory of its own from the system and gives it back, call after "
        f"call: in {counted(call.count, 'call', 'calls')} it touched {pages:,} pages of memory "
        "that was new, which the kernel had to find and clear first. That took "
        f"{seconds_text(cost.seconds)} ({cost.share:.0%} of the run).",
        evidence=f"{call.page_faults:,} page faults in {counted(call.count, 'call', 'calls')} of "
        f"{seconds_text(call.seconds)} in all, {pages:,} of them not of arrays that it was given; "
        f"{bytes_text(call.resident_growth)} of memory stayed behind",
        records=[RecordIndex(list="calls", index=index)],
        cost=cost,
        fix=Fix(
            text="In the native code, get the workspace once and keep it for all calls (one for "
            "each thread), or let the caller hand it over as an argument.",
        ),
        saving=Saving(
            speedup=call.seconds / rest if rest > 0.1 * call.seconds else None,
            seconds=cost.seconds,
            method="estimated",
            reason="from the page faults, and what one costs on this machine",
        ),
    )
