"""Ends a program as the interpreter would: shows its exception, finds its exit status."""

from __future__ import annotations

import builtins
import os
import signal
import sys
from contextlib import suppress
from ctypes import PyDLL, c_char_p, c_int, py_object
from types import TracebackType
from typing import Any, NoReturn

from interprobe.cli.launch import outermost

_FOLDER = os.path.dirname(__file__) + os.sep
_FILE_INPUT = 257
"""``Py_file_input``."""

# What the interpreter uses and sets when it shows an exception.
_HANDLED = ("excepthook", "last_exc", "last_type", "last_value", "last_traceback")
_kept: dict[str, Any] = {}


def exit_status(error: BaseException | None) -> int:
    """The exit status of a program that ended with ``error``.

    Returns:
        0 to 255, or minus the number of the signal that python kills itself with.
    """
    if error is None:
        return 0
    if isinstance(error, SystemExit):
        code = error.code
        if code is None:
            return 0
        return code & 0xFF if isinstance(code, int) else 1
    return -signal.SIGINT if type(error) is KeyboardInterrupt else 1


def flush_streams() -> None:
    """Flush as python does between the end of a program and the report of its exception."""
    for name in ("stderr", "stdout"):
        try:
            getattr(sys, name).flush()
        except Exception:
            continue  # Python forgets this failure as well, and finds it again when it exits.


def trim(error: BaseException) -> None:
    """Remove interprobe's own frames from the start of the traceback."""
    traceback = error.__traceback__
    while traceback and traceback.tb_frame.f_code.co_filename.startswith(_FOLDER):
        traceback = traceback.tb_next
    error.__traceback__ = traceback


def show(error: BaseException) -> None:
    """Show an exception that nothing handled, as the interpreter's ``PyErr_Print`` does.

    Raises:
        SystemExit: The program's ``sys.excepthook`` wants to exit.
    """
    details = (type(error), error, error.__traceback__)
    sys.last_type, sys.last_value, sys.last_traceback = details
    if sys.version_info >= (3, 12):
        sys.last_exc = error
    hook = getattr(sys, "excepthook", None)
    if hook is None:
        _write("sys.excepthook is missing\n")
        sys.__excepthook__(*details)
        return
    second = _failure(hook, details)
    if second is None:
        return
    if isinstance(second, SystemExit):
        raise second
    _write("Error in sys.excepthook:\n")
    sys.__excepthook__(type(second), second, second.__traceback__)
    _write("\nOriginal exception was:\n")
    sys.__excepthook__(*details)


def interrupt() -> NoReturn:
    """Leave interprobe by an interrupt that nobody sees: the program's has been shown already.

    An interpreter that is left so finishes and then kills itself with SIGINT, as after Ctrl-C.

    Raises:
        KeyboardInterrupt: Always.
    """
    _kept.update((name, vars(sys)[name]) for name in _HANDLED if name in vars(sys))
    sys.excepthook = _show_nothing
    raise KeyboardInterrupt


def _show_nothing(*details: object) -> None:
    for name in _HANDLED:
        vars(sys).pop(name, None)
    vars(sys).update(_kept)
    _kept.clear()


def remember_interrupt() -> None:
    """Have the interpreter kill itself with SIGINT although other code has run since.

    CPython remembers whether the code that it ran last from a string or file was interrupted;
    NumPy runs such code while it is imported.
    """
    run = PyDLL(None).PyRun_String
    run.restype = py_object
    run.argtypes = [c_char_p, c_int, py_object, py_object]
    with suppress(KeyboardInterrupt):
        run(b"raise KeyboardInterrupt", _FILE_INPUT, {"__builtins__": builtins}, {})


def _failure(
    hook: Any, details: tuple[type[BaseException], BaseException, TracebackType | None]
) -> BaseException | None:
    try:
        outermost.call(hook, *details)
    except BaseException as error:
        trim(error)
        return error
    return None


def _write(text: str) -> None:
    try:
        sys.stderr.write(text)
    except Exception:
        return  # The program has closed or replaced the stream: there is nowhere to write.
