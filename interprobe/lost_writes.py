"""Joins calls whose writes were lost with the conversions that made the copies they wrote into."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from interprobe.call_words import argument_text, output_keyword
from interprobe.expressions import converted_array
from interprobe.facts import Fact
from interprobe.findings import Severity
from interprobe.trace import Call, Copy, Trace
from interprobe.wording import quoted

RETURNED_NONE = "write_lost_none_returned"
RETURNED_ZERO = "write_lost_zero_returned"
RETURNED_INTEGER = "write_lost_integer_returned"
_RESULT = "write_lost_result_returned"
_LOST = frozenset({RETURNED_NONE, RETURNED_ZERO, RETURNED_INTEGER, _RESULT})
_ALWAYS_COPY = frozenset({"ndarray.astype", "numpy.array", "PyArray_CastToType", "PyArray_NewCopy"})
"""Conversions that copy also what fits, the first two by default: perhaps on purpose."""
_CONVERTING_BINDINGS = frozenset({"nanobind", "pybind11", "f2py"})
"""Bindings that convert arguments by themselves, before the function's own code runs."""


@dataclass(frozen=True)
class Loss:
    """A call whose writes into a converted copy were lost.

    Attributes:
        index: Of the call in the trace.
        call: The call.
        fact: What was observed of it.
        copy_index: Of the conversion in the trace.
        copy: The conversion.
        output: The keyword that says that the argument is an output, or None.
    """

    index: int
    call: Call
    fact: Fact
    copy_index: int
    copy: Copy
    output: str | None

    @property
    def by_program(self) -> bool:
        """Whether Python code asked for the conversion, by one of NumPy's functions."""
        return self.copy.native is None

    @property
    def array_text(self) -> str:
        """The array that was converted, in a sentence."""
        return quoted(self.array) if self.array is not None else "the array"

    @property
    def array(self) -> str | None:
        """The array's expression, where the source shows it."""
        if self.by_program:
            found = converted_array(self.copy)
            return found.text if found is not None else None
        return argument_text(self.call.user_site.expression, self.fact.position)


def lost_writes(trace: Trace) -> Iterator[Loss]:
    """The calls that wrote into a copy, where that was meant to reach the array.

    Args:
        trace: The run.

    Yields:
        A loss for each fact of a call whose conversion is in the trace.
    """
    for index, call in enumerate(trace.calls):
        for fact in call.facts:
            loss = _loss(trace, index, call, fact) if fact.kind in _LOST else None
            if loss is not None and severity_of(loss) is not None:
                yield loss


def _loss(trace: Trace, index: int, call: Call, fact: Fact) -> Loss | None:
    """The call with the conversion that was made for it; None where that is not in the trace."""
    for copy_index, copy in enumerate(trace.copies):
        same_place = copy.process == call.process and copy.site == fact.site
        if same_place and any(other.kind in _LOST for other in copy.facts):
            output = output_keyword(call.user_site.expression, fact.position)
            return Loss(index, call, fact, copy_index, copy, output)
    return None


def severity_of(loss: Loss) -> Severity | None:
    """How sure it is that the write was meant to reach the array; None: it is not known."""
    kind, call, copy = loss.fact.kind, loss.call, loss.copy
    if loss.output is not None:
        return Severity.ERROR
    if kind == _RESULT:
        return None
    always = copy.mechanism in _ALWAYS_COPY
    implicit = call.binding in _CONVERTING_BINDINGS or (
        copy.mechanism.startswith("PyArray_") and not always
    )
    if always and not implicit and not loss.by_program:
        return None  # compiled code's own copy, to work on
    certain = kind in (RETURNED_NONE, RETURNED_ZERO) and (
        implicit or (loss.by_program and not always)
    )
    # An object's method may have kept in the object what it computed in the copy.
    return Severity.ERROR if certain and "." not in call.function else Severity.WARNING
