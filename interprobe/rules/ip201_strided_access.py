"""IP201 strided-access: native code fetches a whole cache line for each of few bytes that it needs.

## What it does

Reports calls that take an array in place whose elements lie far apart (`table[:, 3]`,
`points["x"]`, `samples[::8]`), and that were measured to be faster with the same numbers side by
side. The measurement repeats the call itself, in a copy of the process, with either array.

## Why is this bad?

Memory comes in lines of 64 bytes. Where eight `float64` lie in a line, one fetch brings eight
numbers; where each lies in a line of its own, one fetch brings one number and 56 bytes that nobody
asked for. The same sum then moves eight times as much memory. No copy is made and no profile shows
a slow line: the time is inside the function, which waits.

## Example

```python
import numpy as np

table = np.zeros((1000, 500))
column = table[:, 3]
column.strides[0] <= 64 // 8  # False: 4,000 bytes from one number to the next
```

## Use instead

Store what is used together side by side: one array for each column, or a table with the columns as
rows.

```python
import numpy as np

table = np.zeros((500, 1000))
column = table[3]
column.strides[0] == column.itemsize  # True: eight numbers in each line
```

For records, that is one array for each field instead of one array of records.

## Limits

A contiguous copy before each call costs about as much as it saves, because making it walks over
the same lines: it pays where one copy serves several calls. Where the call could not be repeated,
a note says what the layout suggests, and that it is not confirmed.

A function behind ctypes or cffi steps as it is told to. Its calls are repeated with other strides
only where these are plain integers among the arguments, in bytes or in elements, beside the
lengths, and could mean nothing else: no stride is equal to a length, a size, or another stride of
the call's arrays, none is 1, and no argument leads to memory that may hold strides too. Where the
result is then another, the integer was something else. About all other such functions nothing is
reported.
"""

from __future__ import annotations

from collections.abc import Iterator

from interprobe.cache_lines import LINE, fetched_bytes, share_used, steps
from interprobe.call_arguments import (
    FOREIGN_BINDINGS,
    argument_text,
    array_of,
    array_text,
    assigned_name,
)
from interprobe.findings import Cost, Finding, Fix, RecordIndex, Saving, Severity
from interprobe.layout import Layout
from interprobe.layout_replays import (
    as_receiver,
    layout_finding,
    replaced_arrays,
    slow_layouts,
    was_measured,
)
from interprobe.shares import WARNING_SHARE, measured_cost
from interprobe.trace import Argument, Call, Trace
from interprobe.wording import (
    bytes_text,
    counted,
    file_name,
    gaps_text,
    layout_text,
    seconds_text,
)

CODE = "IP201"
NAME = "strided-access"

_CHANGE = "contiguous"
_FIX = (
    "Store these numbers side by side from the start (an array for each column or field). Or make "
    "one contiguous copy and use it for several calls: a copy for each call walks over the same "
    "memory and gains nothing."
)

# What has to come together for a note where nothing was measured.
_LEAST_FETCHED = 8_000_000  # bytes; less may lie in a cache from one call to the next
_MOST_USED = 0.25  # of a line
_BANDWIDTH = 10e9  # bytes a second: what one core of a common machine fetches
_LEAST_OF_CALL = 0.25  # of the call's time that fetching them takes at that speed
_MOST_OF_CALL = 4.0  # a call that is shorter still does not read them all


def check(trace: Trace) -> Iterator[Finding]:
    """Yield a finding for each call that is slow because its arrays' elements lie far apart."""
    for slow in slow_layouts(trace, _CHANGE):
        yield layout_finding(
            CODE,
            NAME,
            slow,
            cause=f"{slow.subject_text} is {slow.array_text}, which {gaps_text(slow.given)}. "
            f"{_fetched_text(slow.given)} With the same numbers side by side the call is "
            f"{slow.speedup:.2g} times as fast.",
            facts=f"{share_used(slow.given):.1%} of what is fetched is used",
            fix=Fix(text=_FIX, code=replaced_arrays(slow, "contiguous", _code)),
        )
    for index, call in enumerate(trace.calls):
        argument = _suspect(trace, call)
        if argument is not None and argument.given is not None:
            yield _unconfirmed(index, call, argument, argument.given)


def _fetched_text(layout: Layout) -> str:
    """How much memory moves for how much of it, in a sentence."""
    return (
        f"Memory comes in lines of {LINE} bytes: for {bytes_text(layout.nbytes)} of numbers the "
        f"function fetches {bytes_text(fetched_bytes(layout))}, and uses {share_used(layout):.1%} "
        "of it."
    )


def _code(variable: str, source: str, layout: Layout) -> str:
    """One contiguous copy, in the order that the axes already have in memory."""
    axes = [axis for axis, _, _ in steps(layout)]
    if axes == sorted(axes, reverse=True):
        return f"{variable} = np.ascontiguousarray({source})"
    return f'{variable} = {as_receiver(source)}.copy(order="K")'


def _suspect(trace: Trace, call: Call) -> Argument | None:
    """The array whose gaps may explain the time of a call that could not be repeated."""
    if call.binding in FOREIGN_BINDINGS or was_measured(call, _CHANGE) or call.bytes_copied > 0:
        return None
    share = measured_cost(trace, [call.process], call.seconds_self, 0).share
    if share < WARNING_SHARE or call.count < 1:
        return None
    arrays = [
        (fetched_bytes(argument.given), argument)
        for argument in call.arguments
        if argument.given is not None
        and argument.given.order == "strided"
        and share_used(argument.given) <= _MOST_USED
    ]
    fetched, argument = max(arrays, key=lambda each: each[0], default=(0, None))
    seconds = call.seconds_self / call.count
    explained = fetched / _BANDWIDTH / seconds if seconds > 0 else 0.0
    if fetched < _LEAST_FETCHED or not _LEAST_OF_CALL <= explained <= _MOST_OF_CALL:
        return None
    return argument


def _unconfirmed(index: int, call: Call, argument: Argument, given: Layout) -> Finding:
    """A note about gaps that were not measured."""
    array = array_of(call, argument)
    reasons = [each.reason for each in call.replays if each.change == _CHANGE and each.reason]
    reason = reasons[0] if reasons else "the call was not repeated with another array"
    library = f" in {file_name(call.library)}" if call.library else ""
    variable = assigned_name(array, argument, "contiguous")
    source = array.text if array is not None else variable
    return Finding(
        rule=CODE,
        name=NAME,
        severity=Severity.NOTE,
        user_site=call.user_site,
        site=call.site,
        subject=call.function,
        cause=f"{argument_text(call, argument)} is {array_text(array, 'an array')}, which "
        f"{gaps_text(given)}. {_fetched_text(given)} That this makes the call slow is not "
        f"confirmed: {reason}.",
        evidence=f"{counted(call.count, 'call', 'calls')} of {call.function}{library} took "
        f"{seconds_text(call.seconds)}: {layout_text(given)}; {share_used(given):.1%} of what is "
        "fetched is used",
        records=[RecordIndex(list="calls", index=index)],
        # What the gaps cost is what was not measured.
        cost=Cost(seconds=0.0, bytes=0, share=0.0),
        fix=Fix(text=_FIX, code=_code(variable, source, given)),
        saving=Saving(method="not measured", reason=reason),
    )
