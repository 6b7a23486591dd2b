"""IP307 lost-write: native code wrote into a converted copy that nobody has read.

## What it does

Reports calls that change a copy instead of the array that they were given. Where an array does
not fit what a function takes (another element type, gaps between its elements), it is converted
first: by the binding, as pybind11, nanobind and f2py do, or by `np.asarray(x, np.float64)` in the
call. What the function then writes, it writes into the copy. If the copy is dropped when the call
is over, the array still holds what it held. Also reported are calls that were told where to write,
by `out=`, `dst=` or `inplace=True`, but gave the result back in a new array that the program
dropped.

## Why is this bad?

The call looks as if it had worked: no exception, no warning. The array simply does not have the new
numbers, and whatever reads it goes on with the old ones. The same program is right as long as its
arrays happen to fit.

## Example

```python
import numpy as np


def scale(values):  # what a function does that works in place and converts what does not fit
    converted = np.ascontiguousarray(values, dtype=np.float64)
    converted *= 2.0


samples = np.ones(4, dtype=np.float32)
scale(samples)
samples[0] == 2.0  # False: the copy was scaled
```

## Use instead

Make the array as the function takes it. Where that is not possible, convert it, pass the copy and
write it back:

```python
import numpy as np


def scale(values):
    converted = np.ascontiguousarray(values, dtype=np.float64)
    converted *= 2.0


samples = np.ones(4, dtype=np.float32)
samples = samples.astype(np.float64)
scale(samples)
samples[0] == 2.0  # True
```

In a binding of your own, refuse what does not fit: `py::arg("values").noconvert()` in pybind11,
`nb::arg("values").noconvert()` in nanobind, `intent(inout)` in f2py.

## Limits

A copy is compared before and after by 64 of its elements; the copy was dropped before any line of
Python could read it. A function that returns something, or changes another argument, may have used
the copy as its scratch space: then nothing is said, unless the call's own words name an output. A
copy that the program asks for by name (`.copy()`) is its own business. `overwrite_a=True` is a
permission, no promise: where a copy is made all the same, a note says why.
"""

from __future__ import annotations

from collections.abc import Iterator

from interprobe.call_words import (
    argument_text,
    in_place_keyword,
    only_positional,
    output_keyword,
    overwrite_keyword,
    with_argument,
)
from interprobe.demands import demand_of, demand_text
from interprobe.facts import Fact
from interprobe.findings import Cost, Finding, Fix, RecordIndex, Severity, Site
from interprobe.lost_writes import (
    RETURNED_INTEGER,
    RETURNED_NONE,
    RETURNED_ZERO,
    Loss,
    lost_writes,
    severity_of,
)
from interprobe.trace import Call, Copy, Trace
from interprobe.wording import (
    bytes_text,
    counted,
    file_name,
    layout_text,
    quoted,
    requester_text,
    sentence,
    short_mechanism,
)

CODE = "IP307"
NAME = "lost-write"

_DROPPED = "write_dropped_in_library"
_IGNORED = "output_ignored"


def check(trace: Trace) -> Iterator[Finding]:
    """Yield a finding for each place where what native code wrote did not reach the array."""
    yield from _lost_in_calls(trace)
    yield from _lost_in_libraries(trace)
    yield from _ignored_outputs(trace)
    yield from _overwritten_copies(trace)


def _lost_in_calls(trace: Trace) -> Iterator[Finding]:
    """Writes into copies that were made for one call and dropped with it."""
    groups: dict[tuple[Site, str, str], list[Loss]] = {}
    for loss in lost_writes(trace):
        call = loss.call
        groups.setdefault((call.user_site, call.library, call.function), []).append(loss)
    for losses in groups.values():
        lead = min(losses, key=lambda loss: _severity(loss).rank)
        calls, copies = {loss.index for loss in losses}, {loss.copy_index for loss in losses}
        yield _finding(
            lead.call,
            lead.call.function,
            severity=_severity(lead),
            cause=_cause(lead),
            evidence=_evidence(losses),
            records=[
                *(RecordIndex(list="calls", index=index) for index in sorted(calls)),
                *(RecordIndex(list="copies", index=index) for index in sorted(copies)),
            ],
            fix=_fix(lead),
        )


