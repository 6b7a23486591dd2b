"""Print the JSON Schema of a trace file."""

from __future__ import annotations

import sys

from interprobe.cli.console.arguments import Parser
from interprobe.cli.console.output import put


def main(arguments: list[str]) -> int:
    """Carry out ``interprobe schema``.

    Returns:
        The exit status.

    Raises:
        UsageError: It cannot be carried out as given.
    """
    Parser(
        prog="interprobe schema",
        description="Print the JSON Schema (draft 2020-12) of the file that 'run --json' writes.",
    ).parse_args(arguments)

    import json

    from interprobe.trace import json_schema

    put(sys.stdout, json.dumps(json_schema(), indent=2) + "\n")
    return 0
