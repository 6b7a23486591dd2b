"""IP205 mixed-orders: NumPy walks along one array's memory and across another's at once.

## What it does

Reports NumPy's own operations (`a + b.T`, `np.maximum`, `.sum()`) that took long because their
arrays lie in memory in different orders, or with gaps between all their elements. It is a warning
where a repetition of the operation, with all arrays in one order, confirmed what that gains.

## Why is this bad?

Memory hands over 64 bytes at a time. An array that is walked the way it lies in memory uses all of
them; one that is walked across uses 8 and comes back for the others when they are gone from the
cache. In `a + b.T` the rows of `a` lie side by side, and of `b.T` the columns: whichever way NumPy
walks, one of the two is walked across. Nothing is copied, so no copy tells of it; it is only slow,
three times and more for arrays that no cache holds.

## Example

```python
import numpy as np

a = np.zeros((300, 200))
b = np.zeros((200, 300))
total = a + b.T  # a row by row, b.T column by column
a.flags.c_contiguous == b.T.flags.c_contiguous  # False: two orders
```

## Use instead

Keep what is used together in one order: make it so, or convert it once where it is used often.

```python
import numpy as np

a = np.zeros((300, 200))
b = np.zeros((200, 300))
b_by_rows = np.ascontiguousarray(b.T)  # once, outside the loop
total = a + b_by_rows
a.flags.c_contiguous == b_by_rows.flags.c_contiguous  # True: one order
```

## Limits

Operations of less than 100 us are not looked at. A conversion takes about as long as one such
operation, so that it pays from the second or third use on; the gain that was measured is that of an
operation without the conversion.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod

from interprobe.findings import Finding, Fix, RecordIndex, Severity
from interprobe.operand_expressions import operand_text, with_operand
from interprobe.operand_orders import LINE, axes_of, common_order, gap_of, is_mixed, odd_operands
from interprobe.shares import measured_cost, severity_of_cost
from interprobe.trace import Operation, Trace
from interprobe.wording import (
    bytes_text,
    counted,
    item_size,
    layout_text,
    listed,
    quoted,
    seconds_text,
    sentence,
    short_mechanism,
)

CODE = "IP205"
NAME = "mixed-orders"

CHANGES = ("same-order",)
"""What was changed in the experiments that measure its fix."""

_LEAST_SHARE = 0.01
_LEAST_GAIN = 1.05
"""A gain below is not worth a change of the program."""

_LEAST_UNMEASURED = 2**21
"""Bytes: smaller arrays may lie in a cache, where their order hardly matters."""

_FAST = 0.5
"""Share of memory's bandwidth from which an operation is not slow, if nothing else was measured."""


def check(trace: Trace) -> Iterator[Finding]:
    """Yield a finding for each operation at a place that was slow by its operands' orders."""
    groups: dict[tuple[object, ...], list[int]] = {}
    for index, operation in enumerate(trace.operations):
        if operation.count > 0 and odd_operands(operation):
            groups.setdefault((operation.user_site, operation.operation), []).append(index)
    for indices in groups.values():
        found = _finding(trace, indices)
        if found is not None:
            yield found


def _finding(trace: Trace, indices: Sequence[int]) -> Finding | None:
    records = [trace.operations[index] for index in indices]
    lead = max(records, key=lambda record: record.seconds)
    cost = measured_cost(
        trace,
        (record.process for record in records),
        sum(record.seconds for record in records),
        0,
    )
    if cost.share < _LEAST_SHARE:
        return None
    gain = _gain(lead)
    if gain is False or (gain is None and not _is_surely_slow(lead, trace)):
        return None
    return Finding(
        rule=CODE,
        name=NAME,
        # Two at least, or the conversion takes what it gains.
        severity=severity_of_cost(cost) if _count(records) > 1 else Severity.NOTE,
        user_site=lead.user_site,
        site=lead.site,
        subject=lead.user_site.expression or short_mechanism(lead.operation),
        cause=_cause(lead, records),
        evidence=_evidence(lead, records),
        records=[RecordIndex("operations", index) for index in indices],
        cost=cost,
        fix=_fix(lead, records),
    )


def _gain(operation: Operation) -> bool | None:
    """Whether one order was seen to be faster; None where no experiment tells for certain."""
    found = [
        replay
        for replay in operation.replays
        if replay.change in CHANGES and replay.speedup is not None and replay.passes > 0
    ]
    if not found or found[0].speedup is None:
        return None
    if found[0].speedup < _LEAST_GAIN:
        return False
    holds_none = found[0].low is not None and found[0].low <= 1
    return None if holds_none else True


