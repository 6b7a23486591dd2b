"""IP506 subnormals: a kernel computes with numbers so small that the processor slows down.

## What it does

Reports calls of native functions that take time and whose arrays of `float32`, `float64` or complex
numbers hold many *subnormal* ones: not zero, but nearer to it than 1.2e-38 in `float32` or 2.2e-308
in `float64`. Up to 4,096 elements of each array are looked at, again each time that the calls have
taken twice as long. Where the call could be repeated with zeros in their place, the report says
what that gained; where it gained nothing, there is no finding.

## Why is this bad?

Processors are built for numbers with a full set of digits. Subnormal ones have fewer, and many
processors compute with them in slow steps of their own: ten to a hundred times slower on a good
part of x86. They come up where something fades away: a filter after the sound has ended, heat far
from its source, weights that decay, probabilities that are multiplied. The same code on the same
amount of data is then slow for no reason that the source shows.

## Example

```python
import numpy as np

field = np.array([1.0, 1e-310, 1e-320])
tiny = np.finfo(field.dtype).tiny
not np.any((field != 0) & (np.abs(field) < tiny))  # False: two of three are subnormal
```

## Use instead

Put zeros where the numbers mean nothing beside the others:

```python
import numpy as np

field = np.array([1.0, 1e-310, 1e-320])
tiny = np.finfo(field.dtype).tiny
field[np.abs(field) < tiny] = 0.0
not np.any((field != 0) & (np.abs(field) < tiny))  # True
```

Where the kernel itself makes them, step by step, have its threads take them for zeros:
`_MM_SET_FLUSH_ZERO_MODE(_MM_FLUSH_ZERO_ON)` and
`_MM_SET_DENORMALS_ZERO_MODE(_MM_DENORMALS_ZERO_ON)` in C, each thread for itself, and put back what
was set at the end; or add a tiny offset, such as 1e-30, to a state that decays.

## Limits

How much slower depends on the processor and on the operation: without a measurement the finding
stays a note, and is made only of calls that take 10 ms together. Nothing is reported where the
calling thread flushes subnormal numbers already, nor where the calls take less than a hundredth of
the run. Numbers that a kernel makes and forgets inside a call are not seen.
"""

from __future__ import annotations

from collections.abc import Iterator

from interprobe.call_arguments import argument_text, array_of, array_text, facts_of
from interprobe.expressions import Operation
from interprobe.facts import Fact
from interprobe.findings import Cost, Finding, Fix, RecordIndex, Saving, Site
from interprobe.replays import Replay
from interprobe.shares import measured_cost, severity_of_cost
from interprobe.trace import Argument, Call, Trace
from interprobe.wording import counted, file_name, layout_text, listed, seconds_text

CODE = "IP506"
NAME = "subnormals"
CHANGES = ("normal-numbers",)

_FACT = "subnormal"
_LEAST_SHARE = 0.01
_LEAST_GAIN = 1.05
_LEAST_UNMEASURED = 0.01  # seconds; a single short call is never repeated, and rarely a burden


def check(trace: Trace) -> Iterator[Finding]:
    """Yield a finding for each place whose calls are given arrays with many subnormal numbers."""
    groups: dict[tuple[Site, str, str], list[int]] = {}
    for index, call in enumerate(trace.calls):
        if any(True for _ in _subnormal_arguments(call)) and not _gains_nothing(call):
            place = (call.user_site, call.library, call.function)
            groups.setdefault(place, []).append(index)
    for indices in groups.values():
        finding = _finding(trace, indices)
        if finding is not None:
            yield finding


def _subnormal_arguments(call: Call) -> Iterator[tuple[Fact, Argument]]:
    """Arguments that hold subnormal numbers, with how many of those looked at."""
    return ((fact, argument) for fact, argument in facts_of(call, _FACT) if fact.limit > 0)


def _measured(call: Call) -> Replay | None:
    """The same call with zeros in their place, where that was measured."""
    for replay in call.replays:
        if replay.change in CHANGES and replay.speedup is not None and replay.speedup > 0:
            return replay
    return None


def _gains_nothing(call: Call) -> bool:
    """Whether a measurement says so, or does not exclude it."""
    replay = _measured(call)
    if replay is None or replay.speedup is None:
        return False
    return replay.speedup < _LEAST_GAIN or (replay.low is not None and replay.low <= 1)


def _lost_seconds(call: Call) -> float:
    """What the calls took longer than with zeros; 0 where that was not measured."""
    replay = _measured(call)
    if replay is None or replay.speedup is None:
        return 0.0
    return call.seconds * (1 - 1 / replay.speedup)


