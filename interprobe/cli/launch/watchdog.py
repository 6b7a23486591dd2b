"""Delivers the trace of a program that did not live to deliver it itself.

A program may leave through ``os._exit``, or die of a signal, of a segmentation fault in a kernel,
of ``kill -9``. Its ledger is in a file and survives; this process, forked off before the program
begins, sleeps until the program's process is gone and then writes what that one could not.

It is no child of the program (it is forked twice, and adopted by init), has a session of its own,
so that no Ctrl-C reaches it, and keeps nothing of the program open but standard error, where the
report goes: who reads the program's output to its end has the report as well.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Callable


def start(after_death: Callable[[], None]) -> bool:
    """Watch this process; main thread only, before the program has made any thread.

    Args:
        after_death: Called in the watching process once this one is gone.

    Returns:
        Whether it is watched: kernels before 5.3 cannot wait for a process that is no child.
    """
    process = os.getpid()
    try:
        os.close(os.pidfd_open(process))
    except OSError:
        return False
    between = os.fork()
    if between == 0:
        # os._exit whatever happens: this copy of the program's process must do nothing else.
        with contextlib.suppress(BaseException):
            _detach(process, after_death)
        os._exit(0)
    os.waitpid(between, 0)
    return True


def _detach(process: int, after_death: Callable[[], None]) -> None:
    # Opened while the watched process waits for this one, so the number is surely its own.
    watched = os.pidfd_open(process)
    os.setsid()
    if os.fork() != 0:
        return
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    poll = select.poll()
    poll.register(watched, select.POLLIN)
    poll.poll()
    after_death()
