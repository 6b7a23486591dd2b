"""Draws one block of findings: the place underlined, why, the layouts, the cost, the cure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from rich.console import Group
from rich.constrain import Constrain
from rich.padding import Padding
from rich.text import Text

from interprobe.findings import Finding, Severity
from interprobe.terminal.code import CodeText
from interprobe.terminal.excerpt import Excerpt, has_source
from interprobe.terminal.gain import gain_words
from interprobe.terminal.gutter import Gutter, Margin, labelled
from interprobe.terminal.layouts import argument_table, change_table, left_out
from interprobe.terminal.places import library_name, native_function
from interprobe.terminal.text import PROSE_WIDTH, inline, one_line, prose
from interprobe.terminal.units import byte_count, duration, share
from interprobe.wording import counted, listed

if TYPE_CHECKING:
    from rich.console import RenderableType

    from interprobe.findings import Fix, Site
    from interprobe.terminal.blocks import Block
    from interprobe.terminal.places import Places
    from interprobe.trace import Copy

SEVERITY_STYLES = {
    Severity.ERROR: "bold red",
    Severity.WARNING: "bold yellow",
    Severity.NOTE: "bold cyan",
}


def draw(block: Block, places: Places) -> Group:
    """The whole block.

    Args:
        block: Findings on the same records.
        places: Shows the paths of the trace.
    """
    gutter = Gutter([site.line for site in block.user_sites])
    style = SEVERITY_STYLES[block.severity]
    heading = Text(str(block.severity), style=style, overflow="fold")
    heading.append(f" {one_line(block.heading)}", style="bold")
    rows: list[RenderableType] = [heading]
    for index, site in enumerate(block.user_sites):
        rows += [
            gutter.place(places.place_in(site), first=index == 0),
            gutter.blank(),
            gutter.source(site.line, Excerpt(site, style)),
            gutter.blank(),
        ]
    for group in filter(None, _fields(block, places)):
        rows += [gutter.text(Constrain(field, PROSE_WIDTH)) for field in group]
        rows.append(gutter.blank())
    return Group(*rows[:-1])


def _fields(block: Block, places: Places) -> Iterator[list[Margin]]:
    """The labelled parts of a block, those that have something to say, in groups set apart."""
    yield list(_reasons(block))
    layout = _layout(block)
    yield [] if layout is None else [labelled("layout", layout)]
    yield list(_facts(block, places, proven=layout is not None))
    yield list(_cures(block))


def _reasons(block: Block) -> Iterator[Margin]:
    """What the findings are about, and why."""
    subjects = [finding.subject for finding in block.findings if not _is_in_source(finding)]
    if any(subjects):
        yield labelled("about", inline(", ".join(dict.fromkeys(filter(None, subjects)))))
    causes = _told(block.findings, lambda finding: finding.cause)
    if causes:
        yield labelled("why", Group(*map(prose, causes)))


def _facts(block: Block, places: Places, *, proven: bool) -> Iterator[Margin]:
    """What was measured: place and cost; the evidence too, unless a table says it already."""
    evidence = _told(block.findings, lambda finding: finding.evidence)
    if evidence and not proven:
        yield labelled("seen", Group(*map(prose, evidence)))
    yield from _happened(block, places)
    cost = _cost_words(block)
    if cost:
        yield labelled("cost", Text(cost, overflow="fold"))
    elif block.calls and proven:
        yield labelled("seen", Text(_calls_words(block), overflow="fold"))


def _cures(block: Block) -> Iterator[Margin]:
    """What to do, and what it gains."""
    fixes: dict[Fix, list[str]] = {}
    for finding in block.findings:
        if finding.fix.text.strip() or finding.fix.code.strip():
            fixes.setdefault(finding.fix, []).append(finding.rule)
    for fix, rules in fixes.items():
        codes = ", ".join(dict.fromkeys(rules)) if len(fixes) > 1 else ""
        yield labelled("fix", _fix(fix, codes))
    gains: dict[str, list[str]] = {}
    for finding in block.findings:
        if finding.saving is not None:
            words = gain_words(finding.saving, block.run_seconds)
            gains.setdefault(words, []).append(finding.rule)
    for words, rules in gains.items():
        codes = f"{', '.join(dict.fromkeys(rules))}: " if len(gains) > 1 else ""
        yield labelled("saving", prose(f"{codes}{words}"))


def _told(findings: Sequence[Finding], tell: Callable[[Finding], str]) -> list[str]:
    """What each finding says, each thing once; with the code where several rules speak."""
    several = len({finding.rule for finding in findings}) > 1
    said: dict[str, list[str]] = {}
    for finding in findings:
        text = tell(finding).strip()
        if text:
            said.setdefault(text, []).append(finding.rule)
    if not several or len(said) == 1:
        return list(said)
    return [f"{', '.join(dict.fromkeys(rules))}: {text}" for text, rules in said.items()]


def _is_in_source(finding: Finding) -> bool:
    """Whether the shown line names the subject already."""
    site = finding.user_site
    return one_line(finding.subject) in one_line(f"{site.source}\n{site.expression}")


def _layout(block: Block) -> RenderableType | None:
    """The layouts of the largest copy, or of the arguments that the callee was given."""
    if block.copies:
        copies = sorted(block.copies, key=lambda copy: copy.bytes, reverse=True)
        note = left_out(copies)
        table = change_table(copies[0])
        return Group(table, inline(note, "dim")) if note else table
    if block.calls:
        return argument_table(max(block.calls, key=lambda call: call.count).arguments)
    return None


def _happened(block: Block, places: Places) -> Iterator[Margin]:
    """Where and by whom the copies were made, where the user's own line does not show it."""
    seen: set[tuple[str, str, int]] = set()
    for copy in block.copies:
        elsewhere = (copy.site.file, copy.site.line) != (copy.user_site.file, copy.user_site.line)
        requester = _requester(copy)
        if not elsewhere and not requester and _names(copy.user_site, copy.mechanism):
            continue
        key = (requester or copy.mechanism, copy.site.file, copy.site.line)
        if key in seen:
            continue
        seen.add(key)
        made = f"copied by {one_line(copy.mechanism)}"
        words = Text(f"{made}, asked for by {requester}" if requester else made, overflow="fold")
        parts: list[RenderableType] = [words]
        if elsewhere:
            parts.append(places.place_in(copy.site))
            if has_source(copy.site):
                parts.append(Padding(Excerpt(copy.site, "dim"), (0, 0, 0, 4), expand=False))
        yield labelled("where", Group(*parts))
    if not block.copies:
        finding = block.findings[0]
        if (finding.site.file, finding.site.line) != (
            finding.user_site.file,
            finding.user_site.line,
        ):
            yield labelled("where", places.place_in(finding.site))


