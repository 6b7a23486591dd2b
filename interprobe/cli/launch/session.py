"""Runs a program from its first line to its last exit callback, with a recording around it."""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
from typing import Protocol

from interprobe.cli.launch import ending, outermost
from interprobe.cli.launch.main_module import (
    Compile,
    CompileError,
    compile_main,
    enter,
    interpreter_words,
    leave,
)
from interprobe.cli.launch.program import Program


class Recording(Protocol):
    """What happens around a program."""

    def begin(self) -> None:
        """Called right before the program's first line."""

    def end(self, status: int) -> None:
        """Called after the program's threads and exit callbacks, with its exit status.

        A negative status is the number of the signal that will end the process.
        """


def run(program: Program, recording: Recording, compile_source: Compile = compile_main) -> int:
    """Run ``program`` in this process as plain ``python`` would.

    The recording ends when the interpreter exits; a forked child ends none.

    Args:
        program: What to run.
        recording: What happens around it.
        compile_source: Compiles the code that runs as ``__main__``.

    Returns:
        The exit status, to exit with at once; minus the number of a signal, to die of it.

    Raises:
        SystemExit: The program's own.
    """
    process = os.getpid()
    status = 0

    def seal() -> None:
        if os.getpid() == process:
            recording.end(status)
            if status == -signal.SIGINT:
                ending.remember_interrupt()

    # Exit callbacks run in reverse order: this one, registered first, sees what all others did.
    atexit.register(seal)
    try:
        start = enter(program, compile_source)
    except CompileError:
        # Only python itself says this with exactly its own words, in every encoding.
        recording.begin()
        command = [sys.executable, *interpreter_words()[1:], *program.command]
        status = subprocess.run(command, check=False).returncode
        return status
    recording.begin()
    error: BaseException | None = None
    try:
        outermost.call(start)
    except BaseException as raised:
        error = raised
    finally:
        del start
    status = ending.exit_status(error)
    if program.kind in ("script", "command"):
        ending.flush_streams()
    try:
        if isinstance(error, SystemExit):
            raise error
        if error is not None:
            ending.trim(error)
            ending.show(error)
    except SystemExit as wanted:
        status = ending.exit_status(wanted)
        raise
    finally:
        # The traceback holds this frame: a cycle would keep the program's objects alive.
        error = None
    leave(program)
    return status
