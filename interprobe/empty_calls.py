"""Times calls of functions that do nothing, made as a recorded call was, with such arguments."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from interprobe import native
from interprobe.ledger_records import FactRecord, LedgerContents
from interprobe.trace import Call
from interprobe.turns import Turn

SAMPLED_CALL = "turn-call"
"""The fact that native/call_turns.c books of what a call takes."""

_REPEATS = 400
_ROUNDS = 8
"""The fastest counts: in the others something else was at work on the processor."""
_ELEMENTS = 4
_ADDRESSES = frozenset({"_ctypes", "numpy.ndarray"})
"""Types of arguments whose address ctypes has to ask for at each call."""

_NDPOINTER = "ndpointer_"


class _UnknownError(LookupError):
    """Nothing like an argument can be made, or nothing can be timed now."""


@dataclass(frozen=True)
class EmptyCall:
    """What a call of a function that does nothing takes, in seconds.

    Attributes:
        whole: The call, the least that is certain; None where such a call cannot be made, is no
            other, or where something is being recorded now.
        bare: The same with bare addresses in place of arrays; None also where there are none.
        probes: What interprobe took besides, around such a call.
    """

    whole: float | None = None
    bare: float | None = None
    probes: float | None = None


def empty_call(call: Call, turn: Turn) -> EmptyCall:
    """Times calls like a recorded one, of a function that does nothing.

    Args:
        call: The record.
        turn: Its turn: ``given`` are the types of its arguments.
    """
    declared: dict[int, str | None] = {}
    arrays: dict[int, tuple[str, int]] = {}
    for argument in call.arguments:
        if argument.position not in declared:
            declared[argument.position] = argument.declared
            if argument.given is not None:
                arrays[argument.position] = (argument.given.dtype, len(argument.given.shape))
    kinds = tuple(
        (name, declared.get(position), arrays.get(position))
        for position, name in enumerate(turn.given)
    )
    if call.binding == "ctypes":
        result = call.returns.declared if call.returns is not None else "c_int"
        empty = _ctypes_call(kinds, call.argtypes, result)
        if not any(name in _ADDRESSES for name, _, _ in kinds) or empty.whole is None:
            return empty
        bare = tuple(
            ("int", "c_void_p", None) if name in _ADDRESSES else (name, what, array)
            for name, what, array in kinds
        )
        return replace(empty, bare=_ctypes_call(bare, len(bare), result).whole)
    # Every other binding does at least what Cython does; only of Cython a view's cost is known.
    views = sum(name == "numpy.ndarray" for name, _, _ in kinds)
    seen = views if call.binding == "Cython" else 0
    try:
        return _cython_measured(seen, len(kinds) - views)
    except _UnknownError:
        return EmptyCall()


def mean_seconds(fact: FactRecord | None, contents: LedgerContents) -> float | None:
    """The mean of the times that a fact adds up, without what reading the clock takes."""
    if fact is None or fact.count == 0:
        return None
    return max(contents.seconds(fact.value) / fact.count - _clock_seconds(), 0.0)


@lru_cache(maxsize=1)
def _clock_seconds() -> float:
    return native.clock_seconds()


@lru_cache(maxsize=1)
def _timing() -> Callable[[Callable[..., object], tuple[object, ...], int], tuple[float, float]]:
    """Calls the native timer from code that is not interprobe's own, which is never recorded."""
    text = "lambda function, given, repeats: seconds(function, given, repeats)"
    code = compile(text, "<calls of an empty function>", "eval")
    made: Any = eval(code, {"seconds": native.empty_call_seconds})
    return made  # type: ignore[no-any-return]


def _timed(function: Callable[..., object], arguments: tuple[object, ...]) -> tuple[float, float]:
    """What a recorded call of a function takes, and what the probes take around it.

    Raises:
        _UnknownError: Something is being recorded now.
    """
    if native.recording():
        raise _UnknownError
    book = native.Ledger()
    book.resume()
    try:
        rounds = [_timing()(function, arguments, _REPEATS) for _ in range(_ROUNDS)]
    finally:
        book.pause()
    taken = min(seconds for seconds, _ in rounds)
    if taken <= 0:
        raise _UnknownError
    return max(taken - _clock_seconds(), 0.0), min(probes for _, probes in rounds)


