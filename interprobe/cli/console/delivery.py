"""Hands a finished trace over: saves it, draws it, and loses it in no case."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from interprobe.cli.console import formats
from interprobe.cli.console.arguments import UsageError
from interprobe.cli.console.output import Output, complain_after_program, write_after_program

if TYPE_CHECKING:
    from interprobe.trace import Trace


class Delivery:
    """What becomes of the trace of a program that has ended."""

    def __init__(self, trace_file: str | None, format_name: str, output: Output) -> None:
        """Remember where everything goes.

        Args:
            trace_file: Where to save the trace; None: nowhere.
            format_name: How to draw it.
            output: Where to draw it.
        """
        self._trace_file = trace_file
        self._format = format_name
        self._output = output

    def __call__(self, trace: Trace) -> None:
        """Save the trace and write its report, to standard error if nothing else is possible."""
        if self._trace_file is not None:
            save(trace, self._trace_file)
        report = formats.drawn(trace, self._format, self._output)
        try:
            self._output.write(report)
        except UsageError as error:
            complain_after_program(f"{error} Here it is instead:")
            with contextlib.suppress(OSError):
                write_after_program(report)
        except BrokenPipeError:
            return  # Nobody reads standard error any more.


def save(trace: Trace, path: str) -> None:
    """Save a trace; where that fails, in a temporary folder, so that no run is lost."""
    try:
        trace.save(path)
    except OSError as error:
        import tempfile

        spare = os.path.join(tempfile.mkdtemp(prefix="interprobe-"), os.path.basename(path))
        trace.save(spare)
        complain_after_program(
            f"Cannot write {path!r}: {error.strerror or error}; the trace is in {spare!r} instead."
        )
