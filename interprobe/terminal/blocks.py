"""Gathers findings that speak of the same records, so that a report tells their cost once."""

from __future__ import annotations

from dataclasses import dataclass

from interprobe.findings import Cost, Finding, Saving, Severity, Site
from interprobe.trace import Call, Copy, Trace


@dataclass(frozen=True)
class Block:
    """Findings on the same records, in the order of the report, with those records resolved."""

    findings: tuple[Finding, ...]
    copies: tuple[Copy, ...]
    calls: tuple[Call, ...]
    run_seconds: float = 0.0
    """Wall time of the run; 0 where nothing ran."""

    @property
    def severity(self) -> Severity:
        """The worst severity among the findings."""
        return min((finding.severity for finding in self.findings), key=lambda one: one.rank)

    @property
    def cost(self) -> Cost:
        """The cost, which every finding of the block repeats."""
        return max((finding.cost for finding in self.findings), key=lambda cost: cost.seconds)

    @property
    def saving(self) -> Saving | None:
        """What the best of the fixes gains; None where no finding says."""
        return max(
            (finding.saving for finding in self.findings if finding.saving is not None),
            key=lambda saving: saving.seconds or 0.0,
            default=None,
        )

    @property
    def heading(self) -> str:
        """Codes and names: ``IP102 order-mismatch + IP103 dtype-conversion``."""
        names = dict.fromkeys(f"{finding.rule} {finding.name}" for finding in self.findings)
        return " + ".join(names)

    @property
    def user_sites(self) -> tuple[Site, ...]:
        """The different places in the user's own code."""
        return tuple(dict.fromkeys(finding.user_site for finding in self.findings))


def blocks(trace: Trace) -> list[Block]:
    """The findings of a trace as blocks, in the order of the first finding of each.

    A finding that names no record shares none, and makes a block of its own.
    """
    groups: dict[object, list[Finding]] = {}
    for index, finding in enumerate(trace.findings):
        key: object = tuple((record.list, record.index) for record in finding.records)
        groups.setdefault(key or index, []).append(finding)
    return [_block(trace, tuple(findings)) for findings in groups.values()]


def found_copies(trace: Trace) -> set[int]:
    """Indices of the copies that some finding names."""
    return {
        record.index
        for finding in trace.findings
        for record in finding.records
        if record.list == "copies"
    }


def _block(trace: Trace, findings: tuple[Finding, ...]) -> Block:
    """Resolve the records; one that the trace does not have is passed over."""
    copies, calls = [], []
    for record in findings[0].records:
        if record.list == "copies" and 0 <= record.index < len(trace.copies):
            copies.append(trace.copies[record.index])
        elif record.list == "calls" and 0 <= record.index < len(trace.calls):
            calls.append(trace.calls[record.index])
    return Block(findings, tuple(copies), tuple(calls), trace.meta.seconds)