def _is_surely_slow(operation: Operation, trace: Trace) -> bool:
    """Whether the orders can be called slow without an experiment."""
    if not is_mixed(operation):
        return False
    if max(operation.operands[index].nbytes for index in odd_operands(operation)) < (
        _LEAST_UNMEASURED
    ):
        return False
    bandwidth = trace.machine.bandwidth_read if trace.machine is not None else None
    if bandwidth is None or operation.seconds <= 0:
        return True
    made = 0 if -1 in operation.positions or operation.operation.count(".") > 1 else 2
    moved = operation.bytes + made * operation.count * max(
        layout.nbytes for layout in operation.operands
    )
    return moved / operation.seconds < _FAST * bandwidth


def _count(records: Sequence[Operation]) -> int:
    return sum(record.count for record in records)


def _cause(lead: Operation, records: Sequence[Operation]) -> str:
    what = _operation(lead)
    if is_mixed(lead):
        why = (
            f"{what} walks arrays of different memory orders at once: {_orders(lead)}. Whichever "
            "way NumPy goes, one of them is walked across its memory, and most of each "
            f"{LINE} bytes that memory hands over is fetched again later"
        )
    else:
        why = f"{what} reads elements that lie far apart: {_gaps(lead)}"
    each = seconds_text(sum(record.seconds for record in records) / _count(records))
    times = f"{each} a time" if _count(records) > 1 else each
    took = f"It took {times}, {counted(_count(records), 'time', 'times')}"
    if _count(records) == 1:
        took = f"It took {times}"
    return f"{why}. {took}."


def _operation(lead: Operation) -> str:
    """What walks the arrays, as the program writes it."""
    expression = lead.user_site.expression
    if not expression.strip():
        return short_mechanism(lead.operation)
    return quoted(expression)


def _name(lead: Operation, index: int) -> str:
    """An operand in a sentence: its source text, or its place."""
    position = lead.positions[index] if index < len(lead.positions) else -1
    if position < 0:
        return "the output"
    text = operand_text(lead, position)
    return quoted(text) if text is not None else f"operand {position + 1}"


_ORDER_WORDS = {
    "C": "row by row (C order)",
    "F": "column by column (Fortran order)",
    "other": "with its axes exchanged",
}


def _orders(lead: Operation) -> str:
    parts = []
    for index, layout in enumerate(lead.operands):
        axes = axes_of(layout)
        if axes is not None:
            parts.append(f"{_name(lead, index)} lies {_ORDER_WORDS[axes]}")
    return listed(parts)


def _gaps(lead: Operation) -> str:
    parts = []
    for index in odd_operands(lead):
        layout = lead.operands[index]
        gap = gap_of(layout)
        if gap is not None:
            parts.append(
                f"in {_name(lead, index)} each of {bytes_text(item_size(layout))} stands "
                f"{bytes_text(gap)} from the next, and memory hands over {LINE} bytes for it"
            )
        else:
            parts.append(f"{_name(lead, index)} lies across the order of the walk")
    return listed(parts)


def _evidence(lead: Operation, records: Sequence[Operation]) -> str:
    arrays = "; ".join(layout_text(layout) for layout in lead.operands)
    count = counted(_count(records), "time", "times")
    seconds = seconds_text(sum(record.seconds for record in records))
    return f"{short_mechanism(lead.operation)} {count} in {seconds}, no copy: {arrays}"


def _fix(lead: Operation, records: Sequence[Operation]) -> Fix:
    """The odd operands made in the others' order."""
    odd = odd_operands(lead)
    fortran = common_order(lead) == "F"
    order = "Fortran order" if fortran else "C order"
    names = listed(_name(lead, index) for index in odd)
    made = f"make {names} in {order} where the program makes it"
    if _count(records) < 2:
        return Fix(
            text=sentence(f"{made}: to convert it for this one operation would cost what it gains.")
        )
    return Fix(
        text=sentence(
            f"{made}, or convert it once before it is used again and again: that costs about as "
            "much as one such operation."
        ),
        code=_code(lead, odd, "asfortranarray" if fortran else "ascontiguousarray"),
    )


def _code(lead: Operation, odd: Sequence[int], conversion: str) -> str:
    """The conversion, and the line with its result; "" where the text does not show the array."""
    if len(odd) != 1 or odd[0] >= len(lead.positions):
        return ""
    position = lead.positions[odd[0]]
    text = operand_text(lead, position)
    changed = with_operand(lead, position, "in_order") if text is not None else None
    if changed is None or prod(lead.operands[odd[0]].shape) == 0:
        return ""
    return f"in_order = np.{conversion}({text})  # once, outside the loop\n{changed}"
