"""Say what can be recorded on this machine, and what is not seen."""

from __future__ import annotations

import argparse
import io
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from interprobe._version import __version__
from interprobe.cli.console.arguments import Parser
from interprobe.cli.console.output import Output, add_look_options

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

    from interprobe.checkup import Checkup, ProbeState

_DESCRIPTION = """\
Try every probe on this Python and NumPy, have it count a known piece of work, and say which ones
work, what each cannot see, and whether a recording survives the death of its program and follows
it into other processes.

The exit status is 0 if everything works, and 1 if something is left out."""

_WITHOUT_LEDGER = (
    "runs are recorded in memory alone: a program that dies leaves no report, and its child "
    "processes are not recorded"
)
_WITHOUT_WATCHING = "a program that is killed, crashes or leaves through os._exit leaves no report"
_WITHOUT_CHILDREN = (
    "interpreters that a program starts (subprocess, multiprocessing's spawn and forkserver) are "
    "not recorded; forked children are"
)
_WITHOUT_GUARD = "--guard finds no access beside an array, nor of a freed one"
_WITHOUT_REPEATING = "what a fix gains is estimated from the times that were recorded"


class _Options(argparse.Namespace):
    pass


def main(arguments: list[str]) -> int:
    """Carry out ``interprobe doctor``.

    Returns:
        The exit status: 1 where something is left out.

    Raises:
        UsageError: It cannot be carried out as given.
    """
    parser = Parser(prog="interprobe doctor", description=_DESCRIPTION)
    add_look_options(parser)
    output = Output(parser.parse_args(arguments, _Options()))
    try:
        from interprobe.checkup import examine
    except ImportError as error:
        output.write(f"interprobe {__version__}: nothing can be recorded, because {error}.\n")
        return 1
    checkup = examine()
    output.write(_drawn(checkup, output))
    return 0 if checkup.works else 1


def _drawn(checkup: Checkup, output: Output) -> str:
    from interprobe.terminal.report import NARROWEST, page

    console = page(max(output.width, NARROWEST), color=output.color)
    for part in _parts(checkup):
        console.print(part)
    assert isinstance(console.file, io.StringIO)
    return "".join(f"{line.rstrip()}\n" for line in console.file.getvalue().splitlines())


def _parts(checkup: Checkup) -> Iterator[RenderableType]:
    from rich.text import Text

    from interprobe.terminal.gutter import Margin
    from interprobe.terminal.table import Section
    from interprobe.terminal.text import inline

    yield inline(
        f"interprobe {__version__}, Python {checkup.python}, NumPy {checkup.numpy}, "
        f"{checkup.platform}"
    )
    yield Text()
    yield Section("Probes", _probes(checkup))
    yield Text()
    yield Section("Runs", _runs(checkup))
    if checkup.blind_spots:
        yield Text()
        yield Text("Not seen besides:")
        for sentence in checkup.blind_spots:
            yield Margin("  - ", "    ", "", inline(sentence))
    yield Text()
    yield _verdict(checkup)


def _probes(checkup: Checkup) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    from interprobe.terminal.text import inline

    table = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(3):
        table.add_column(overflow="fold")
    for probe in checkup.probes:
        table.add_row(inline(probe.name, "bold"), _state(probe), Text())
        if probe.left_out:
            table.add_row(Text(), Text("because", style="dim"), inline(probe.left_out))
            table.add_row(Text(), Text("not seen", style="dim"), inline(_clause(probe.sees)))
            continue
        if probe.miscount:
            table.add_row(Text(), Text("because", style="dim"), inline(probe.miscount))
        table.add_row(Text(), Text("sees", style="dim"), inline(_clause(probe.sees)))
        table.add_row(Text(), Text("not seen", style="dim"), inline(_clause(probe.cannot_see)))
    return table


def _clause(sentence: str) -> str:
    """A sentence as it follows a heading: not capitalised, but for names like NumPy."""
    first = sentence.partition(" ")[0]
    begins_with_a_name = first == "Python" or not first[1:].islower()
    return sentence if begins_with_a_name else sentence[:1].lower() + sentence[1:]


def _state(probe: ProbeState) -> Text:
    from rich.text import Text

    if probe.left_out:
        return Text("left out", style="bold red")
    if probe.miscount:
        return Text("counts wrong", style="bold red")
    return Text("works", style="green")


def _runs(checkup: Checkup) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    from interprobe.terminal.text import inline

    rows = [
        (
            "ledger file",
            checkup.ledger_failure,
            f"in {checkup.ledger_folder}: a trace outlives the program that it is of",
            _WITHOUT_LEDGER,
        ),
        (
            "watching process",
            checkup.watching_failure,
            "writes the report of a program that cannot do so itself",
            _WITHOUT_WATCHING,
        ),
        (
            "started interpreters",
            checkup.children_failure,
            "interprobe.pth is installed: they are recorded, as forked children are",
            _WITHOUT_CHILDREN,
        ),
        (
            "guard mode",
            checkup.guard_failure,
            f"--guard puts up to {checkup.guarded_at_most:,} blocks of array data at a time on"
            " pages of their own",
            _WITHOUT_GUARD,
        ),
        (
            "repeated calls",
            checkup.repeating_failure,
            "--what-if measures in a sandboxed child what better arrays would gain",
            _WITHOUT_REPEATING,
        ),
    ]
    table = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(3):
        table.add_column(overflow="fold")
    for name, failure, means, without in rows:
        state = Text("fails", style="bold red") if failure else Text("works", style="green")
        said = f"{failure}; {without}" if failure else means
        table.add_row(inline(name, "bold"), state, inline(said))
    switch = os.environ.get("INTERPROBE", "")
    if switch.strip().lower() in ("0", "false", "no", "off"):
        said = f"INTERPROBE={switch} switches interprobe.profile and interprobe.record off"
        table.add_row(Text("recording from inside", style="bold"), Text("off"), inline(said))
    return table


def _verdict(checkup: Checkup) -> Text:
    from rich.text import Text

    broken = [probe.name for probe in checkup.probes if not probe.works]
    if checkup.works:
        count = len(checkup.probes)
        return Text(f"All {count} probes work, and known work was counted exactly.", style="green")
    if not broken:
        return Text("All probes work; runs are recorded with the gaps named above.", style="bold")
    verb = "does" if len(broken) == 1 else "do"
    return Text(
        f"{len(broken)} of {len(checkup.probes)} probes {verb} not work here: reports lack what is "
        "named above.",
        style="bold red",
    )
