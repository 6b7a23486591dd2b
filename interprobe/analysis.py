"""Finds the rules, runs them over a trace, and hands out their manual pages."""

from __future__ import annotations

import difflib
import functools
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from typing import Protocol, cast

import msgspec

import interprobe.rules
from interprobe.findings import Finding, Severity
from interprobe.refused_arguments import never_began
from interprobe.savings import Savings, saved_seconds
from interprobe.trace import Trace

_RecordsKey = tuple[tuple[str, int], ...]


class Rule(Protocol):
    """A module of ``interprobe.rules``; see there for what each name means."""

    CODE: str
    NAME: str
    __doc__: str | None

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield what the rule has to say about a trace."""


class UnknownRuleError(LookupError):
    """There is no rule of that code or name; the message is one sentence for the user."""


@functools.cache
def _discovered() -> tuple[Rule, ...]:
    """All rules, by code; importing them once is enough for a process."""
    package = interprobe.rules
    modules = [
        importlib.import_module(f"{package.__name__}.{module.name}")
        for module in pkgutil.iter_modules(package.__path__)
    ]
    return tuple(sorted((cast(Rule, module) for module in modules), key=lambda rule: rule.CODE))


def rules() -> list[Rule]:
    """Every rule there is, sorted by code."""
    return list(_discovered())


def find_rule(name: str) -> Rule:
    """The rule of a code (``IP102``) or a name (``order-mismatch``), in any case.

    Raises:
        UnknownRuleError: There is none; the message names the nearest one.
    """
    wanted = name.strip().lower()
    known = {key.lower(): rule for rule in rules() for key in (rule.CODE, rule.NAME)}
    if wanted in known:
        return known[wanted]
    nearest = difflib.get_close_matches(wanted, known, n=1, cutoff=0.0)
    rule = known[nearest[0]]
    raise UnknownRuleError(
        f"there is no rule {name!r}: did you mean {rule.CODE} {rule.NAME}? "
        "'interprobe explain' lists all rules"
    )


def manual_page(rule: Rule) -> str:
    """A rule's manual page, as Markdown without indentation."""
    return inspect.cleandoc(rule.__doc__ or "")


def summary(rule: Rule) -> str:
    """A rule in one sentence: the first line of its manual page, without code and name."""
    first_line = manual_page(rule).partition("\n")[0]
    return first_line.removeprefix(f"{rule.CODE} {rule.NAME}:").strip()


def analyse(trace: Trace) -> Trace:
    """Run every rule over a trace.

    Args:
        trace: A sealed trace; findings that it already has are made anew.

    Returns:
        The same trace with its findings, each with what its fix would gain, in the order of a
        report: errors first, then warnings, then notes; among these by the seconds that would be
        saved, or that they cost where that is not known; findings about the same records next to
        each other.
    """
    found: list[tuple[Finding, bool]] = []
    begun = _without_what_never_began(trace)
    savings = Savings(trace)
    for rule in rules():
        fix_first = bool(getattr(rule, "FIX_FIRST", False))
        seen = trace if getattr(rule, "EXPLAINS_REFUSALS", False) else begun
        changes = getattr(rule, "CHANGES", None)
        found.extend((savings.added(finding, changes), fix_first) for finding in rule.check(seen))
    return msgspec.structs.replace(trace, findings=_in_report_order(found))


def _without_what_never_began(trace: Trace) -> Trace:
    """The trace as it concerns what C did: calls that were all refused handed nothing to it.

    The records stay in their places, so that findings point at the right ones.
    """
    calls = [
        msgspec.structs.replace(call, arguments=[], facts=[], returns=None, prototype=None)
        if never_began(call)
        else call
        for call in trace.calls
    ]
    return msgspec.structs.replace(trace, calls=calls)


def _in_report_order(found: list[tuple[Finding, bool]]) -> list[Finding]:
    """Findings as a report shows them; the flag says whose fix leads among equal records."""
    shares: dict[_RecordsKey, float] = {}
    gains: dict[_RecordsKey, tuple[int, float]] = {}
    for finding, _ in found:
        records = _records_key(finding)
        shares[records] = max(shares.get(records, 0.0), finding.cost.share)
        # The worst severity and the most seconds among findings that are shown as one.
        rank, seconds = gains.get(records, (finding.severity.rank, 0.0))
        gains[records] = (min(rank, finding.severity.rank), max(seconds, saved_seconds(finding)))

    def position(item: tuple[Finding, bool]) -> tuple[bool, int, float, _RecordsKey, bool, str]:
        finding, fix_first = item
        records = _records_key(finding)
        # A fix leads only where it removes most of what the records cost.
        leads = fix_first and finding.cost.share * 2 >= shares[records]
        is_error = finding.severity is Severity.ERROR
        rank, seconds = gains[records]
        return (not is_error, rank, -seconds, records, not leads, finding.rule)

    return [finding for finding, _ in sorted(found, key=position)]


def _records_key(finding: Finding) -> _RecordsKey:
    """The records that a finding is about, as a key."""
    return tuple((record.list, record.index) for record in finding.records)