def _requester(copy: Copy) -> str:
    """The native code that asked for a copy: library, function, and line where it is known."""
    if copy.native is None:
        return ""
    words = library_name(copy.native.library)
    if copy.native.symbol:
        words += f", function {native_function(copy.native.symbol)}"
    if copy.native.file:
        line = f":{copy.native.line}" if copy.native.line else ""
        words += f" ({one_line(copy.native.file)}{line})"
    return words


def _names(site: Site, mechanism: str) -> bool:
    """Whether the source at ``site`` names ``mechanism``, as ``np.asarray(x)`` does."""
    return mechanism.rpartition(".")[2] in (site.expression or site.source)


def _cost_words(block: Block) -> str:
    """Bytes, copies, time and share in one sentence; "" if nothing of it was measured."""
    cost = block.cost
    parts = []
    copies = counted(sum(copy.count for copy in block.copies), "copy", "copies")
    written = sum(copy.bytes for copy in block.copies)
    if cost.bytes:
        exact = f" ({cost.bytes:,} bytes)" if abs(cost.bytes) >= 1000 else ""
        # A rule may answer for a part of the copies only, such as those made in vain.
        whole = f" of the {byte_count(written)}" if block.copies and written != cost.bytes else ""
        times = f" in {copies}" if block.copies else ""
        parts.append(f"{byte_count(cost.bytes)}{exact}{whole} written{times}")
    elif block.copies:
        parts.append(copies)
    if block.calls and not block.copies and cost.seconds:
        parts.append(_calls_words(block))
    if cost.seconds:
        parts.append(duration(cost.seconds))
    if cost.share > 0:
        parts.append(f"{share(cost.share)} of the time")
    return ", ".join(parts)


def _calls_words(block: Block) -> str:
    """How many calls, and of what."""
    functions = dict.fromkeys(
        f"{one_line(call.function)} ({library_name(call.library)})" for call in block.calls
    )
    count = counted(sum(call.count for call in block.calls), "call", "calls")
    return f"{count} of {listed(functions)}"


def _fix(fix: Fix, codes: str) -> Group:
    """The sentence, after the codes that it cures if they are given, and the code below it."""
    parts: list[RenderableType] = []
    if codes or fix.text.strip():
        parts.append(prose(f"{codes}: {fix.text}" if codes else fix.text))
    if fix.code.strip():
        parts.append(Padding(CodeText(fix.code), (0, 0, 0, 4), expand=False))
    return Group(*parts)
