"""IP108 expression-temporaries: an expression filled large arrays that only its next step read.

## What it does

Reports arrays of 64 KiB and more that one of NumPy's ufuncs made and that a later one of the same
expression read as its only user, where a line of your code made at least 1 MiB of them.

## Why is this bad?

NumPy computes an expression step by step. Each step writes its whole result to memory, and the next
one reads it back; memory that was never used before must also be got from the system first. For
cheap arithmetic on large arrays this takes longer than the arithmetic, and the temporaries add to
the peak of memory.

## Example

```python
import tracemalloc

import numpy as np

a, b = np.ones(100_000), np.ones(100_000)
tracemalloc.start()
mean = np.sqrt(a * b)  # a * b becomes an array of its own
peak = tracemalloc.get_traced_memory()[1]
tracemalloc.stop()
peak < 1.5 * mean.nbytes  # False: two arrays, to get one
```

## Use instead

```python
import tracemalloc

import numpy as np

a, b = np.ones(100_000), np.ones(100_000)
tracemalloc.start()
mean = np.multiply(a, b)
np.sqrt(mean, out=mean)  # in place
peak = tracemalloc.get_traced_memory()[1]
tracemalloc.stop()
peak < 1.5 * mean.nbytes  # True: the result alone
```

`numexpr.evaluate("sqrt(a * b)")` computes the whole expression in pieces that stay in the cache.

## Limits

Where an operator can, NumPy writes its result into a temporary of 256 KiB and more: that makes no
further array, and none is reported. A recording tells how many temporaries there were and what
filling them took, arithmetic included. Of that the share is known that went into memory that was
new (IP601 explains it), where temporaries of 1 MiB and more came again and again; what else a cure
would save is not, and without that share this is a note. Not reported: temporaries that a
reduction or another function reads (`(a * b).sum()`), ufuncs of other packages or with several
results, temporaries inside libraries.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from interprobe.demands import dtype_code
from interprobe.expressions import is_name
from interprobe.findings import Finding, Fix, RecordIndex
from interprobe.fresh_memory import avoidable_seconds
from interprobe.shares import measured_cost, severity_of_cost
from interprobe.trace import Temporary, Trace
from interprobe.wording import (
    bytes_text,
    counted,
    layout_text,
    listed,
    quoted,
    seconds_text,
    sentence,
    short_mechanism,
)

CODE = "IP108"
NAME = "expression-temporaries"

LEAST_BYTES = 1 << 20
"""What a line writes into temporaries before it is worth a word."""
_MOST_NAMED = 3
"""Temporaries that a sentence names by their expressions."""


def check(trace: Trace) -> Iterator[Finding]:
    """Yield a finding for each line of the user's code that filled large temporaries."""
    lines: dict[tuple[str, int, str], list[int]] = {}
    for index, temporary in enumerate(trace.temporaries):
        # What a library computes inside, its user cannot write otherwise.
        if temporary.site == temporary.user_site:
            place = temporary.user_site
            lines.setdefault((place.file, place.line, place.function), []).append(index)
    for indices in lines.values():
        records = [trace.temporaries[index] for index in indices]
        if sum(record.bytes for record in records) >= LEAST_BYTES:
            yield _finding(trace, indices, records)


def _finding(trace: Trace, indices: list[int], records: list[Temporary]) -> Finding:
    lead = max(records, key=lambda record: (record.bytes, record.seconds))
    count = sum(record.count for record in records)
    nbytes = sum(record.bytes for record in records)
    seconds = sum(record.seconds for record in records)
    # The arithmetic has to be done anyway: what is known to be lost is what fresh memory took.
    fresh = _fresh_seconds(trace, records)
    cost = measured_cost(trace, [record.process for record in records], fresh, nbytes)
    what = _named(records)
    several = " each" if len(records) > 1 else ""
    cause = (
        f"{sentence(what)}{several} made an array that the next operation of the expression read "
        f"and nothing else: {counted(count, 'temporary', 'temporaries')}, {bytes_text(nbytes)} "
        "written to memory only to be read back."
    )
    evidence = (
        f"{counted(count, 'temporary', 'temporaries')}, {bytes_text(nbytes)} in all; filling them "
        f"took {seconds_text(seconds)}, arithmetic included{_fresh_text(fresh)}; the largest: "
        f"{layout_text(lead.result)}"
    )
    return Finding(
        rule=CODE,
        name=NAME,
        severity=severity_of_cost(cost),
        user_site=lead.user_site,
        site=lead.site,
        subject=" ".join(lead.site.expression.split()) or short_mechanism(lead.mechanism),
        cause=cause,
        evidence=evidence,
        records=[RecordIndex(list="temporaries", index=index) for index in indices],
        cost=cost,
        fix=Fix(
            text="Let each operation write into an array that is there already, with `out=` or in "
            "place (`+=`), or hand the whole expression to `numexpr.evaluate`.",
            code=_code(lead),
        ),
    )


def _fresh_seconds(trace: Trace, records: list[Temporary]) -> float:
    """What it took to touch memory that was new for temporaries that could have shared it."""
    places = {(record.process, record.site) for record in records}
    return sum(
        avoidable_seconds(allocation)
        for allocation in trace.allocations
        if (allocation.process, allocation.site) in places
    )


def _fresh_text(seconds: float) -> str:
    return f", an estimated {seconds_text(seconds)} of it to get new memory" if seconds else ""


def _named(records: list[Temporary]) -> str:
    """The operations that filled the temporaries, largest first."""
    ordered = sorted(records, key=lambda record: record.bytes, reverse=True)
    names = list(
        dict.fromkeys(
            quoted(record.site.expression)
            if record.site.expression.strip()
            else short_mechanism(record.mechanism)
            for record in ordered
        )
    )
    if len(names) > _MOST_NAMED:
        rest = len(names) - _MOST_NAMED
        names = [*names[:_MOST_NAMED], counted(rest, "other operation", "other operations")]
    return listed(names)


def _code(lead: Temporary) -> str:
    """The operation that filled the largest temporary, written into an array made once."""
    try:
        node = ast.parse(lead.site.expression.strip(), mode="eval").body
        if isinstance(node, ast.BinOp):
            operands = [node.left, node.right]
        elif isinstance(node, ast.UnaryOp):
            operands = [node.operand]
        elif isinstance(node, ast.Call) and not node.keywords:
            operands = node.args
        else:
            return ""
        written = ", ".join(ast.unparse(operand) for operand in operands)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    function = short_mechanism(lead.mechanism)
    if not all(is_name(part) for part in function.split(".")) or not written:
        return ""
    return (
        f"work = np.empty(shape, dtype={dtype_code(lead.result)})  # once, before the loop\n"
        f"{function}({written}, out=work)"
    )
