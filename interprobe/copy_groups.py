"""Gathers the copies that are one diagnosis: same place, same mechanism, same library."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from interprobe.expressions import ArrayExpression, converted_array
from interprobe.findings import Cost, Finding, Fix, RecordIndex, Site
from interprobe.layout import Layout
from interprobe.shares import measured_cost, severity_of_cost
from interprobe.trace import Copy, Trace
from interprobe.wording import (
    bytes_text,
    counted,
    file_name,
    layout_text,
    listed,
    quoted,
    requester_text,
    seconds_text,
    short_mechanism,
)
from interprobe.working_copies import are_working_copies

_MOST_ORIGINS = 3
"""How many different kinds of source arrays the evidence names."""

_WORKED_IN = (
    "The program writes into what is made here: if the original is to keep its numbers, go on with "
    "a copy of it, made by its method copy()."
)


@dataclass(frozen=True)
class CopyGroup:
    """Copies of one place, mechanism and native library, all of the kind that a rule asked for.

    Attributes:
        trace: The run.
        indices: Where the records stand in ``trace.copies``, ascending.
        lead: The record that cost most; it speaks for the group where one array must be named.
        source: The layout of the array that the lead was made from.
        array: The user's expression of the array that was copied, where the source tells it.
    """

    trace: Trace
    indices: list[int]
    lead: Copy
    source: Layout
    array: ArrayExpression | None

    @property
    def copies(self) -> list[Copy]:
        """The records, in the order of the trace."""
        return [self.trace.copies[index] for index in self.indices]

    @property
    def count(self) -> int:
        """How many copies were made."""
        return sum(copy.count for copy in self.copies)

    @property
    def repeated(self) -> int:
        """How many of them read the same buffer, unchanged as far as was sampled, once more."""
        return sum(copy.repeated for copy in self.copies)

    @property
    def nbytes(self) -> int:
        """Bytes written by all copies."""
        return sum(copy.bytes for copy in self.copies)

    @property
    def seconds(self) -> float:
        """Seconds spent in all copies."""
        return sum(copy.seconds for copy in self.copies)

    @property
    def array_text(self) -> str:
        """The array in a sentence: its expression, or where it was met."""
        if self.array is not None:
            return quoted(self.array.text)
        expression = self.lead.user_site.expression
        if not expression:
            return "the array"
        relation = "inside" if self.lead.site != self.lead.user_site else "given to"
        return f"an array {relation} {quoted(expression)}"

    @property
    def amount_text(self) -> str:
        """How much NumPy wrote, to follow a verb: ``all 80.0 MB``, ``all of it (80.0 MB)``."""
        size = bytes_text(self.lead.result.nbytes)
        if self.count == 1:
            return f"all {size}"
        return f"all of it (up to {size})" if self._sizes_differ else f"all of it ({size})"

    @property
    def times_text(self) -> str:
        """How often, to end a sentence: nothing for once, ``, 100 times``."""
        return "" if self.count == 1 else f", {self.count:,} times"

    @property
    def evidence(self) -> str:
        """The measured facts: how many copies, how large, how long, from what to what, for whom."""
        return f"{self._totals_text()}; {self.circumstances}"

    @property
    def circumstances(self) -> str:
        """The evidence without the figures: from what layout to what, and who asked."""
        parts = [f"{layout_text(self.source)} -> {layout_text(self.lead.result)}"]
        others = self._other_origins()
        if others:
            parts.append(f"also from {listed(others)}")
        parts.append(self._requester_text())
        return "; ".join(parts)

    def cost(self) -> Cost:
        """What the copies took, as a share of the processes in which they were made."""
        processes = [copy.process for copy in self.copies]
        return measured_cost(self.trace, processes, self.seconds, self.nbytes)

    @property
    def _sizes_differ(self) -> bool:
        smallest = min(copy.nbytes_min for copy in self.copies)
        return smallest != max(copy.nbytes_max for copy in self.copies)

    def _totals_text(self) -> str:
        """``3 copies of 80.0 MB, 240 MB in 120 ms``."""
        smallest = min(copy.nbytes_min for copy in self.copies)
        largest = max(copy.nbytes_max for copy in self.copies)
        sizes = bytes_text(largest)
        if smallest != largest:
            sizes = f"{bytes_text(smallest)} to {sizes}"
        total = "" if self.count == 1 else f", {bytes_text(self.nbytes)} in all"
        copies = counted(self.count, "copy", "copies")
        return f"{copies} of {sizes}{total}, in {seconds_text(self.seconds)}"

    def _other_origins(self) -> list[str]:
        """Kinds of source arrays besides the lead's own, such as ``int32 in Fortran order``."""
        lead = self.source
        kinds = {
            f"{copy.source.dtype} ({copy.source.order})"
            for copy in self.copies
            if copy.source is not None
            and (copy.source.dtype, copy.source.order) != (lead.dtype, lead.order)
        }
        named = sorted(kinds)
        if len(named) > _MOST_ORIGINS:
            rest = len(named) - _MOST_ORIGINS
            named = [*named[:_MOST_ORIGINS], counted(rest, "other kind", "other kinds")]
        return named

    def _requester_text(self) -> str:
        """Who asked, with the line of its C source where that is known."""
        native = self.lead.native
        if native is None:
            return f"asked for by {short_mechanism(self.lead.mechanism)}"
        place = f", {file_name(native.file)}:{native.line}" if native.file else ""
        symbol = f", in {native.symbol}" if native.symbol else ""
        return f"asked for by {requester_text(self.lead)}{symbol}{place}"


