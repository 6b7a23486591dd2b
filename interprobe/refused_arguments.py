"""Finds which argument of a call it was that the callee refused, by what each array is."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from interprobe.expressions import ArrayExpression, is_name
from interprobe.layout import Layout
from interprobe.overload_messages import (
    Parameter,
    is_overload_message,
    shown_values,
    signatures,
)
from interprobe.passed_values import PassedValue, passed_values
from interprobe.refusal_messages import parsed_refusal
from interprobe.refusals import Demand, Refusal, unmet
from interprobe.trace import Argument, Call
from interprobe.wording import quoted

_CONVERTED_BY_BINDING = frozenset({"ctypes", "cffi"})
"""Bindings that turn the arguments into C's values before the callee begins: an exception about a
number is then about an argument, and not about a value somewhere inside."""


@dataclass(frozen=True)
class RefusedArgument:
    """An argument that does not meet what the message asks for.

    Attributes:
        position: Of the argument, from 0.
        given: The array.
        part: What it does not meet.
        array: The array's expression in the call, where the call shows it.
        parameter: The name of the callee's parameter, where it is known.
    """

    position: int
    given: Layout
    part: Demand
    array: ArrayExpression | None
    parameter: str | None

    @property
    def text(self) -> str:
        """The argument in a sentence."""
        number = f"argument {self.position + 1}"
        where = f"{number}, `{self.parameter}`" if self.parameter else number
        if self.array is None:
            return f"the array of {where}"
        same = self.parameter == self.array.text
        return f"{quoted(self.array.text)} ({number if same else where})"


def never_began(call: Call) -> bool:
    """Whether the binding refused the arguments of every call of a record, so that C never ran.

    Functions of foreign libraries raise nothing themselves: ctypes raises ``ArgumentError`` for an
    argument, and what cffi raises it raises before the function begins.
    """
    raised = next((fact for fact in call.facts if fact.kind == "raised"), None)
    if raised is None or raised.text is None or raised.count < call.count:
        return False
    if call.binding == "ctypes":
        return raised.text.startswith("ArgumentError: ")
    return call.binding == "cffi" and raised.text.startswith(("TypeError: ", "OverflowError: "))


def refused_arguments(call: Call, text: str) -> list[RefusedArgument]:
    """The arguments of which an exception may speak.

    Args:
        call: The call record that raised it.
        text: ``TypeName: message``.

    Returns:
        Several where more than one array fails what was asked for and the message does not tell
        which it was; none where the exception is not about an array among the arguments.
    """
    values = passed_values(call.user_site.expression) if call.site == call.user_site else []
    # The record counts keywords after the positions, as the source text does.
    values = values if len(values) == len({each.position for each in call.arguments}) else []
    arrays = {
        each.position: each.given
        for each in call.arguments
        if each.given is not None and each.given.nbytes > 0 and _is_the_argument_itself(each)
    }
    if is_overload_message(text):
        return _of_overloads(call, text, arrays, values)
    declared = {each.position: each.declared or "" for each in call.arguments}
    refusal = parsed_refusal(text, declared)
    if refusal is None:
        return []
    sure = refusal.position is not None or call.binding in _CONVERTED_BY_BINDING
    if refusal.demand.number and not sure:
        return []
    named = _named_in(text, values)
    found = [
        each
        for each in _of_refusal(refusal, arrays, values)
        if not named or each.position in named or refusal.position is not None
    ]
    # The message says nothing by which one array could be told from another.
    return [] if refusal.demand.deeper and len(found) > 1 else found


def _is_the_argument_itself(argument: Argument) -> bool:
    """Whether the array is behind the argument, and not behind a pointer inside its memory."""
    return argument.name is None or not argument.name.startswith((".", "["))


def _of_refusal(
    refusal: Refusal, arrays: dict[int, Layout], values: list[PassedValue]
) -> list[RefusedArgument]:
    """The arguments that one demand may speak of."""
    demand = refusal.demand
    found = []
    for position, given in arrays.items():
        value = values[position] if position < len(values) else None
        if refusal.position not in (None, position) or not _may_be(refusal, value):
            continue
        part = unmet(given, demand)
        if part is not None:
            name = refusal.name or (value.keyword if value is not None else None)
            found.append(_argument(position, given, part, values, name))
    return _distinct(found)


def _may_be(refusal: Refusal, value: PassedValue | None) -> bool:
    """Whether a message can speak of a value, by how the call passes it."""
    if value is None:
        return True
    if refusal.name is not None and value.keyword not in (None, refusal.name):
        return False
    passed = refusal.demand.passed
    return not (value.wrapped and passed is not None and passed.endswith("ndarray"))


def _named_in(text: str, values: list[PassedValue]) -> set[int]:
    """The arguments that a message calls by the name that the program gives them."""
    found = set()
    for position, value in enumerate(values):
        names = {value.keyword, value.array.text if value.array is not None else None}
        # One letter may be a word or a unit as well.
        words = [name for name in names if name is not None and len(name) > 1]
        if any(re.search(rf"\b{re.escape(word)}\b", text) for word in words):
            found.add(position)
    return found


def _of_overloads(
    call: Call, text: str, arrays: dict[int, Layout], values: list[PassedValue]
) -> list[RefusedArgument]:
    """The arguments that keep the nearest signature from taking the call."""
    positions = {each.position for each in call.arguments}
    shown = shown_values(text)
    candidates = []
    for parameters in signatures(text):
        if len(parameters) < len(positions):
            continue
        parameter_of = {
            position: _parameter_of(
                parameters, position, values[position] if position < len(values) else None
            )
            for position in positions
        }
        # What is no array may be what did not fit, unless the message shows that it did.
        others_fit = all(
            parameter is not None and len(shown) > position and parameter.takes(shown[position])
            for position, parameter in parameter_of.items()
            if position not in arrays
        )
        found = [
            _argument(position, given, part, values, _shown(parameter.name))
            for position, given in arrays.items()
            if (parameter := parameter_of[position]) is not None
            and parameter.demand is not None
            and (part := unmet(given, parameter.demand)) is not None
            and (others_fit or not parameter.converts or _cannot_be_converted(part))
        ]
        known = all(each is not None and each.demand is not None for each in parameter_of.values())
        if not found and others_fit and known:
            # pybind11 does not say which order it asks for: nothing else is left.
            found = [
                _argument(position, given, part, values, None)
                for position, given in arrays.items()
                if (part := _order_that_is_left(given)) is not None
            ]
            found = found if len(found) == 1 else []
        if not found:
            # The arrays fit this signature: it was something else that did not.
            return []
        candidates.append(found)
    return min(candidates, key=len, default=[])


def _cannot_be_converted(part: Demand) -> bool:
    """Whether no binding makes an array meet this by copying it."""
    return part.ndim is not None or part.lengths is not None or part.number


def _order_that_is_left(given: Layout) -> Demand | None:
    """The order that an array does not have, where everything else about it fits."""
    if given.order == "strided":
        return Demand(form="contiguous")
    if given.order == "F":
        return Demand(form="C")
    return Demand(form="F") if sum(length != 1 for length in given.shape) > 1 else None


def _parameter_of(
    parameters: list[Parameter], position: int, value: PassedValue | None
) -> Parameter | None:
    """The parameter that an argument is for."""
    if value is not None and value.keyword is not None:
        return next((each for each in parameters if each.name == value.keyword), None)
    return parameters[position] if position < len(parameters) else None


def _shown(name: str) -> str | None:
    """A parameter's name, unless the binding had to make one up."""
    made_up = name.startswith("arg") and name[3:].isdigit()
    return None if made_up or not is_name(name) else name


def _argument(
    position: int, given: Layout, part: Demand, values: list[PassedValue], name: str | None
) -> RefusedArgument:
    array = values[position].array if position < len(values) else None
    return RefusedArgument(position, given, part, array, name)


def _distinct(found: Iterable[RefusedArgument]) -> list[RefusedArgument]:
    """Each array once: one variable may be passed at several places."""
    kept: list[RefusedArgument] = []
    for each in found:
        same = (other for other in kept if each.array is not None and other.array == each.array)
        if next(same, None) is None:
            kept.append(each)
    return kept
