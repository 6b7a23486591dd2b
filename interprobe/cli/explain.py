"""Explain a rule, or list all rules."""

from __future__ import annotations

import argparse
import io

from interprobe.cli.console.arguments import Parser, usage_error
from interprobe.cli.console.output import Output, add_look_options


class _Options(argparse.Namespace):
    rule: str | None


def main(arguments: list[str]) -> int:
    """Carry out ``interprobe explain``.

    Returns:
        The exit status.

    Raises:
        UsageError: There is no such rule.
    """
    parser = Parser(
        prog="interprobe explain", description="Explain a rule; without RULE, list all rules."
    )
    parser.add_argument("rule", nargs="?", metavar="RULE", help="IP102, or order-mismatch")
    add_look_options(parser)
    options = parser.parse_args(arguments, _Options())
    output = Output(options)

    from interprobe.analysis import UnknownRuleError, find_rule, manual_page

    if options.rule is None:
        output.write(_list_of_rules())
        return 0
    try:
        page = manual_page(find_rule(options.rule))
    except UnknownRuleError as error:
        raise usage_error(error) from None
    output.write(_rendered(page, output.width) if output.color else f"{page}\n")
    return 0


def _list_of_rules() -> str:
    from interprobe.analysis import rules, summary

    width = max(len(rule.NAME) for rule in rules()) + 2
    lines = [f"{rule.CODE}  {rule.NAME:{width}}{summary(rule)}" for rule in rules()]
    return "\n".join([*lines, "", "'interprobe explain IP102' explains one of them."]) + "\n"


def _rendered(markdown: str, width: int) -> str:
    from rich.markdown import Markdown

    from interprobe.terminal.report import page

    console = page(width, color=True)
    console.print(Markdown(markdown))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()
