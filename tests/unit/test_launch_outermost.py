"""A call that is the outermost one: it sees no caller, and everything is as before when it ends."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from types import FrameType

import pytest

from interprobe.cli.launch import outermost


def caller() -> FrameType | None:
    return sys._getframe().f_back


def depth_left() -> int:
    """How many calls are possible before RecursionError."""

    def descend(depth: int) -> int:
        try:
            return descend(depth + 1)
        except RecursionError:
            return depth

    return descend(0)


def test_there_is_no_caller() -> None:
    assert outermost.call(caller) is None
    assert caller() is sys._getframe()


def test_there_is_no_caller_in_a_call_within_a_call() -> None:
    def middle() -> tuple[FrameType | None, FrameType | None, FrameType | None]:
        return caller(), outermost.call(caller), caller()

    first, second, third = outermost.call(middle)
    assert first is third is not None
    assert first.f_code is middle.__code__
    assert second is None


def test_code_has_no_caller() -> None:
    namespace: dict[str, object] = {}
    outermost.call(exec, "import sys\nfound = sys._getframe().f_back", namespace)
    assert namespace["found"] is None


def test_arguments_and_result() -> None:
    assert outermost.call(divmod, 7, 2) == (3, 1)
    assert outermost.call(lambda *args: args, 1, 2) == (1, 2)


def test_an_exception_passes_through_with_the_frames_above_only() -> None:
    def fail() -> None:
        raise ValueError("failed")

    with pytest.raises(ValueError, match="failed") as raised:
        outermost.call(fail)
    names = [frame.name for frame in traceback.extract_tb(raised.value.__traceback__)]
    assert names == [sys._getframe().f_code.co_name, "call", "fail"]
    assert caller() is sys._getframe()


def test_the_recursion_limit_counts_from_here() -> None:
    def deep(times: int, function: Callable[[], int]) -> int:
        return function() if times == 0 else deep(times - 1, function)

    fresh = outermost.call(depth_left)
    assert deep(100, depth_left) < fresh - 100
    assert deep(100, lambda: outermost.call(depth_left)) == fresh
    before = depth_left()
    outermost.call(depth_left)
    assert depth_left() == before


def test_a_recursion_limit_that_the_program_sets() -> None:
    limit = sys.getrecursionlimit()
    before = depth_left()
    try:
        outermost.call(sys.setrecursionlimit, limit + 500)
        assert depth_left() == before + 500
    finally:
        sys.setrecursionlimit(limit)
    assert depth_left() == before


def test_an_unknown_interpreter_makes_an_ordinary_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outermost, "_LAYOUTS", {})
    found = outermost.call(caller)
    assert found is not None
    assert found.f_code is outermost.call.__code__


@pytest.mark.parametrize("field", ["recursion_remaining", "current_frame"])
def test_a_layout_that_does_not_fit_makes_an_ordinary_call(
    field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = outermost._LAYOUTS[sys.version_info[:2]]
    wrong = layout._replace(**{field: getattr(layout, field) + 8})
    monkeypatch.setattr(outermost, "_LAYOUTS", {sys.version_info[:2]: wrong})
    assert outermost.call(caller) is not None
