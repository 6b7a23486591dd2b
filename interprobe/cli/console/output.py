"""Where a report is written: a stream or a file, its width, its colours."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from typing import TextIO

from interprobe.cli.console import formats
from interprobe.cli.console.arguments import UsageError, positive, writable

_WIDTH_OF_FILES = 100


class Output:
    """A destination for text."""

    def __init__(self, options: argparse.Namespace, *, stderr: bool = False) -> None:
        """Take what :func:`add_options` has parsed.

        Args:
            options: The options.
            stderr: Whether the text goes to standard error unless ``-o`` names a file.

        Raises:
            UsageError: The file could not be written.
        """
        self._path: str | None = None
        if options.output is not None:
            self._path = writable(options.output, replace=False)
        self._descriptor = 2 if stderr else 1
        self._begun = False
        # Decided now: a program may change the environment before its report is drawn.
        self.width = int(options.width or self._default_width())
        """Columns to fill."""
        self.color = self._has_color(options.color, options.format)
        """Whether to use colours."""

    def write(self, text: str) -> None:
        """Write ``text``; a file is begun anew by the first call only.

        Raises:
            UsageError: It cannot be written.
            BrokenPipeError: The reader of a pipe has closed it.
        """
        try:
            if self._path is not None:
                with open(self._path, "a" if self._begun else "w", encoding="utf-8") as file:
                    file.write(text)
                self._begun = True
            elif self._descriptor == 1:
                put(sys.stdout, text)
            else:
                write_after_program(text)
        except BrokenPipeError:
            raise
        except OSError as error:
            where = repr(self._path) if self._path is not None else "the report"
            raise UsageError(f"Cannot write {where}: {error.strerror or error}.") from error

    def _default_width(self) -> int:
        width = 0
        if self._path is None:
            if os.environ.get("COLUMNS", "").isdigit():
                width = int(os.environ["COLUMNS"])
            elif os.isatty(self._descriptor):
                width = os.get_terminal_size(self._descriptor).columns
        return width or _WIDTH_OF_FILES

    def _has_color(self, wanted: str, format_name: str) -> bool:
        if wanted != "auto":
            return wanted == "always"
        if format_name != "terminal":
            return True
        if os.environ.get("NO_COLOR"):
            return False
        if os.environ.get("FORCE_COLOR"):
            return True
        on_terminal = self._path is None and os.isatty(self._descriptor)
        return on_terminal and os.environ.get("TERM") != "dumb"


def put(stream: TextIO, text: str) -> None:
    """Write to a stream of any encoding; characters that it lacks become question marks.

    Raises:
        OSError: It cannot be written.
    """
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "replace").decode(encoding))
    stream.flush()


def write_after_program(text: str) -> None:
    """Write to standard error behind everything that a program has written to either stream.

    Raises:
        OSError: The program has closed standard error.
    """
    for stream in (sys.__stdout__, sys.__stderr__):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()  # type: ignore[union-attr]
    # The program may have replaced or closed sys.stderr: the descriptor is what it started with.
    encoding = getattr(sys.__stderr__, "encoding", None) or "utf-8"
    with open(2, "w", encoding=encoding, errors="replace", closefd=False) as descriptor:
        descriptor.write(text)


def complain_after_program(sentence: str) -> None:
    """Say what went wrong after a program has run."""
    with contextlib.suppress(OSError):
        write_after_program(f"interprobe: {sentence}\n")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a report: ``-o``, ``--format``, and those of :func:`add_look_options`."""
    parser.add_argument("-o", "--output", metavar="FILE", help="write the report to FILE")
    parser.add_argument(
        "--format",
        default="terminal",
        metavar="FORMAT",
        help=f"one of {', '.join(formats.names())} (default: terminal)",
    )
    add_look_options(parser)


def add_look_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--color`` and ``--width``; nothing is written to a file."""
    parser.set_defaults(output=None, format="terminal")
    parser.add_argument(
        "--color",
        choices=("auto", "always", "never"),
        default="auto",
        help="auto (the default) colours on a terminal, unless NO_COLOR is set",
    )
    parser.add_argument("--width", type=positive, metavar="N", help="columns of the report")
