"""A wrapped function is the function itself: compared with it, operation by operation."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import inspect
import sys
import types
import warnings
import weakref
from collections.abc import Callable, Generator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interprobe.suspension import stepwise


class Log:
    """An activity that counts its steps and knows whether one is in progress."""

    def __init__(self) -> None:
        self.depth = 0
        self.steps = 0

    def enter(self) -> None:
        self.depth += 1
        self.steps += 1

    def leave(self) -> None:
        self.depth -= 1


class Pause:
    """Awaited, it yields a value to the event loop and returns what that sends back."""

    def __init__(self, value: object) -> None:
        self.value = value

    def __await__(self) -> Generator[object, Any, Any]:
        return (yield self.value)


def obedient(value: object = 0) -> Generator[Any, Any, str]:
    for _ in range(3):
        value = yield ("got", value)
    return "done"


def forgiving() -> Generator[Any, Any, Any]:
    while True:
        try:
            value = yield "ready"
        except ValueError as error:
            value = yield ("caught", error.args)
        if value == "stop":
            return value


def stubborn() -> Generator[Any, Any, Any]:
    for _ in range(3):
        try:
            yield "still here"
        except GeneratorExit:
            yield "not closing"


def last_words() -> Generator[Any, Any, Any]:
    try:
        yield "open"
    except GeneratorExit:
        return "closed"


def failing() -> Generator[Any, Any, Any]:
    with contextlib.suppress(ValueError):
        yield 1
    # Nothing is being handled here: the exception has no context.
    yield sys.exception()
    raise KeyError("later")


def replacing() -> Generator[Any, Any, Any]:
    try:
        yield 1
    finally:
        raise OSError("from finally")


def delegating() -> Generator[Any, Any, Any]:
    result = yield from obedient("outer")
    try:
        yield result
    finally:
        yield from obedient("cleaning up")


def stopping() -> Generator[Any, Any, Any]:
    yield 1
    raise StopIteration("by hand")  # noqa: PLR1708


GENERATORS = [
    obedient,
    forgiving,
    stubborn,
    last_words,
    failing,
    replacing,
    delegating,
    stopping,
]


async def waiting(value: object = 0) -> Any:
    for _ in range(3):
        value = await Pause(("got", value))
    return "done"


async def closing() -> Any:
    try:
        await Pause("open")
    except GeneratorExit:
        return "closed"


async def insisting() -> Any:
    try:
        await Pause("open")
    finally:
        await Pause("cleaning up")


async def tolerant() -> Any:
    try:
        return await waiting("inner")
    except ValueError as error:
        return await Pause(("caught", error.args))


COROUTINES = [waiting, closing, insisting, tolerant]


@types.coroutine
def old_style() -> Generator[Any, Any, Any]:
    value = yield "old"
    return ("returned", value)


OPERATIONS: dict[str, Callable[[Any], Any]] = {
    "resume": lambda run: run.send(None),
    "send": lambda run: run.send("sent"),
    "send stop": lambda run: run.send("stop"),
    "throw": lambda run: run.throw(ValueError("thrown")),
    "throw type": lambda run: run.throw(ValueError),
    "throw exit": lambda run: run.throw(GeneratorExit()),
    "throw stop": lambda run: run.throw(StopIteration("thrown")),
    "close": lambda run: run.close(),
}


def described(error: BaseException | None) -> object:
    if error is None:
        return None
    value = getattr(error, "value", None)
    return (type(error), error.args, value, described(error.__context__))


def outcome(run: Any, operation: str) -> object:
    try:
        return ("gave", OPERATIONS[operation](run))
    except BaseException as error:
        return ("raised", described(error))


def outcomes(function: Callable[[], Any], operations: list[str]) -> list[object]:
    run = function()
    try:
        return [outcome(run, operation) for operation in operations]
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for _ in range(5):
                outcome(run, "resume")


@pytest.mark.parametrize("function", [*GENERATORS, *COROUTINES, old_style])
@settings(max_examples=50, deadline=None)
@given(operations=st.lists(st.sampled_from(sorted(OPERATIONS)), max_size=8))
def test_every_sequence_of_operations_does_the_same(
    function: Callable[[], Any], operations: list[str]
) -> None:
    log = Log()
    assert outcomes(stepwise(function, log), operations) == outcomes(function, operations)
    assert log.depth == 0


ASYNC_OPERATIONS: dict[str, Callable[[Any], Any]] = {
    "next": lambda run: run.__anext__(),
    "send": lambda run: run.asend("sent"),
    "throw": lambda run: run.athrow(ValueError("thrown")),
    "throw exit": lambda run: run.athrow(GeneratorExit()),
    "throw stop": lambda run: run.athrow(StopAsyncIteration("thrown")),
    "close": lambda run: run.aclose(),
}


async def polite(value: object = 0) -> Any:
    for _ in range(3):
        await asyncio.sleep(0)
        value = yield ("got", value)


async def catching() -> Any:
    while True:
        try:
            yield "ready"
        except ValueError as error:
            await asyncio.sleep(0)
            yield ("caught", error.args)


async def unwilling() -> Any:
    for _ in range(3):
        try:
            yield "still here"
        except GeneratorExit:
            yield "not closing"


async def tidy() -> Any:
    try:
        yield "open"
    finally:
        await asyncio.sleep(0)


async def broken() -> Any:
    with contextlib.suppress(ValueError):
        yield 1
    raise KeyError("later")


@pytest.mark.parametrize("function", [polite, catching, unwilling, tidy, broken])
@settings(max_examples=50, deadline=None)
@given(operations=st.lists(st.sampled_from(sorted(ASYNC_OPERATIONS)), max_size=6))
def test_every_sequence_of_asynchronous_operations_does_the_same(
    function: Callable[[], Any], operations: list[str]
) -> None:
    async def outcomes(run: Any) -> list[object]:
        found: list[object] = []
        for operation in operations:
            try:
                found.append(("gave", await ASYNC_OPERATIONS[operation](run)))
            except BaseException as error:
                found.append(("raised", described(error)))
        for _ in range(4):
            try:
                await run.__anext__()
            except (StopAsyncIteration, Exception):
                break
        return found

    log = Log()
    wrapped = stepwise(function, log)
    assert asyncio.run(outcomes(wrapped())) == asyncio.run(outcomes(function()))
    assert log.depth == 0


KINDS = [
    inspect.isgeneratorfunction,
    inspect.iscoroutinefunction,
    inspect.isasyncgenfunction,
]


@pytest.mark.parametrize("function", [outcome, obedient, waiting, polite, old_style])
def test_the_kind_of_function_stays(function: Callable[..., Any]) -> None:
    wrapped = stepwise(function, Log())
    assert [kind(wrapped) for kind in KINDS] == [kind(function) for kind in KINDS]
    assert inspect.signature(wrapped) == inspect.signature(function)
    assert (wrapped.__name__, wrapped.__qualname__, wrapped.__doc__, wrapped.__module__) == (
        function.__name__,
        function.__qualname__,
        function.__doc__,
        function.__module__,
    )


@pytest.mark.parametrize("function", [obedient, waiting, polite, old_style])
def test_what_a_call_returns_has_the_same_type_and_name(function: Callable[..., Any]) -> None:
    plain, wrapped = function(), stepwise(function, Log())()
    try:
        assert type(wrapped) is type(plain)
        assert (wrapped.__name__, wrapped.__qualname__) == (plain.__name__, plain.__qualname__)
        assert inspect.isawaitable(wrapped) == inspect.isawaitable(plain)
    finally:
        for run in (plain, wrapped):
            if not inspect.isasyncgen(run):
                run.close()


@pytest.mark.parametrize("function", [obedient, waiting, polite])
def test_wrong_arguments_fail_at_the_call(function: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match="takes from 0 to 1 positional arguments but 2"):
        stepwise(function, Log())(1, 2)


def test_a_plain_function_is_active_while_it_runs() -> None:
    log = Log()
    seen = []

    def body(value: int) -> int:
        seen.append(log.depth)
        return value + 1

    assert stepwise(body, log)(1) == 2
    assert (seen, log.depth, log.steps) == ([1], 0, 1)


def test_a_plain_function_that_raises_is_left() -> None:
    log = Log()

    def body() -> None:
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        stepwise(body, log)()
    assert log.depth == 0


def test_a_generator_is_active_only_while_its_body_runs() -> None:
    log = Log()
    inside = []

    def body() -> Generator[int, None, None]:
        for number in range(3):
            inside.append(log.depth)
            yield number

    outside = [log.depth for _ in stepwise(body, log)()]
    assert (inside, outside, log.steps) == ([1, 1, 1], [0, 0, 0], 4)


def test_a_coroutine_is_inactive_while_it_waits() -> None:
    log = Log()
    inside, outside = [], []

    async def body() -> str:
        for _ in range(2):
            inside.append(log.depth)
            await asyncio.sleep(0)
        return "done"

    async def other() -> None:
        for _ in range(3):
            outside.append(log.depth)
            await asyncio.sleep(0)

    async def both() -> list[Any]:
        return await asyncio.gather(stepwise(body, log)(), other())

    assert asyncio.run(both())[0] == "done"
    assert (inside, outside, log.steps) == ([1, 1], [0, 0, 0], 3)


def test_an_asynchronous_generator_is_inactive_while_it_waits_and_is_suspended() -> None:
    log = Log()
    inside, outside = [], []

    async def body() -> Any:
        for number in range(2):
            inside.append(log.depth)
            await asyncio.sleep(0)
            inside.append(log.depth)
            yield number

    async def other() -> None:
        for _ in range(3):
            outside.append(log.depth)
            await asyncio.sleep(0)

    async def consume() -> None:
        async for _ in stepwise(body, log)():
            outside.append(log.depth)

    async def both() -> None:
        await asyncio.gather(consume(), other())

    asyncio.run(both())
    assert set(inside) == {1}
    assert set(outside) == {0}


def test_a_task_is_cancelled_as_usual() -> None:
    log = Log()
    cleaned = []

    async def body() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            cleaned.append(log.depth)

    async def cancel() -> None:
        task = asyncio.create_task(stepwise(body, log)())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    assert (cleaned, log.depth) == ([1], 0)


def test_a_yielded_value_lives_no_longer_than_its_consumer_wants() -> None:
    class Thing:
        pass

    def body() -> Generator[Thing, None, None]:
        yield Thing()
        yield Thing()

    run = stepwise(body, Log())()
    reference = weakref.ref(next(run))
    assert reference() is None
    run.close()


def test_a_sent_value_lives_no_longer_than_the_body_wants() -> None:
    class Thing:
        pass

    references = []

    def body() -> Generator[None, Thing, None]:
        references.append(weakref.ref((yield)))
        yield

    run = stepwise(body, Log())()
    next(run)
    run.send(Thing())
    assert references[0]() is None
    run.close()


def test_no_exception_leaves_a_cycle_of_garbage() -> None:
    class Thing:
        pass

    def body() -> Generator[int, None, None]:
        thing = Thing()
        references.append(weakref.ref(thing))
        yield 1

    references: list[weakref.ref[Thing]] = []
    gc.disable()
    try:
        run = stepwise(body, Log())()
        next(run)
        with pytest.raises(ValueError, match="thrown") as caught:
            run.throw(ValueError("thrown"))
        del run, caught
        assert references[0]() is None
    finally:
        gc.enable()


def test_a_forgotten_generator_is_closed_at_once() -> None:
    closed = []

    def body() -> Generator[int, None, None]:
        try:
            yield 1
        finally:
            closed.append(True)

    run = stepwise(body, Log())()
    next(run)
    del run
    assert closed == [True]


def test_a_coroutine_that_is_never_awaited_is_named_once() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        stepwise(waiting, Log())()
        gc.collect()
    assert [str(warning.message) for warning in caught] == ["coroutine 'waiting' was never awaited"]


def test_an_event_loop_closes_an_asynchronous_generator_without_complaint() -> None:
    log = Log()
    cleaned: list[str] = []
    complaints: list[Any] = []

    async def body() -> Any:
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(0)
            cleaned.append("cleaned")

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, what: complaints.append(what))
        kept.append(stepwise(body, log)())
        assert await anext(kept[0]) == 1

    kept: list[Any] = []
    asyncio.run(main())
    assert (cleaned, complaints, log.depth) == (["cleaned"], [], 0)


def test_a_partial_of_a_generator_function_is_stepped() -> None:
    log = Log()
    wrapped = stepwise(functools.partial(obedient, "bound"), log)
    assert inspect.isgeneratorfunction(wrapped)
    run = wrapped()
    assert next(run) == ("got", "bound")
    assert (log.steps, log.depth) == (1, 0)
