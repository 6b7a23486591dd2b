"""IP401 dangling-pointer: native code was given a pointer to an array that is gone.

## What it does

Reports calls of native functions in which a pointer, or a number that is an address, leads to an
array that was freed before the call.

## Why is this bad?

An address keeps nothing alive. When the last reference to the array goes, NumPy gives its memory to
the next array of that size, mostly at once. C then reads the other array's numbers, or writes over
them, and nothing says so; sometimes the program crashes, much later and somewhere else.

## Example

`x.ctypes.data` is a mere number. So is what a structure holds: it copies the pointer, and not the
array that `data_as` keeps alive.

```python
import ctypes
import weakref

import numpy as np

values = np.ones(4)
gone = weakref.ref(values)
address = values.ctypes.data
del values
gone() is not None  # False: `address` leads nowhere now
```

## Use instead

Keep the array in a variable until C is done with it, or pass what `data_as` returns: that pointer
holds its array.

```python
import ctypes
import weakref

import numpy as np

values = np.ones(4)
gone = weakref.ref(values)
pointer = values.ctypes.data_as(ctypes.c_void_p)
del values
gone() is not None  # True: `pointer` keeps the array
```

## Limits

To be certain, the recording withholds freed memory whose address was given away: the latest block
of up to 32 MiB and 8 MiB of earlier ones, and blocks of up to 256 KiB, 1 MiB in all, where only
`data_as` gave the pointer away, as for an array of pointers. A pointer to memory that was given
back since is not reported. Nor is one that C has kept from an earlier call: `--guard` finds what it
reads. In a recorded run the withheld memory still holds the old numbers, so that the results may
look right there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from interprobe.expressions import is_name
from interprobe.facts import Fact
from interprobe.findings import Cost, Finding, Fix, RecordIndex, Severity, Site
from interprobe.layout import Layout
from interprobe.trace import Argument, Call, Trace
from interprobe.wording import bytes_text, counted, file_name, layout_text, quoted

CODE = "IP401"
NAME = "dangling-pointer"

_FREED = "pointer to a freed array"
_INTEGERS = re.compile(
    r"c_(u?(byte|short|int\d*|long|longlong)|s?size_t)\Z"  # ctypes
    r"|((un)?signed )?(char|short|int|long|long long)( int)?\Z"  # as C and cffi write them
    r"|(u?int(\d+|ptr|max)|s?size|ptrdiff)_t\Z"
)
"""Declared types of what may be an address, or a number that C takes for no pointer."""
_GIVING_UP = frozenset(
    [
        "cleanup",
        "clear",
        "close",
        "delete",
        "deregister",
        "destroy",
        "detach",
        "discard",
        "dispose",
        "drop",
        "erase",
        "evict",
        "forget",
        "free",
        "invalidate",
        "release",
        "remove",
        "unlock",
        "unmap",
        "unpin",
        "unref",
        "unregister",
        "unset",
        "unsubscribe",
    ]
)
"""Words in the names of functions that are told of memory, and need not look at it."""


@dataclass(frozen=True)
class Dangling:
    """One argument that leads to a freed array.

    Attributes:
        position: Of the argument, from 0.
        member: What the pointer inside the argument is called, ``.field``; "" for itself.
        array: The array that was freed, where it is known how it lay.
        lies_there: Whether the argument is itself a living array, made over the freed memory.
        integer: Whether C may take the argument for a number.
        passed: Whether a call got the address while the array lived.
        written: Whether C wrote into the freed memory.
        fact: Where the address was taken, and how; bytes of the freed block.
        freed_at: The line that was running when the array was freed.
    """

    position: int
    member: str
    array: Layout | None
    lies_there: bool
    integer: bool
    passed: bool
    written: bool
    fact: Fact
    freed_at: Site | None


def check(trace: Trace) -> Iterator[Finding]:
    """Yield a finding for each place that gave a function pointers to freed arrays."""
    groups: dict[tuple[Site, str, str], list[int]] = {}
    for index, call in enumerate(trace.calls):
        if _dangling(call):
            key = (call.user_site, call.library, call.function)
            groups.setdefault(key, []).append(index)
    for indices in groups.values():
        yield _finding(indices, [trace.calls[index] for index in indices])


def _finding(indices: list[int], calls: list[Call]) -> Finding:
    """One finding for the calls of one place, about every argument that dangles there."""
    distinct: dict[tuple[int, str], Dangling] = {}
    for call in calls:
        for item in _dangling(call):
            distinct.setdefault((item.position, item.member), item)
    items = list(distinct.values())
    first = calls[0]
    count = max(sum(call.count for call in calls), 1)
    severities = [_severity(first, item) for item in items]
    return Finding(
        rule=CODE,
        name=NAME,
        severity=min(severities, key=lambda each: each.rank),
        user_site=first.user_site,
        site=first.site,
        subject=first.function,
        cause="\n".join(_cause(first, item) for item in items),
        evidence=_evidence(first, items, count),
        records=[RecordIndex(list="calls", index=index) for index in indices],
        # Wrong numbers cost no time: none would be gained by reading the right ones.
        cost=Cost(seconds=0.0, bytes=0, share=0.0),
        fix=_fix(first, items[0]),
    )


def _dangling(call: Call) -> list[Dangling]:
    """The arguments of a call that lead to freed arrays, in their order."""
    of_kind: dict[str, dict[int | None, Fact]] = {}
    for fact in call.facts:
        of_kind.setdefault(fact.kind, {}).setdefault(fact.position, fact)
    found = []
    facts = of_kind.get(_FREED, {})
    for position, fact in sorted(facts.items(), key=lambda each: each[0] or 0):
        arguments = [each for each in call.arguments if each.position == position]
        leading = [each for each in arguments if each.freed is not None] or arguments
        argument = leading[0] if leading else None
        freed = of_kind.get("array freed", {}).get(position)
        item = Dangling(
            position=position or 0,
            member=_member(argument),
            array=argument.freed if argument is not None else None,
            lies_there=argument is not None and argument.given is not None,
            integer=argument is not None and _is_integer(argument),
            passed=position in of_kind.get("pointer passed while the array lived", {}),
            written=position in of_kind.get("freed array written", {}),
            fact=fact,
            freed_at=freed.site if freed is not None else None,
        )
        if not _is_left_over(call, item):
            found.append(item)
    return found


def _member(argument: Argument | None) -> str:
    """What a pointer inside an argument is called; "" for the argument itself."""
    name = argument.name if argument is not None else None
    return name if name is not None and re.search(r"[.\[]", name) else ""


def _is_integer(argument: Argument) -> bool:
    """Whether the callee may take the argument for a mere number."""
    if argument.given is not None:
        return False
    return argument.declared is not None and _INTEGERS.match(argument.declared) is not None


def _severity(call: Call, item: Dangling) -> Severity:
    """An error, unless there is an innocent reading: a name, or a member that is left over."""
    if item.written:
        return Severity.ERROR
    if _gives_up(call) or (item.member and item.passed):
        return Severity.NOTE
    return Severity.WARNING if item.integer else Severity.ERROR


def _gives_up(call: Call) -> bool:
    """Whether the function's name says that it is told of memory which it need not look at."""
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+", call.function)
    return any(word.lower() in _GIVING_UP for word in words)


