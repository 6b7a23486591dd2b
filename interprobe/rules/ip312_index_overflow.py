"""IP312 index-overflow: native code got another integer than the program passed.

## What it does

Reports calls of C functions through ctypes in which an integer did not fit the type that ctypes
was told, or, without `argtypes`, a C `int`: ctypes passes the lower bits and says nothing. Where
the callee's own prototype is known, also integers that fit the declared type but not the callee's.

## Why is this bad?

A length of 5,000,000,000 arrives as 705,032,704: the function works on a seventh of the array. One
of 3,000,000,000 arrives as a negative number: the function does nothing, or walks backwards.

## Example

```python
import ctypes

length = 5_000_000_000
ctypes.c_int(length).value == length  # False: 705032704
```

## Use instead

```python
import ctypes

length = 5_000_000_000
ctypes.c_size_t(length).value == length  # True
```

Declare the type that the C function has: `function.argtypes = [..., ctypes.c_size_t]`. If that is
`int`, the function cannot take so many elements: call it for one part of the array after the other.

## Limits

Addresses that are cut, and integers that the function itself would take whole, are reported by
IP304 where there are no `argtypes`, and by IP305 where they are wrong. Seeds, hashes and flags, of
which the lower bits are all that is wanted, are left out where their name or the call's text shows
what they are. An integer that the program itself made a `ctypes.c_int` was cut before the call and
is not seen. Negative numbers as unsigned ones (-1 for "all") are taken as they are.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from interprobe.callee_parameters import (
    argument_text,
    called_argument,
    facts_of,
    integer_type,
    parameters,
)
from interprobe.facts import Fact
from interprobe.findings import Cost, Finding, Fix, RecordIndex, Severity, Site
from interprobe.length_evidence import is_length_name
from interprobe.trace import Argument, Call, Trace
from interprobe.wording import counted, element_count, file_name, sentence

CODE = "IP312"
NAME = "index-overflow"

_LOWER_BITS_WANTED = re.compile(
    r"seed|hash|crc|check_?sum|digest|key|flag|mask|magic|colou?r|rand|salt|nonce|time|\bid\b"
    r"|cookie|token|handle|0x",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Overflow:
    """An integer that arrived as another one.

    Attributes:
        fact: What was recorded.
        bits: Of the type that C took.
        signed: Whether C reads it as signed.
        argument: The parameter.
        certain: Whether it certainly was to arrive whole.
    """

    fact: Fact
    bits: int
    signed: bool
    argument: Argument
    certain: bool

    @property
    def arrived(self) -> int:
        """The number that C got."""
        low = self.fact.value % (1 << self.bits)
        return low - (1 << self.bits) if self.signed and low >> (self.bits - 1) else low


def check(trace: Trace) -> Iterator[Finding]:
    """Yield a finding for each place that passed an integer which C got as another one."""
    groups: dict[tuple[Site, str, str], list[int]] = {}
    for index, call in enumerate(trace.calls):
        if _overflows(call):
            groups.setdefault((call.user_site, call.library, call.function), []).append(index)
    for indices in groups.values():
        yield _finding(indices, [trace.calls[index] for index in indices])


def _overflows(call: Call) -> list[Overflow]:
    """The integers of a call that arrived as other ones."""
    found: dict[int, Overflow] = {}
    own = parameters(call)
    for fact in facts_of(call, "cut", "large-integer"):
        argument = own.get(fact.position) if fact.position is not None else None
        if argument is None or fact.text == "address":
            continue
        overflow = _cut(call, fact, argument) if fact.kind == "cut" else _narrowed(fact, argument)
        if overflow is not None and overflow.arrived != fact.value:
            found.setdefault(argument.position, overflow)
    return list(found.values())


def _cut(call: Call, fact: Fact, argument: Argument) -> Overflow | None:
    """What the declaration made of an integer, unless only its lower bits are wanted."""
    bits, signed = fact.limit, fact.text != "unsigned"
    if not 0 < bits < 64:
        return None
    true = integer_type(argument.true)
    if true is not None and true[0] > bits:
        return None  # the declaration is missing or wrong, which IP304 and IP305 say
    if true is not None and not true[1]:
        signed = False  # C reads as unsigned what was declared as signed: the same bits
    text = f"{argument.name or ''} {argument_text(call, argument.position)}"
    if _LOWER_BITS_WANTED.search(text) or _is_made_of_bits(call, argument.position):
        return None
    counts = is_length_name(argument.name or "") or _counts_elements(call, fact.value)
    undeclared = argument.declared == "int" and true is None
    if undeclared and (fact.value >> bits or not counts):
        return None  # likewise IP304; and what has its bits, but another sign, may be a flag
    return Overflow(fact, bits, signed, argument, counts)


def _narrowed(fact: Fact, argument: Argument) -> Overflow | None:
    """What the callee's own type makes of an integer that fitted the declared one."""
    true = integer_type(argument.true)
    if true is None or true[0] >= 64 or _LOWER_BITS_WANTED.search(argument.name or ""):
        return None
    return Overflow(fact, true[0], true[1], argument, certain=True)


