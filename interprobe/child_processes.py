"""Ends the recording of child processes, and begins it in interpreters that the program starts.

A forked child goes on recording into a ledger of its own by itself (native/ledger.c). What is left
to do is to mark that ledger as ended in good order: at the child's exit callbacks, or where
multiprocessing leaves through ``os._exit``, at the end of its own clean-up.

A fresh interpreter (``subprocess``, multiprocessing's spawn and forkserver, joblib's loky) is told
by an environment variable, which ``interprobe.pth`` looks at when Python starts.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable
from typing import Any, Literal

import msgspec

from interprobe.bootstrap import VARIABLE


class RunAddress(msgspec.Struct, frozen=True):
    """How a fresh interpreter finds the run that it belongs to."""

    folder: str
    own_paths: list[str]
    boundary: list[str] = []
    no_boundary: list[str] = []
    contracts: Literal["sampled", "full"] = "sampled"
    guard: Literal["end", "start"] | None = None
    what_if: Literal["off", "auto", "all"] = "auto"


def announce(address: RunAddress) -> None:
    """Have interpreters that this process starts from now on record as a part of its run."""
    _pass_on(msgspec.json.encode(address).decode())


def _pass_on(text: str) -> None:
    # Not through os.environ, which is the program's to look at: children inherit the variable all
    # the same, unless they are given an environment that the program put together.
    os.putenv(VARIABLE, text)


def take_address() -> RunAddress | None:
    """The run that this process was started by, or None.

    The variable leaves ``os.environ``, as the program would not find it there without interprobe.
    """
    text = os.environ.pop(VARIABLE, "")
    if not text:
        return None
    _pass_on(text)
    try:
        return msgspec.json.decode(text, type=RunAddress)
    except msgspec.DecodeError:
        return None


class ChildEndings:
    """Calls ``end()`` when a process that was forked off this one ends in good order."""

    def __init__(self, end: Callable[[], None]) -> None:
        """Prepare; nothing is called before :meth:`watch`."""
        self._end = end
        self._process = os.getpid()
        self._known_to_multiprocessing = False

    def watch(self) -> None:
        """Watch the children that are forked from now on."""
        os.register_at_fork(before=self._tell_multiprocessing, after_in_child=self._in_child)

    def _tell_multiprocessing(self) -> None:
        # Its children forget the exit callbacks of their parent, and leave through os._exit.
        util: Any = sys.modules.get("multiprocessing.util")
        if util is not None and not self._known_to_multiprocessing:
            self._known_to_multiprocessing = True
            util.register_after_fork(self, ChildEndings._finalize_in_child)

    def _finalize_in_child(self) -> None:
        util: Any = sys.modules["multiprocessing.util"]
        util.Finalize(None, self._end_once, exitpriority=-1_000_000)

    def _in_child(self) -> None:
        atexit.register(self._end_once)

    def _end_once(self) -> None:
        if os.getpid() != self._process:
            self._process = os.getpid()
            self._end()
