"""What a rule says about a trace: a finding, its severity, cause, cost, fix and saving."""

from __future__ import annotations

import enum
from typing import Literal

import msgspec


class Severity(enum.StrEnum):
    """How much a finding matters; the order of the members is the order of a report."""

    ERROR = "error"
    """Wrong numbers or unsafe memory: correctness outranks speed."""
    WARNING = "warning"
    """Costs a share of the run that is worth acting on."""
    NOTE = "note"
    """True and measured, but removing it would gain little."""

    @property
    def rank(self) -> int:
        """Position in a report: 0 comes first."""
        return list(Severity).index(self)


class Site(msgspec.Struct, frozen=True):
    """A place in source code, down to the columns of one expression.

    Columns count UTF-8 bytes from 0, as CPython's position table does; ``None`` where CPython
    recorded none (``python -X no_debug_ranges``).
    """

    file: str
    line: int
    column: int | None = None
    end_line: int | None = None
    end_column: int | None = None
    function: str = ""
    expression: str = ""
    """The source text of the place, or "" where the source could not be read."""
    source: str = ""
    """The whole first line, unstripped, kept so that a saved trace can be drawn elsewhere."""


class Cost(msgspec.Struct, frozen=True):
    """What a finding cost in the recorded run."""

    seconds: float
    bytes: int
    share: float
    """Share of the wall time of the process that it happened in, 0 to 1."""


class Fix(msgspec.Struct, frozen=True):
    """How to remove the cause: a sentence, and code to write instead."""

    text: str
    code: str = ""


Verdict = Literal["worth it", "undecided", "not worth it"]
"""Whether a fix is recommended, by what it gains where it is applied."""


class Saving(msgspec.Struct, frozen=True):
    """What the fix gains, at the crossing and for the program, and how that is known.

    Attributes:
        speedup: How many times as fast the crossing becomes, conversions in its arguments included;
            None where it is not known, or where there is no crossing.
        low: Lower end of the interval that was measured for ``speedup``.
        high: Its upper end.
        seconds: What the program saves, over all calls.
        cache: The state of the caches that the measurement holds for: ``warm``, ``evicted``, or
            ``either``.
        method: ``measured``: the call was repeated with the change. ``estimated``: from the times
            that the recording booked. ``not measured``: neither could be.
        reason: Why it is no more than that, or what else one must know of the measurement.
        program_seconds: Wall time of the processes that ``seconds`` are saved in, added up, without
            ``probe_seconds``.
        program_speedup: How many times as fast they become.
        program_low: Lower end of its interval.
        program_high: Its upper end.
        probe_seconds: What interprobe's own work around short calls took in these processes.
        verdict: ``not worth it``: it gains under 5 %, or the interval holds 1. ``undecided``: up to
            1.2 times. None where neither speedup is known.
    """

    speedup: float | None = None
    low: float | None = None
    high: float | None = None
    seconds: float | None = None
    cache: str | None = None
    method: Literal["measured", "estimated", "not measured"] = "not measured"
    reason: str | None = None
    program_seconds: float | None = None
    program_speedup: float | None = None
    program_low: float | None = None
    program_high: float | None = None
    probe_seconds: float = 0.0
    verdict: Verdict | None = None


class RecordIndex(msgspec.Struct, frozen=True):
    """Points at one record of the trace, so that a finding can be checked."""

    list: Literal[
        "copies",
        "calls",
        "borrows",
        "temporaries",
        "violations",
        "operations",
        "allocations",
    ]
    index: int


class Finding(msgspec.Struct, frozen=True):
    """One diagnosis: what happened, where, why, what it cost and what to do."""

    rule: str
    name: str
    severity: Severity
    user_site: Site
    site: Site
    subject: str
    """What the finding is about, as the program writes it: an expression or a function's name."""
    cause: str
    """Why it happened, in plain words; states "unknown" where it is not known."""
    evidence: str
    """The measured facts that prove it."""
    records: list[RecordIndex]
    cost: Cost
    fix: Fix
    saving: Saving | None = None
