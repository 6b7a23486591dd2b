"""Begins to record in an interpreter that a recorded program has started; see interprobe.pth."""

from __future__ import annotations

import atexit
import importlib
import os
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from interprobe.child_processes import RunAddress
    from interprobe.recorder import Recorder

VARIABLE: Final = "INTERPROBE_RUN"


class _ChildRecording:
    """The recording of this interpreter, from its import of NumPy to its end."""

    def __init__(self) -> None:
        from interprobe.numpy_arrival import NumpyArrival

        self._arrival = NumpyArrival(self._start)
        self._address: RunAddress | None = None
        self._recorder: Recorder | None = None

    def begin(self) -> None:
        """Wait for NumPy."""
        from interprobe.child_processes import ChildEndings, take_address

        self._address = take_address()
        atexit.register(self.end)
        ChildEndings(self.end).watch()
        self._arrival.watch()

    def cancel(self) -> None:
        """Record nothing: this interpreter makes a recording of its own."""
        self._arrival.forget()
        atexit.unregister(self.end)

    def end(self) -> None:
        """Mark the ledger as ended in good order."""
        if self._recorder is not None:
            recorder, self._recorder = self._recorder, None
            recorder.end_in_child()

    def _start(self) -> None:
        from interprobe.process_ledgers import LedgerFolder
        from interprobe.recorder import Recorder

        address = self._address
        # The folder is gone once the run is over: a process that outlives it is not recorded.
        if address is None or not os.path.isdir(address.folder):
            return
        recorder = Recorder(
            argv=sys.argv,
            own_paths=address.own_paths,
            folder=LedgerFolder(address.folder),
            boundary=address.boundary,
            no_boundary=address.no_boundary,
            contracts=address.contracts,
            guard=address.guard,
            what_if=address.what_if,
        )
        try:
            recorder.start()
        except (OSError, RuntimeError):
            return  # the program goes on unrecorded: its output must not change
        self._recorder = recorder


def _in_main_interpreter() -> bool:
    """False where the process has started a further interpreter inside itself."""
    try:
        interpreters = importlib.import_module("_interpreters")
    except ImportError:  # before CPython 3.13
        interpreters = importlib.import_module("_xxsubinterpreters")
    return bool(interpreters.get_current() == interpreters.get_main())


def _hide_run() -> None:
    """Take the run's address out of ``os.environ``, as the program would not find it there."""
    text = os.environ.pop(VARIABLE, None)
    if text is not None:
        os.putenv(VARIABLE, text)


_recording: _ChildRecording | None = None


def begin() -> None:
    """Record this interpreter as a part of the run that it was started by."""
    global _recording  # noqa: PLW0603 - there is one interpreter
    if not _in_main_interpreter():
        _hide_run()  # of a process that is recorded already
    elif _recording is None:
        _recording = _ChildRecording()
        _recording.begin()


def cancel() -> None:
    """Undo :func:`begin`."""
    global _recording  # noqa: PLW0603 - there is one interpreter
    if _recording is not None:
        _recording.cancel()
        _recording = None
