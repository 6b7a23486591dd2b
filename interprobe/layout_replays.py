"""What replays of calls say of the layouts of their arrays, for the rules about slow layouts."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from interprobe.call_arguments import (
    FOREIGN_BINDINGS,
    argument_text,
    array_of,
    array_text,
    assigned_name,
)
from interprobe.findings import Cost, Finding, Fix, RecordIndex, Saving
from interprobe.layout import Layout
from interprobe.replays import Replay
from interprobe.shares import measured_cost, severity_of_cost
from interprobe.trace import Argument, Call, Trace
from interprobe.wording import counted, file_name, layout_text, listed, seconds_text

CHANGES = ("contiguous", "other-order", "padded", "aligned")
"""Changes of layout that are told apart by what they gain; of equals, the first is the cause."""

CONTROL = "same-layout"
"""The change that leaves the layout as it is: the arrays copied, gaps and all, to new memory."""

LEAST_GAIN = 1.05
"""A speedup that is surely above this is worth something."""

LEAST_SHARE = 0.01
"""Of the run's time; what costs less is noise."""

_EQUALS = 1.2
"""Gains that differ by less than this factor are taken for the same."""

_SIMPLE = re.compile(r"[\w.]+(\[[\w:, ]*\])*")
_TELL_STRIDES = (
    "The function steps as it is told to: give it the strides of the array that it then gets."
)
_CONVERTED = 0.1
"""Share of the arrays' bytes; where more was copied in the call, that copy explains the gain."""


@dataclass(frozen=True)
class SlowLayout:
    """A call that was measured to be faster with arrays of another layout.

    Attributes:
        trace: The run.
        index: The call's place in ``trace.calls``.
        call: The call itself.
        replay: The measurement; ``speedup``, ``low`` and ``high`` are there.
        arguments: The arguments that were replaced, the largest array first, and the layouts of
            their arrays.
        cost: The time that the other layout would have saved.
    """

    trace: Trace
    index: int
    call: Call
    replay: Replay
    arguments: list[tuple[Argument, Layout]]
    cost: Cost

    @property
    def given(self) -> Layout:
        """The layout of the largest array."""
        return self.arguments[0][1]

    @property
    def speedup(self) -> float:
        """How many times faster the call was, the median."""
        return self.replay.speedup or 1.0

    @property
    def array_text(self) -> str:
        """The largest array in a sentence."""
        return array_text(array_of(self.call, self.arguments[0][0]), "an array")

    @property
    def subject_text(self) -> str:
        """``Argument 1 of total``, and the further ones."""
        text = argument_text(self.call, self.arguments[0][0])
        further = len(self.arguments) - 1
        return f"{text} (and {counted(further, 'other', 'others')})" if further else text

    @property
    def gain_text(self) -> str:
        """The measurement in a sentence of its own, without what was changed."""
        replay = self.replay
        return (
            f"{seconds_text(replay.as_is)} as it was, {seconds_text(replay.changed)} with the "
            f"change: {self.speedup:.2g} times as fast"
        )


def slow_layouts(trace: Trace, change: str) -> list[SlowLayout]:
    """The calls of a run whose layouts are slow, and of which this change explains most.

    Args:
        trace: The run.
        change: One of CHANGES.

    Returns:
        One for each record, where the gain is sure, none of a conversion, and no noise.
    """
    found = []
    for index, call in enumerate(trace.calls):
        replay = leading_replay(call)
        if replay is None or replay.change != change:
            continue
        replaced = [
            (each, each.given)
            for each in call.arguments
            if each.given is not None and each.position in replay.positions
        ]
        if not replaced or _converts(call, [layout for _, layout in replaced]):
            continue
        cost = lost_time(trace, call, replay)
        if cost.share >= LEAST_SHARE:
            replaced.sort(key=lambda each: -each[1].nbytes)
            found.append(SlowLayout(trace, index, call, replay, replaced, cost))
    return found


def leading_replay(call: Call) -> Replay | None:
    """The change of layout that gains most, where its gain is sure.

    What new memory gains by itself, the control, is none of the layout's. Where two gain alike,
    the earlier of CHANGES: a column that was gathered is also off the power of two, but that it
    had gaps is what a reader can see.
    """
    control = _control(call)
    sure = [
        each
        for each in (_beyond(control, replay) for replay in call.replays)
        if each.change in CHANGES
        and each.speedup is not None
        and each.speedup > LEAST_GAIN
        and each.low is not None
        and each.low > LEAST_GAIN
    ]
    best = max((each.speedup or 0.0 for each in sure), default=0.0)
    close = [each for each in sure if (each.speedup or 0.0) * _EQUALS >= best]
    return min(close, key=lambda each: CHANGES.index(each.change), default=None)