def _cause(loss: Loss) -> str:
    """Why there was a copy, what became of it, and what the array holds now."""
    copy, fact = loss.copy, loss.fact
    holds = layout_text(copy.source) if copy.source is not None else "other elements"
    demand = demand_text(copy) or "another layout"
    whose = f"{sentence(loss.array_text)} is {holds}"
    if loss.by_program:
        reason = f"{short_mechanism(copy.mechanism)} made a copy of it as {demand} for the call"
    else:
        reason = (
            f"{loss.call.function} takes {demand}, so it was handed a converted copy "
            f"(by {loss.call.binding}, through {short_mechanism(copy.mechanism)})"
        )
    example = f"; the first: {fact.text}" if fact.text else ""
    told = f" `{loss.output}=` says that the result belongs into the array." if loss.output else ""
    return (
        f"{whose}: {reason}. {loss.call.function} wrote into that copy "
        f"({_changed_text(fact)}{example}), and it was dropped before anything could read it: "
        f"{loss.array_text} still holds what it held.{told} {_outcome(fact)}"
    )


def _changed_text(fact: Fact) -> str:
    """How many elements of the copy were changed."""
    elements = "elements" if fact.limit != 1 else "element"
    return f"{fact.value} of {fact.limit} {elements} looked at were changed"


def _outcome(fact: Fact) -> str:
    """What else came of the call."""
    returned = {RETURNED_NONE: "None", RETURNED_ZERO: "0", RETURNED_INTEGER: "an integer"}.get(
        fact.kind
    )
    if returned is None:
        return ""
    return f"The call returned {returned} and changed nothing else that it was given."


def _evidence(losses: list[Loss]) -> str:
    """How often, in which function, from what to what."""
    lead = losses[0]
    count = sum(loss.fact.count for loss in losses)
    calls = sum(call.count for call in {loss.index: loss.call for loss in losses}.values())
    source = layout_text(lead.copy.source) if lead.copy.source is not None else "unknown"
    return (
        f"{counted(count, 'lost copy', 'lost copies')} in {counted(calls, 'call', 'calls')} of "
        f"{lead.call.function} in {file_name(lead.call.library)}: "
        f"{source} -> {layout_text(lead.copy.result)}"
    )


def _fix(loss: Loss) -> Fix:
    """An array that fits, or the copy written back."""
    copy, array = loss.copy, loss.array
    demand = demand_text(copy) or "in another layout"
    text = (
        f"Make the array as {loss.call.function} asks for it where it is created ({demand}): it is "
        "then changed in place. Where that is not possible, pass a converted copy of your own and "
        "write it back."
    )
    if not loss.by_program and loss.call.binding in ("pybind11", "nanobind"):
        text += " Declared with .noconvert(), the parameter refuses arrays that do not fit."
    if array is None:
        return Fix(text=text)
    needed = demand_of(copy)
    function = "asfortranarray" if needed.order == "F" else "ascontiguousarray"
    dtype = f", dtype={needed.dtype}" if needed.dtype is not None else ""
    lines = [f"converted = np.{function}({array}{dtype})"]
    call = _call_with_copy(loss)
    lines.append(call if call is not None else f"{loss.call.function}(...)  # given `converted`")
    target = array if array.endswith("]") else f"{array}[...]"
    lines.append(f"{target} = converted")
    return Fix(text=text, code="\n".join(lines))


def _call_with_copy(loss: Loss) -> str | None:
    """The call, given the variable that holds the copy."""
    expression = loss.call.user_site.expression
    if not loss.by_program:
        return with_argument(expression, loss.fact.position, "converted")
    conversion = loss.copy.user_site.expression
    if conversion and conversion in expression and conversion != expression:
        return expression.replace(conversion, "converted", 1)
    return None


def _severity(loss: Loss) -> Severity:
    """How sure it is that the write was meant to reach the array."""
    return severity_of(loss) or Severity.NOTE


