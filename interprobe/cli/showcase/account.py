"""Tells what a scenario showed: both sides, what the cure gained, and the table of all."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from interprobe.cli.console.output import Output
from interprobe.cli.showcase.experiment import Outcome, Side
from interprobe.renderers import renderers
from interprobe.terminal import verdict
from interprobe.terminal.ladder import Ladder
from interprobe.terminal.places import Places
from interprobe.terminal.report import NARROWEST, page
from interprobe.terminal.table import Section, report_table
from interprobe.terminal.units import byte_count, duration
from interprobe.traffic import ladder


def both_sides(outcome: Outcome, output: Output) -> str:
    """The report of the pitfall, the verdict on the cure, and what it gained."""
    report = renderers()["terminal"].render(
        outcome.bad.trace, width=output.width, color=output.color
    )
    title = Text(f"{outcome.name}: {outcome.scenario.TITLE} ({outcome.size} MiB)", style="bold")
    return "\n".join(
        [
            _drawn(output, title, Text(), Section("The pitfall, bad()", Text())).rstrip("\n"),
            report,
            _drawn(
                output,
                Section("The cure, good()", verdict.draw(outcome.good.trace)),
                Text(),
                *_ladder(outcome),
                Section("What the cure gained", _gain(outcome)),
            ),
        ]
    )


def one_line(outcome: Outcome, output: Output) -> str:
    """A scenario in one line, while others are still to run."""
    if outcome.holds:
        state = Text("as expected", style="green")
    else:
        state = Text("not as expected", style="bold red")
    name = f"{outcome.name:26}{_codes(outcome.found):14}"
    return _drawn(output, Text.assemble(name, state))


def table_of_all(outcomes: Sequence[Outcome], seconds: float, output: Output) -> str:
    """The table of all scenarios, and in words what does not hold."""
    headings = ["found", "copied", "time", "cured", "faster", "numbers"]
    table = report_table(["scenario"], headings)
    for outcome in outcomes:
        expected = "" if outcome.as_expected else f", not {_codes(outcome.scenario.EXPECTED)}"
        table.add_row(
            outcome.name,
            Text(_codes(outcome.found) + expected, style="" if outcome.as_expected else "red"),
            byte_count(outcome.bad.trace.bytes_copied),
            _best(outcome.bad),
            _best(outcome.good),
            _speedup(outcome),
            "same" if outcome.numbers_agree else "wrong",
        )
    failed = [line for outcome in outcomes for line in _failures(outcome)]
    held = sum(outcome.holds for outcome in outcomes)
    ending = f"{held} of {len(outcomes)} scenarios show what they say, in {duration(seconds)}."
    parts: list[RenderableType] = [Text(), Section("All scenarios", table), Text()]
    parts += [Text(line, style="bold red") for line in failed]
    return _drawn(output, *parts, Text(ending))


def _ladder(outcome: Outcome) -> list[RenderableType]:
    """Both sides' calls beside the machine, where any took long enough."""
    sides = {"bad": outcome.bad.trace, "good": outcome.good.trace}
    if not any(ladder(trace) for trace in sides.values()):
        return []
    folder = os.path.dirname(outcome.scenario.__file__)
    return [Ladder(sides, Places.under(folder)), Text()]


def _gain(outcome: Outcome) -> RenderableType:
    copied = (
        f"{byte_count(outcome.bad.trace.bytes_copied)} copied before, "
        f"{byte_count(outcome.good.trace.bytes_copied)} after."
    )
    lines = [copied, _times_sentence(outcome), _numbers_sentence(outcome)]
    return Group(
        *(Text(line) for line in lines),
        *(Text(line, style="bold red") for line in _failures(outcome)),
    )


def _times_sentence(outcome: Outcome) -> str:
    rounds = len(outcome.bad.times)
    times = f"{_best(outcome.bad)} before, {_best(outcome.good)} after"
    if not outcome.numbers_agree:
        return f"{times}; the two do not compute the same, so that is no speedup."
    low, high = outcome.speedup_range
    spread = f"; {_times(low)} to {_times(high)} among them" if rounds > 1 else ""
    return (
        f"{_times(outcome.speedup)} as fast: {times} (best of {rounds} rounds without a recorder"
        f"{spread})."
    )


def _numbers_sentence(outcome: Outcome) -> str:
    if outcome.numbers_agree:
        return "Both compute the same numbers, to the last bit."
    pairs = zip(outcome.bad.numbers, outcome.good.numbers, strict=False)
    bad, good = next(pair for pair in pairs if pair[0] != pair[1])
    return f"The pitfall computed {bad!r} where the right number is {good!r}."


def _failures(outcome: Outcome) -> list[str]:
    """A sentence for everything that is not as the scenario declares."""
    expected = _codes(sorted(outcome.scenario.EXPECTED))
    lines = []
    if _codes(outcome.found) != expected:
        lines.append(f"{outcome.name}: expected {expected}, found {_codes(outcome.found)}.")
    if outcome.good.trace.findings:
        codes = _codes(sorted({finding.rule for finding in outcome.good.trace.findings}))
        lines.append(f"{outcome.name}: the cure has findings of its own, {codes}.")
    if outcome.numbers_agree is not outcome.scenario.SAME_NUMBERS:
        agree = "agree" if outcome.numbers_agree else "differ"
        lines.append(f"{outcome.name}: the numbers of both sides {agree}, and should not.")
    return lines


def _best(side: Side) -> str:
    return duration(min(side.times))


def _codes(codes: Sequence[str]) -> str:
    return ", ".join(codes) or "none"


def _speedup(outcome: Outcome) -> str:
    return _times(outcome.speedup) if outcome.numbers_agree else "-"


def _times(speedup: float) -> str:
    return f"{speedup:.{1 if speedup < 100 else 0}f}x"


def _drawn(output: Output, *parts: RenderableType) -> str:
    console = page(max(output.width, NARROWEST), color=output.color)
    for part in parts:
        console.print(part)
    assert isinstance(console.file, io.StringIO)
    return "".join(f"{line.rstrip()}\n" for line in console.file.getvalue().splitlines())