def group_copies(trace: Trace, applies: Callable[[Copy], bool]) -> Iterator[CopyGroup]:
    """The records that a rule applies to, gathered by user's place, mechanism and library.

    Copies of sequences, which have no layout that could have met a requirement, are left out.

    Args:
        trace: The run.
        applies: Whether the rule is about a record.

    Yields:
        Groups, in the order of their first record.
    """
    groups: dict[tuple[Site, str, str | None], list[int]] = {}
    for index, copy in enumerate(trace.copies):
        if copy.source is not None and applies(copy):
            library = copy.native.library if copy.native is not None else None
            groups.setdefault((copy.user_site, copy.mechanism, library), []).append(index)
    for indices in groups.values():
        records = [trace.copies[index] for index in indices]
        lead = max(records, key=lambda copy: (copy.seconds, copy.bytes))
        if lead.source is not None:
            yield CopyGroup(trace, indices, lead, lead.source, converted_array(lead))


def copy_finding(
    group: CopyGroup,
    code: str,
    name: str,
    *,
    cause: str,
    fix: Fix,
    cost: Cost | None = None,
    evidence: str | None = None,
) -> Finding:
    """A finding about a group of copies, as severe as the share of time that they took.

    Args:
        group: The copies.
        code: The rule's code, ``IP102``.
        name: The rule's name, ``order-mismatch``.
        cause: Why the copies were made, in plain words.
        fix: What to write instead.
        cost: What the cause cost, where that is less than all of the copies.
        evidence: The measured facts, where they are more than the group's own.
    """
    lead = group.lead
    cost = group.cost() if cost is None else cost
    if are_working_copies(group.copies):
        fix = Fix(text=f"{fix.text} {_WORKED_IN}", code=fix.code)
    return Finding(
        rule=code,
        name=name,
        severity=severity_of_cost(cost),
        user_site=lead.user_site,
        site=lead.site,
        subject=" ".join(lead.user_site.expression.split()) or short_mechanism(lead.mechanism),
        cause=cause,
        evidence=group.evidence if evidence is None else evidence,
        records=[RecordIndex(list="copies", index=index) for index in group.indices],
        cost=cost,
        fix=fix,
    )
