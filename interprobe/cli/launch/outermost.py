"""Calls a function as the outermost one of its thread, with nothing of interprobe below it.

A program can see who called it: ``sys._getframe(1)``, ``traceback.print_stack()``,
``warnings.warn(..., stacklevel=2)``, ``logging`` with ``stack_info=True``, a recursion limit that
is reached some calls earlier. CPython links every new frame to the one that the thread state calls
current, so that field is empty while the program starts. Where the thread state is not laid out as
expected, the call is an ordinary one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from ctypes import PyDLL, c_int, c_void_p
from functools import partial
from typing import Any, NamedTuple


class _Layout(NamedTuple):
    """Offsets in bytes, in CPython's ``PyThreadState`` (``cpython/pystate.h``)."""

    recursion_remaining: int
    """The recursion limit, another ``int``, follows it."""
    holder: int | None
    """Of the pointer to the structure that holds the current frame; None: the thread state."""
    current_frame: int
    """In that structure."""
    spare: int
    """Calls that starting the program counts and plain python does not."""


_LAYOUTS = {
    (3, 11): _Layout(recursion_remaining=32, holder=56, current_frame=8, spare=1),
    (3, 12): _Layout(recursion_remaining=28, holder=56, current_frame=0, spare=0),
    (3, 13): _Layout(recursion_remaining=44, holder=None, current_frame=72, spare=0),
}

# In PyFrameObject, after the object's header and f_back: the frame itself.
_F_FRAME = object.__basicsize__ + 8


def call(function: Callable[..., Any], *args: Any) -> Any:
    """Call ``function(*args)`` as if no Python code were running yet; main thread only.

    An exception passes through; its traceback begins with the frame of this function.
    """
    # A partial is called through C, where a frame's caller is read from the thread state.
    start = partial(function, *args)
    layout = _LAYOUTS.get(sys.version_info[:2])
    if layout is None or sys.implementation.name != "cpython":
        return start()
    get_state = PyDLL(None).PyThreadState_Get
    get_state.restype = c_void_p
    state = holder = get_state()
    # CPython 3.11 and 3.12 keep the current frame in a structure on the C stack that is shared by
    # the calls between Python functions: it is looked up here and not in a function of its own.
    if layout.holder is not None:
        holder = c_void_p.from_address(state + layout.holder).value or state
    current = c_void_p.from_address(holder + layout.current_frame)
    remaining = c_int.from_address(state + layout.recursion_remaining)
    limit = c_int.from_address(state + layout.recursion_remaining + 4)
    caller = c_void_p.from_address(id(sys._getframe()) + _F_FRAME).value
    if current.value != caller or limit.value != sys.getrecursionlimit():
        return start()
    depth = limit.value - remaining.value + layout.spare
    remaining.value += depth
    # Until the last line no function written in Python may be called from here.
    current.value = None
    try:
        return start()
    finally:
        current.value = caller
        remaining.value -= depth
