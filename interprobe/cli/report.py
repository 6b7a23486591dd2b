"""Draw a saved trace again."""

from __future__ import annotations

import argparse

from interprobe.cli.console import formats
from interprobe.cli.console.arguments import Parser, usage_error
from interprobe.cli.console.output import Output, add_options


class _Options(argparse.Namespace):
    trace: str
    format: str


def main(arguments: list[str]) -> int:
    """Carry out ``interprobe report``.

    Returns:
        The exit status.

    Raises:
        UsageError: The trace cannot be read, or the report not be written.
    """
    parser = Parser(prog="interprobe report", description="Draw a saved trace again.")
    parser.add_argument("trace", metavar="TRACE", help="a file that 'run --json' has saved")
    add_options(parser)
    options = parser.parse_args(arguments, _Options())
    formats.check(options.format)
    output = Output(options)

    from interprobe.analysis import analyse
    from interprobe.trace import TraceError, load

    try:
        trace = load(options.trace)
    except TraceError as error:
        raise usage_error(error) from None
    # The rules of today look at the records of that day.
    output.write(formats.drawn(analyse(trace), options.format, output))
    return 0