_Kind = tuple[str, str | None, tuple[str, int] | None]


@lru_cache(maxsize=256)
def _measured(kinds: tuple[_Kind, ...], declared: int | None, result: str | None) -> EmptyCall:
    prototype = ctypes.CFUNCTYPE(_result_type(result))
    function = prototype(native.empty_function_address())
    made = [_argument(kind) for kind in kinds]
    if declared is not None:
        function.argtypes = [type_ for type_, _ in made][:declared]
    seconds, probes = _timed(function, tuple(value for _, value in made))
    return EmptyCall(whole=seconds, probes=probes)


def _ctypes_call(kinds: tuple[_Kind, ...], declared: int | None, result: str | None) -> EmptyCall:
    try:
        return _measured(kinds, declared, result)
    except (_UnknownError, ctypes.ArgumentError, TypeError, ValueError, AttributeError):
        return EmptyCall()


@lru_cache(maxsize=64)
def _cython_measured(views: int, scalars: int) -> EmptyCall:
    none = _timed(native.take_scalars, ())
    number = _timed(native.take_scalars, (0.5,) * min(scalars, 4)) if scalars else none
    view = _timed(native.take_view, (np.zeros(_ELEMENTS),)) if views else none
    seconds, probes = (
        of_numbers + views * max(of_view - of_none, 0.0)
        for of_numbers, of_view, of_none in zip(number, view, none, strict=True)
    )
    return EmptyCall(whole=seconds, probes=probes)


def _result_type(name: str | None) -> Any:
    """A result that is read as the recorded one was; addresses stay numbers."""
    found = getattr(ctypes, name, None) if name is not None else None
    if isinstance(found, type) and issubclass(found, ctypes._SimpleCData):
        return found if found is not ctypes.py_object else ctypes.c_void_p
    return None if name == "None" else ctypes.c_void_p


def _argument(kind: _Kind) -> tuple[Any, Any]:
    """What is declared for an argument, and a value like it.

    Raises:
        _UnknownError: There is no telling.
    """
    name, declared, array = kind
    memory = np.zeros(_ELEMENTS)
    if name.startswith("LP_"):
        pointer = ctypes.POINTER(ctypes.c_double)
        return pointer, memory.ctypes.data_as(pointer)
    if name in _ADDRESSES:
        return _array_argument(name, declared, array)
    value: Any
    if name == "CArgObject":
        return ctypes.POINTER(ctypes.c_double), ctypes.byref(ctypes.c_double())
    simple = getattr(ctypes, name, None) if name.startswith("c_") else None
    if name == "int":
        value = 1
    elif name in ("float", "numpy.float64"):
        value = 0.5 if name == "float" else np.float64(0.5)
    elif name == "NoneType":
        value = None
    elif isinstance(simple, type) and issubclass(simple, ctypes._SimpleCData):
        value = simple()
    else:
        raise _UnknownError(name)
    wanted = getattr(ctypes, declared, None) if declared is not None else None
    if isinstance(wanted, type) and issubclass(wanted, ctypes._SimpleCData):
        return wanted, value
    if declared is not None and declared.startswith("POINTER("):
        return ctypes.POINTER(ctypes.c_double), value
    return ctypes.c_int, value


def _array_argument(
    name: str, declared: str | None, array: tuple[str, int] | None
) -> tuple[Any, Any]:
    if declared is None or array is None:
        raise _UnknownError(name)
    dtype, dimensions = array
    value = np.zeros((2,) * dimensions, dtype)
    if declared.startswith(_NDPOINTER):
        if "C_CONTIGUOUS" in declared:
            return np.ctypeslib.ndpointer(value.dtype, dimensions, flags="C_CONTIGUOUS"), value
        return np.ctypeslib.ndpointer(value.dtype, dimensions), value
    wanted = ctypes.c_void_p if declared == "c_void_p" else ctypes.POINTER(ctypes.c_double)
    return wanted, value.ctypes