def _is_left_over(call: Call, item: Dangling) -> bool:
    """Whether a call that gives something up still has an address from when it was in use."""
    used = item.passed and (item.integer or item.member != "")
    return used and _gives_up(call) and not item.written


def _cause(call: Call, item: Dangling) -> str:
    """What the argument leads to, where the address came from, and what C gets."""
    block = bytes_text(item.fact.value)
    array = f"an array ({layout_text(item.array)})" if item.array is not None else "an array"
    if item.lies_there:
        lead = "is an array that lies in memory which is another's no more: that of an array"
        text = f"Argument {item.position + 1} of {call.function} {lead}, {block}, freed before."
    elif item.integer:
        text = (
            f"Argument {item.position + 1} of {call.function} is a number that is the address of "
            f"{array}; the array was freed before the call."
        )
    else:
        subject = f"Argument {item.position + 1} of {call.function}"
        subject += f" holds a pointer ({item.member}) that leads" if item.member else " points"
        text = f"{subject} into {array} that was freed before the call."
    parts = [text, _origin_text(call, item)]
    if item.written:
        parts.append(
            f"C wrote into these {block}: without interprobe, which holds freed memory back for a "
            "while, it writes into whatever lies there then, such as another array."
        )
    else:
        parts.append(
            f"These {block} belong to no array any more. In this run they still held the old "
            "numbers, because interprobe holds freed memory back for a while; without it NumPy "
            "gives them to the next array of that size, and C reads that array's numbers instead "
            "of yours."
        )
    if _severity(call, item) is not Severity.ERROR:
        parts.append("Where the function reads nothing there, no harm is done.")
    return " ".join(part for part in parts if part)