def _finding(trace: Trace, indices: list[int]) -> Finding | None:
    """What is said of one place; nothing where it is a trifle of the run."""
    calls = [trace.calls[index] for index in indices]
    processes = {call.process for call in calls}
    taken = measured_cost(trace, processes, sum(call.seconds for call in calls), 0)
    lost = sum(_lost_seconds(call) for call in calls)
    cost = measured_cost(trace, processes, lost, 0)
    if taken.share < _LEAST_SHARE or (lost > 0 and cost.share < _LEAST_SHARE):
        return None
    if lost == 0 and taken.seconds < _LEAST_UNMEASURED:
        return None
    first = calls[0]
    count = sum(call.count for call in calls)
    pairs = [(call, *pair) for call in calls for pair in _subnormal_arguments(call)]
    given = listed(
        dict.fromkeys(
            f"{layout_text(argument.given)}, {_share_text(fact)} subnormal"
            for _, fact, argument in pairs
            if argument.given is not None
        )
    )
    library = f" in {file_name(first.library)}" if first.library else ""
    return Finding(
        rule=CODE,
        name=NAME,
        severity=severity_of_cost(cost),
        user_site=first.user_site,
        site=first.site,
        subject=first.function,
        cause=f"{_cause(pairs)} {_gain_text(calls, taken)}",
        evidence=f"{counted(count, 'call', 'calls')} of {first.function}{library}, "
        f"{seconds_text(taken.seconds)}: {given}",
        records=[RecordIndex(list="calls", index=index) for index in indices],
        cost=cost,
        fix=_fix(pairs),
        saving=None if lost > 0 else _not_measured(calls),
    )


def _share_text(fact: Fact) -> str:
    return f"{fact.value:,} of {fact.limit:,} looked at"


def _percent(fact: Fact) -> str:
    return f"{max(1, min(100, round(100 * fact.value / fact.limit)))} %"


def _cause(pairs: list[tuple[Call, Fact, Argument]]) -> str:
    """Which arrays hold how many of them, and what they are."""
    parts = dict.fromkeys(
        f"{_percent(fact)} of the numbers in {array_text(array_of(call, argument), 'the array')} "
        f"({argument_text(call, argument).lower()}) are subnormal"
        for call, fact, argument in pairs
    )
    example = next((fact.text for _, fact, _ in pairs if fact.text), None)
    shown = f", such as {_rounded(example)}" if example else ""
    return (
        f"{listed(parts)}{shown}: so near to zero that a float cannot hold all their digits, and "
        "many processors compute with them in slow steps of their own."
    )


def _rounded(number: str) -> str:
    """A number with two digits: more say nothing here."""
    try:
        return f"{float(number):.2g}"
    except ValueError:
        return number


def _gain_text(calls: list[Call], taken: Cost) -> str:
    """What zeros in their place gained, or why that is not known."""
    function = calls[0].function
    for call in calls:
        replay = _measured(call)
        if replay is not None:
            return (
                f"Repeated with zeros in their place, a call of {function} took "
                f"{seconds_text(replay.changed)} instead of {seconds_text(replay.as_is)}."
            )
    return f"How much of the {seconds_text(taken.seconds)} in {function} that costs is not known."


def _not_measured(calls: list[Call]) -> Saving:
    """Why the gain is not known."""
    reasons = (
        replay.reason for call in calls for replay in call.replays if replay.change in CHANGES
    )
    reason = next((text for text in reasons if text), None)
    return Saving(reason=reason or "no call was repeated with zeros in their place")


def _fix(pairs: list[tuple[Call, Fact, Argument]]) -> Fix:
    """Zeros before the call, or a kernel that takes such numbers for zeros."""
    lines = []
    for call, _, argument in pairs:
        array = array_of(call, argument)
        name = f"array_{argument.position + 1}"
        if array is not None and array.operation is Operation.NAMED:
            name = array.text
        elif array is not None:
            lines.append(f"{name} = {array.text}")
        parts = name
        if argument.given is not None and argument.given.dtype.startswith("complex"):
            parts = f"parts_{argument.position + 1}"
            lines.append(f"{parts} = {name}.view({name}.real.dtype)")
        lines.append(f"{parts}[np.abs({parts}) < np.finfo({parts}.dtype).tiny] = 0.0")
    return Fix(
        text="Put zeros where the numbers mean nothing beside the others, before the call. Where "
        "the kernel makes them itself, step by step, set its threads to take them for zeros "
        "(_MM_SET_FLUSH_ZERO_MODE and _MM_SET_DENORMALS_ZERO_MODE in C), or add a tiny offset to "
        "what decays.",
        code="\n".join(dict.fromkeys(lines)),
    )