def _is_made_of_bits(call: Call, position: int) -> bool:
    """Whether an argument is written as flags are: ``A | B``, ``FLAG``, ``~0``."""
    try:
        node = ast.parse(argument_text(call, position) or "None", mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.BitOr | ast.BitAnd | ast.BitXor)
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.op, ast.Invert)
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
    return isinstance(name, str) and name.isupper() and len(name) > 1


def _counts_elements(call: Call, value: int) -> bool:
    """Whether an integer is the size of an array of the call."""
    return any(
        argument.given is not None
        and value in {element_count(argument.given), argument.given.nbytes}
        for argument in call.arguments
    )


def _finding(indices: list[int], calls: list[Call]) -> Finding:
    first = calls[0]
    distinct: dict[int, Overflow] = {}
    for call in calls:
        for overflow in _overflows(call):
            known = distinct.get(overflow.argument.position)
            if known is None or overflow.fact.value > known.fact.value:
                distinct[overflow.argument.position] = overflow
    overflows = list(distinct.values())
    times = counted(sum(call.count for call in calls), "call", "calls")
    passed = ", ".join(f"{each.fact.value:,} arrived as {each.arrived:,}" for each in overflows)
    return Finding(
        rule=CODE,
        name=NAME,
        severity=Severity.ERROR if any(each.certain for each in overflows) else Severity.WARNING,
        user_site=first.user_site,
        site=first.site,
        subject=first.function,
        cause="\n".join(_cause(first, each) for each in overflows),
        evidence=f"{times} of {first.function} in {file_name(first.library)}: {passed}",
        records=[RecordIndex(list="calls", index=index) for index in indices],
        cost=Cost(seconds=0.0, bytes=0, share=0.0),
        fix=Fix(
            text=" ".join(dict.fromkeys(_fix_text(each) for each in overflows)),
            code="\n".join(dict.fromkeys(_fix_code(first, each) for each in overflows)),
        ),
    )


def _cause(call: Call, overflow: Overflow) -> str:
    """The number before and after, and who cut it."""
    fact, argument = overflow.fact, overflow.argument
    name = sentence(called_argument(call, argument.position))
    kind = f"{overflow.bits} bits, {'signed' if overflow.signed else 'unsigned'}"
    text = f"{name} of {call.function} was {fact.value:,}, and C got {overflow.arrived:,}."
    if fact.kind == "large-integer":
        return (
            f"{text} It fits what is declared, but the function's own prototype says "
            f"`{argument.true}` ({kind})."
        )
    if argument.declared == "int":
        return f"{text} Without argtypes, ctypes passes an integer as a C int ({kind}), unchecked."
    return f"{text} It is declared as {argument.declared} ({kind}), and ctypes does not check that."


def _fix_text(overflow: Overflow) -> str:
    if _takes_no_more(overflow):
        return (
            "The function cannot take such a number: call it for one part of the data after the "
            "other."
        )
    return "Declare the parameter as wide as the C function has it."


def _takes_no_more(overflow: Overflow) -> bool:
    """Whether the callee's own type is as narrow as what it was passed through."""
    true = integer_type(overflow.argument.true)
    return true is not None and true[0] <= overflow.bits


def _fix_code(call: Call, overflow: Overflow) -> str:
    if _takes_no_more(overflow):
        return ""
    at = overflow.argument.position
    own = parameters(call)
    types = ["ctypes.c_size_t" if index == at else "..." for index in range(max(own) + 1)]
    function = call.function if call.function.isidentifier() else "function"
    return f"{function}.argtypes = [{', '.join(types)}]  # if C takes size_t or int64_t there"