def _origin_text(call: Call, item: Dangling) -> str:
    """Where the address was taken, and where the array was freed."""
    taken, freed = item.fact.site, item.freed_at
    if taken is None or not taken.file:
        return ""
    source = f" ({quoted(taken.expression)})" if taken.expression else ""
    text = f"Its address was taken at {_line(taken, call)}{source}"
    if freed is None or not freed.file:
        return f"{text}."
    if ".resize(" in freed.expression:
        moved = quoted(freed.expression)
        return f"{text}, and {moved} gave the array other memory at {_line(freed, call)}."
    if (freed.file, freed.line) == (taken.file, taken.line):
        return f"{text}, and the array was freed on that same line: nothing kept it."
    return f"{text}, and the array was freed at {_line(freed, call)}."


def _line(site: Site, call: Call) -> str:
    """A line of the file that the call is in, or of another."""
    if site.file == call.user_site.file:
        return f"line {site.line}"
    return f"{file_name(site.file)}:{site.line}"


def _evidence(call: Call, items: list[Dangling], count: int) -> str:
    """How often, and what NumPy has done with memory meanwhile."""
    since = max(item.fact.limit for item in items)
    text = (
        f"{counted(count, 'call', 'calls')} of {call.function} in {file_name(call.library)} with "
        "a pointer to memory that NumPy had freed"
    )
    if since == 0:
        return f"{text}; the next array of that size would get it"
    blocks = counted(since, "further block", "further blocks")
    return f"{text}; by then NumPy had handed out {blocks} of array data"


def _fix(call: Call, item: Dangling) -> Fix:
    """Keep the array, or take the address again."""
    taken = item.fact.site
    expression = taken.expression if taken is not None else ""
    owner, dot, attribute = expression.rpartition(".")
    known = bool(dot) and attribute.strip() in {"ctypes", "__array_interface__"}
    variable = owner if known and is_name(owner) else "values"
    lines = [f"{variable} = {' '.join(owner.split())}"] if known and variable != owner else []
    if item.freed_at is not None and ".resize(" in item.freed_at.expression:
        return Fix(
            text="Take the address again after every resize: it moves the array's data.",
            code="\n".join(
                [
                    " ".join(item.freed_at.expression.split()),
                    f"pointer = {variable}.ctypes.data_as(ctypes.c_void_p)",
                ]
            ),
        )
    if item.fact.text == "buffer protocol":
        return Fix(
            text="Keep what `ffi.from_buffer` returns in a variable until C is done with the "
            "pointer: `ffi.cast` makes a pointer that keeps nothing alive.",
            code="buffer = ffi.from_buffer(values)  # keep it as long as the pointer",
        )
    if item.member:
        lines.append(f"pointer = {variable}.ctypes.data_as(ctypes.c_void_p)")
        return Fix(
            text="Keep the array in a variable as long as C uses what holds the pointer: a "
            "structure or an array of pointers copies the address and keeps no array.",
            code="\n".join(
                [*lines, f"# ... {call.function}(...), and only then:", f"del {variable}"]
            ),
        )
    lines.append(f"pointer = {variable}.ctypes.data_as(ctypes.c_void_p)  # holds the array")
    return Fix(
        text="Keep the array in a variable until C is done with it, or pass the pointer that "
        "`data_as` returns: it holds its array, where a number holds nothing.",
        code="\n".join(lines),
    )
