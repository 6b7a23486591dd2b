"""Runs a function step by step, so that what it does can be told from what it waits for.

A generator's body runs only between a ``send`` and the next ``yield``, a coroutine's only between
two ``await``s that wait. A wrapper made here enters an :class:`Activity` at the beginning of each
such step and leaves it at the end, and is otherwise the function itself: its kind, and what
``send``, ``throw``, ``close`` and ``return`` do, are those of PEP 342, 380, 492 and 525.
"""

from __future__ import annotations

import functools
import inspect
import operator
import sys
from collections.abc import AsyncGenerator, Callable, Generator
from types import FunctionType
from typing import Any, Protocol


class Activity(Protocol):
    """What begins and ends with every step of a body."""

    def enter(self) -> None:
        """A body begins or goes on, in this thread."""

    def leave(self) -> None:
        """It ends or waits."""


def stepwise(function: Callable[..., Any], activity: Activity) -> Callable[..., Any]:
    """A function that does what ``function`` does, within ``activity`` while its body runs.

    Args:
        function: A plain, generator, coroutine or asynchronous generator function, or any callable.
        activity: Entered and left in pairs, from any thread; pairs may be nested.

    Returns:
        A function of the same kind, with the same name, signature and attributes.
    """
    kind = _flags(function) & functools.reduce(operator.or_, _DRIVERS)
    for flag, drive in _DRIVERS.items():
        if kind & flag:
            return _wrapper(function, activity, drive, kind)

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        activity.enter()
        try:
            return function(*args, **kwargs)
        finally:
            activity.leave()

    return wrapper


def _wrapper(
    function: Callable[..., Any],
    activity: Activity,
    drive: Callable[[Any, Activity], Any],
    kind: int,
) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        source = function(*args, **kwargs)
        driver = drive(source, activity)
        driver.__name__, driver.__qualname__ = source.__name__, source.__qualname__
        return driver

    # A wrapper with a `yield` or `await` of its own would find wrong arguments only when it is
    # first resumed. This one finds them when it is called, and `inspect` tells kinds by the flag.
    code = wrapper.__code__.replace(co_flags=wrapper.__code__.co_flags | kind)
    of_kind = FunctionType(code, globals(), closure=wrapper.__closure__)
    return functools.wraps(function)(of_kind)


class _Steps:
    """The run of a generator, or of what ``await`` iterates over, one step at a time.

    It holds what goes in and out only as long as a step needs it: an array that a generator has
    yielded lives no longer than without the wrapper.
    """

    def __init__(self, source: Any, activity: Activity) -> None:
        self._source = source
        self._activity = activity
        self._begun = False
        self._value: Any = None
        self._error: BaseException | None = None

    def advance(self) -> bool:
        """Run the body to its next ``yield``; False when it has returned.

        Raises:
            BaseException: Whatever the body raises.
        """
        self._begun = True
        value, error = self._value, self._error
        self._value = self._error = None
        self._activity.enter()
        try:
            if error is None:
                self._value = self._source.send(value)
            else:
                self._value = self._source.throw(error)
        except StopIteration as stop:
            self._value = stop.value
            return False
        finally:
            self._activity.leave()
            # The exception's traceback holds this frame: without this, a cycle of garbage.
            value = error = None
        return True

    def take(self) -> Any:
        """Hand out what the body yielded or returned."""
        value, self._value = self._value, None
        return value

    def send(self, value: Any) -> None:
        """Let the next step send a value into the body."""
        self._value = value

    def throw(self, error: BaseException) -> None:
        """Let the next step raise an exception in the body."""
        self._error = error

    def __await__(self) -> Generator[Any, Any, Any]:
        """The same run as a generator, which does only what it is told."""
        while self.advance():
            try:
                self.send((yield self.take()))
            except BaseException as error:
                # Raised in the body only after this clause: the body does not see it as handled.
                self.throw(error)
        return self.take()

    def __del__(self) -> None:
        """Spare a coroutine that nobody awaited a second warning, after the driver's."""
        if not self._begun:
            self._source.close()


class _AsyncSteps:
    """The run of an asynchronous generator, one step at a time."""

    def __init__(self, source: AsyncGenerator[Any, Any], activity: Activity) -> None:
        self._source = source
        self._activity = activity
        self._value: Any = None
        self._next: Any = None

    async def advance(self) -> bool:
        """Run the body to its next ``yield``; False when it has returned.

        Raises:
            BaseException: Whatever the body raises.
        """
        step, self._next = self._next or self._first(), None
        try:
            self._value = await _Steps(step, self._activity)
        except StopAsyncIteration:
            return False
        return True

    def take(self) -> Any:
        """Hand out what the body yielded."""
        value, self._value = self._value, None
        return value

    def send(self, value: Any) -> None:
        """Let the next step send a value into the body."""
        self._next = self._source.asend(value)

    def throw(self, error: BaseException) -> None:
        """Let the next step raise an exception in the body."""
        self._next = self._source.athrow(error)

    def _first(self) -> Any:
        # An event loop is told of the driver alone: it would close both, and the second to be
        # closed is closing already.
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(None, None)
        try:
            return self._source.asend(None)
        finally:
            sys.set_asyncgen_hooks(*hooks)


async def _async_generator(source: Any, activity: Activity) -> AsyncGenerator[Any, Any]:
    steps = _AsyncSteps(source, activity)
    while await steps.advance():
        try:
            steps.send((yield steps.take()))
        except BaseException as error:
            steps.throw(error)


def _of_kind(kind: int) -> Callable[[Any, Activity], Any]:
    """The loop of ``_Steps`` as the body of a generator or coroutine."""
    # CPython takes the type of the object from these flags. A coroutine made so yields straight to
    # its event loop; one that awaited the loop would close it first, and lose what it returns.
    code = _Steps.__await__.__code__
    flags = code.co_flags & ~inspect.CO_GENERATOR | kind
    body = FunctionType(code.replace(co_flags=flags), globals())
    return lambda source, activity: body(_Steps(source, activity))


_DRIVERS: dict[int, Callable[[Any, Activity], Any]] = {
    inspect.CO_ASYNC_GENERATOR: _async_generator,
    inspect.CO_COROUTINE: _of_kind(inspect.CO_COROUTINE),
    inspect.CO_ITERABLE_COROUTINE: _of_kind(inspect.CO_GENERATOR | inspect.CO_ITERABLE_COROUTINE),
    inspect.CO_GENERATOR: _of_kind(inspect.CO_GENERATOR),
}
"""How a body of each kind is run; the first whose flag the code has."""


def _flags(function: Callable[..., Any]) -> int:
    while isinstance(function, functools.partial):
        function = function.func
    return int(getattr(getattr(function, "__code__", None), "co_flags", 0))
