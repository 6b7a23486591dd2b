"""List the built-in scenarios."""

from __future__ import annotations

import argparse
import sys

from interprobe.cli.console.arguments import Parser
from interprobe.cli.console.output import put


class _Options(argparse.Namespace):
    verbose: bool


def main(arguments: list[str]) -> int:
    """Carry out ``interprobe list``.

    Returns:
        The exit status.

    Raises:
        UsageError: It cannot be carried out as given.
    """
    parser = Parser(
        prog="interprobe list",
        description="List the built-in scenarios: each is a pitfall and its cure.",
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="explain each of them")
    options = parser.parse_args(arguments, _Options())

    from interprobe.cli.showcase import catalogue

    lines = []
    for name in catalogue.names():
        scenario = catalogue.load(name)
        lines.append(f"{name:24}{scenario.TITLE}")
        if options.verbose:
            text = catalogue.explanation(scenario)
            lines += [f"    {line}".rstrip() for line in text.splitlines()]
            lines.append("")
    put(sys.stdout, "\n".join(lines).rstrip("\n") + "\n")
    return 0
