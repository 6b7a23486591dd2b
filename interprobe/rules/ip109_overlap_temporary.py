"""IP109 overlap-temporary: an operation wrote to memory that it also read, so NumPy copied first.

## What it does

Reports copies that NumPy made because an operation's output overlaps one of its inputs: it copies
the input aside, or computes into a temporary array and copies that back.

## Why is this bad?

`x[1:] += x[:-1]` reads elements that it has written a moment before. NumPy promises the result that
the old elements would give, and keeps the promise with a copy that the line does not show: each
step writes another whole array, and memory peaks higher.

## Example

```python
import numpy as np

x = np.arange(100_000.0)
x[1:] += x[:-1]  # NumPy adds into a temporary and copies that back
not np.shares_memory(x[1:], x[:-1])  # False: what is written is what is read
```

## Use instead

Write into a second array, and exchange the two after each step:

```python
import numpy as np

x = np.arange(100_000.0)
other = np.empty_like(x)  # once, before the loop
other[0] = x[0]
np.add(x[1:], x[:-1], out=other[1:])
not np.shares_memory(other[1:], x[:-1])  # True: nothing has to be copied
x, other = other, x
```

## Limits

NumPy decides with a bounded effort whether two views overlap, and copies where it cannot tell. An
output that is exactly an input (`x += y`, `np.sqrt(x, out=x)`) needs no copy and has none.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from interprobe.copy_groups import CopyGroup, copy_finding, group_copies
from interprobe.findings import Finding, Fix
from interprobe.trace import Copy, Trace
from interprobe.wording import bytes_text, quoted, short_mechanism

CODE = "IP109"
NAME = "overlap-temporary"


def check(trace: Trace) -> Iterator[Finding]:
    """Yield a finding for each place where overlap of input and output cost a copy."""
    for group in group_copies(trace, _applies):
        size = bytes_text(group.lead.result.nbytes)
        amount = f"{size} each time" if group.count > 1 else size
        if "writeback" in group.lead.kind.split("+"):
            done = f"computed into an array of its own and copied that back ({amount})"
        else:
            done = f"copied what it reads aside first ({amount})"
        cause = (
            f"{_operation(group)} writes to memory that it also reads. To compute with "
            f"the old numbers, NumPy {done}{group.times_text}."
        )
        yield copy_finding(group, CODE, NAME, cause=cause, fix=_fix(group))


def _applies(copy: Copy) -> bool:
    """Whether a copy was made for no other reason than that input and output overlap."""
    return not copy.explicit and "overlap" in copy.kind.split("+")


def _operation(group: CopyGroup) -> str:
    """What reads and writes, as the program writes it."""
    lead = group.lead
    if lead.site != lead.user_site:
        return f"{short_mechanism(lead.mechanism)}, inside {quoted(lead.user_site.expression)},"
    text = _statement_text(group) or lead.site.expression
    return quoted(text) if text.strip() else short_mechanism(lead.mechanism)


def _statement_text(group: CopyGroup) -> str:
    """The whole statement of the line: of an assignment, CPython's position is the target alone."""
    statement = _statement(group)
    return ast.unparse(statement) if statement is not None else ""


def _statement(group: CopyGroup) -> ast.Assign | ast.AugAssign | None:
    try:
        body = ast.parse(group.lead.site.source.strip()).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    if len(body) != 1 or not isinstance(body[0], ast.Assign | ast.AugAssign):
        return None
    return body[0]


def _fix(group: CopyGroup) -> Fix:
    """The result written into a second array."""
    return Fix(
        text="Write the result into a second array, made once, and exchange the two names after "
        "each step; copy over the elements that the operation leaves alone.",
        code=_code(group) if group.lead.site == group.lead.user_site else "",
    )


def _code(group: CopyGroup) -> str:
    """The statement with another array as its target, where it writes to a part of a variable."""
    statement = _statement(group)
    if isinstance(statement, ast.Assign):
        target = statement.targets[0] if len(statement.targets) == 1 else None
    else:
        target = statement.target if statement is not None else None
    if not isinstance(target, ast.Subscript) or not isinstance(target.value, ast.Name):
        return ""
    assert statement is not None
    name = target.value.id
    try:
        part = f"other[{ast.unparse(target.slice)}]"
        value = ast.unparse(statement.value)
        if isinstance(statement, ast.AugAssign):
            function = short_mechanism(group.lead.mechanism)
            if not function.startswith("np."):
                return ""
            written = f"{function}({ast.unparse(target)}, {value}, out={part})"
        else:
            written = f"{part} = {value}"
    except RecursionError:
        return ""
    return f"other = np.empty_like({name})  # once, before the loop\n{written}"