def _control(call: Call) -> float:
    """How many times as fast the call was with copies of the same layout; 1 where it was slower."""
    gains = [each.speedup for each in call.replays if each.change == CONTROL and each.speedup]
    return max([1.0, *gains])


def _beyond(control: float, replay: Replay) -> Replay:
    """The replay against the call with copies of the same layout instead of the arrays themselves.

    New memory alone can make a call faster, by larger pages or other places in the caches.
    """
    if replay.speedup is None or replay.low is None or replay.high is None:
        return replay
    return msgspec.structs.replace(
        replay,
        as_is=replay.as_is / control,
        speedup=replay.speedup / control,
        low=replay.low / control,
        high=replay.high / control,
    )


def was_measured(call: Call, change: str) -> bool:
    """Whether a replay of this change told what it gains, be it nothing."""
    return any(each.change == change and each.speedup is not None for each in call.replays)


def lost_time(trace: Trace, call: Call, replay: Replay) -> Cost:
    """The part of all calls' time that the change would have saved."""
    speedup = replay.speedup or 1.0
    lost = call.seconds * max(0.0, 1.0 - 1.0 / speedup) if speedup > 0 else 0.0
    return measured_cost(trace, [call.process], lost, 0)


def layout_finding(
    code: str, name: str, slow: SlowLayout, *, cause: str, facts: str, fix: Fix
) -> Finding:
    """A finding about a layout that was measured to be slow.

    Args:
        code: The rule's.
        name: The rule's.
        slow: The call and its measurement.
        cause: What makes it slow.
        facts: What the layout shows, for the evidence.
        fix: The layout that was measured, as code.
    """
    call, replay = slow.call, slow.replay
    if call.binding in FOREIGN_BINDINGS and replay.change != "aligned":
        fix = msgspec.structs.replace(fix, text=f"{fix.text} {_TELL_STRIDES}")
    given = listed(dict.fromkeys(layout_text(layout) for _, layout in slow.arguments))
    return Finding(
        rule=code,
        name=name,
        severity=severity_of_cost(slow.cost),
        user_site=call.user_site,
        site=call.site,
        subject=call.function,
        cause=cause,
        evidence=f"{_calls_text(call)}: {given}; {facts}; {slow.gain_text}",
        records=[RecordIndex(list="calls", index=slow.index)],
        cost=slow.cost,
        fix=fix,
        saving=Saving(
            speedup=replay.speedup,
            low=replay.low,
            high=replay.high,
            seconds=slow.cost.seconds,
            cache=replay.cache,
            method="measured",
        ),
    )


def _calls_text(call: Call) -> str:
    """How often which function was called, and how long that took."""
    library = f" in {file_name(call.library)}" if call.library else ""
    times = counted(call.count, "call", "calls")
    return f"{times} of {call.function}{library} took {seconds_text(call.seconds)}"


def replaced_arrays(slow: SlowLayout, new: str, code_of: Callable[[str, str, Layout], str]) -> str:
    """Code that replaces all arrays as the measurement did.

    Args:
        slow: The call and its measurement.
        new: What an array is called that is no variable yet.
        code_of: The code for one array, from the variable to assign, the array's source text and
            its layout.
    """
    lines: dict[str, None] = {}
    taken: set[str] = set()
    for argument, layout in slow.arguments:
        array = array_of(slow.call, argument)
        variable = assigned_name(array, argument, new)
        if variable in taken:
            variable = f"{variable}_{argument.position + 1}"
        taken.add(variable)
        source = array.text if array is not None else variable
        lines[code_of(variable, source, layout)] = None
        if argument.role == "output" and variable != source:
            lines[f"{source}[...] = {variable}  # after the call: it writes there"] = None
    return "\n".join(lines)


def as_receiver(source: str) -> str:
    """Source text so that ``.copy()`` or ``.dtype`` can follow it."""
    return source if _SIMPLE.fullmatch(source) else f"({source})"


def _converts(call: Call, layouts: list[Layout]) -> bool:
    """Whether the call copied as much as a conversion of the arrays would."""
    nbytes = sum(layout.nbytes for layout in layouts)
    return call.bytes_copied > _CONVERTED * nbytes * max(1, call.count)