def _lost_in_libraries(trace: Trace) -> Iterator[Finding]:
    """Copies that a library made, changed and dropped, where the call's words say "in place"."""
    for index, copy in enumerate(trace.copies):
        expression = copy.user_site.expression
        in_place = in_place_keyword(expression)
        fact = next((fact for fact in copy.facts if fact.kind == _DROPPED), None)
        if fact is None or in_place is None or copy.source is None:
            continue
        demand = demand_text(copy) or "another layout"
        source = layout_text(copy.source)
        example = f" ({fact.text})" if fact.text else ""
        yield _finding(
            copy,
            " ".join(expression.split()),
            severity=Severity.ERROR,
            cause=(
                f"`{in_place}` says that the arrays passed are to be changed, but one of them is "
                f"{source}, and the library works on {demand}: it changed a converted copy "
                f"instead{example}, which was dropped when the call was over. The array still "
                "holds what it held."
            ),
            evidence=(
                f"{counted(fact.count, 'copy', 'copies')} changed and dropped: {source} -> "
                f"{layout_text(copy.result)}; {_changed_text(fact)}"
            ),
            records=[RecordIndex(list="copies", index=index)],
            fix=Fix(
                text=f"Pass arrays made from the start as the library takes them: {demand}. "
                "Or leave out the keyword, and use what the call returns.",
            ),
        )


def _overwritten_copies(trace: Trace) -> Iterator[Finding]:
    """Copies of an array that the call was allowed to overwrite, which would have spared them."""
    groups: dict[Site, list[int]] = {}
    for index, copy in enumerate(trace.copies):
        lacks = bool(set(copy.unmet) - {"OWNDATA"})
        if copy.native is not None and copy.mechanism.startswith("PyArray_") and lacks:
            groups.setdefault(copy.user_site, []).append(index)
    for user_site, indices in groups.items():
        keyword = overwrite_keyword(user_site.expression)
        array = only_positional(user_site.expression)
        lead = trace.copies[indices[0]]
        if keyword is None or array is None or lead.source is None:
            continue
        count = sum(trace.copies[index].count for index in indices)
        yield _finding(
            lead,
            " ".join(user_site.expression.split()),
            severity=Severity.NOTE,
            cause=(
                f"`{keyword}` allows the call to overwrite `{array}`, which would spare a copy; "
                f"one was made all the same: the array is {layout_text(lead.source)}, and "
                f"{requester_text(lead)} takes {demand_text(lead)}. The copy is overwritten, and "
                "the array stays as it was."
            ),
            evidence=f"{counted(count, 'copy', 'copies')} of {bytes_text(lead.result.nbytes)}",
            records=[RecordIndex(list="copies", index=index) for index in indices],
            fix=Fix(
                text=f"To spare the copy, make the array as asked for where it is created: "
                f"{demand_text(lead)}."
            ),
        )


def _ignored_outputs(trace: Trace) -> Iterator[Finding]:
    """Calls whose result came back in a new array, though they were told where to put it."""
    for index, call in enumerate(trace.calls):
        for fact in call.facts:
            expression = call.user_site.expression
            keyword = output_keyword(expression, fact.position)
            if fact.kind != _IGNORED or keyword is None:
                continue
            given = next(
                (item.given for item in call.arguments if item.position == fact.position), None
            )
            array = argument_text(expression, fact.position)
            name = quoted(array) if array is not None else "the array"
            holds = f" ({layout_text(given)})" if given is not None else ""
            example = f" It holds {fact.text}." if fact.text else ""
            yield _finding(
                call,
                call.function,
                severity=Severity.ERROR,
                cause=(
                    f"`{keyword}={array}` says where to write, but {call.function} did not take "
                    f"{name}{holds}: it returned its result in a new array, which the program "
                    f"dropped. {sentence(name)} was not touched.{example}"
                ),
                evidence=(
                    f"{counted(fact.count, 'result', 'results')} dropped in "
                    f"{counted(call.count, 'call', 'calls')} of {call.function} in "
                    f"{file_name(call.library)}, the largest of {bytes_text(fact.value)}"
                ),
                records=[RecordIndex(list="calls", index=index)],
                fix=Fix(
                    text=f"Use what the call returns; or give `{keyword}=` an array of the shape "
                    "and the element type of the result, without gaps between its elements.",
                    code=f"{array} = {expression}" if array is not None else "",
                ),
            )


def _finding(
    record: Call | Copy,
    subject: str,
    *,
    severity: Severity,
    cause: str,
    evidence: str,
    records: list[RecordIndex],
    fix: Fix,
) -> Finding:
    """A finding of this rule: wrong numbers cost no time."""
    return Finding(
        rule=CODE,
        name=NAME,
        severity=severity,
        user_site=record.user_site,
        site=record.site,
        subject=subject,
        cause=cause.strip(),
        evidence=evidence,
        records=records,
        cost=Cost(seconds=0.0, bytes=0, share=0.0),
        fix=fix,
    )
