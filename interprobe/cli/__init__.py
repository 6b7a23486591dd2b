"""The command line: finds the subcommand, and turns what goes wrong into one sentence.

A subcommand is one module of this package: its docstring's first line says what it does,
``main(arguments)`` does it and returns the exit status. Only this package prints or exits.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import signal
import sys

from interprobe._version import __version__
from interprobe.cli.console.arguments import UsageError, unknown


def main(argv: list[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: The arguments; by default those of the process, whose entry in ``sys.path`` for the
            folder of the ``interprobe`` command is removed.

    Returns:
        The exit status: 2 where the command could not be carried out as given.

    Raises:
        SystemExit: A program that was run wants to exit.
        KeyboardInterrupt: The program, or the command, was interrupted; it has been shown already.
    """
    if argv is None:
        argv = sys.argv[1:]
        if not sys.flags.safe_path:
            del sys.path[0]
    try:
        status = _dispatch(argv)
    except UsageError as error:
        print(f"interprobe: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # The reader of a pipe has seen enough. The interpreter would complain once more when it
        # flushes the stream at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except KeyboardInterrupt:
        status = -signal.SIGINT
    if status == -signal.SIGINT:
        from interprobe.cli.launch.ending import interrupt

        interrupt()
    return status


def _dispatch(argv: list[str]) -> int:
    names = [module.name for module in pkgutil.iter_modules(__path__) if not module.ispkg]
    first = argv[0] if argv else "--help"
    if first in names:
        status: int = importlib.import_module(f"{__name__}.{first}").main(argv[1:])
        return status
    if first in ("-h", "--help"):
        print(_overview(names))
    elif first in ("-V", "--version"):
        print(f"interprobe {__version__}")
    elif first.startswith("-"):
        flags = ["--help", "--version"]
        raise unknown("'interprobe' has no option", first, flags, otherwise="see 'interprobe -h'")
    elif os.path.isfile(first):
        raise UsageError(f"There is no command {first!r}; did you mean 'interprobe run {first}'?")
    else:
        listed = f"the commands are {', '.join(names)}"
        raise unknown("There is no command", first, names, otherwise=listed)
    return 0


def _overview(names: list[str]) -> str:
    lines = []
    for name in names:
        page = importlib.import_module(f"{__name__}.{name}").__doc__ or ""
        lines.append(f"  {name:10}{page.splitlines()[0]}")
    return "\n".join(
        [
            "usage: interprobe COMMAND ...",
            "",
            "Shows every copy, every slow layout and every wrong number where NumPy meets native"
            " code.",
            "",
            "commands:",
            *lines,
            "",
            "options:",
            "  -h, --help     this page; 'interprobe COMMAND --help' explains a command",
            "  -V, --version  the version",
            "",
            "Begin with 'interprobe run your_script.py', or 'interprobe run --all' for the built-in"
            " scenarios.",
        ]
    )
