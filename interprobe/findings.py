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


class Saving(msgspec.Struct, frozen=True):
    """What the fix gains at the crossing, and how that is known."""

    speedup: float | None = None
    low: float | None = None
    high: float | None = None
    seconds: float | None = None
    cache: str | None = None
    method: Literal["measured", "estimated", "not measured"] = "not measured"
    reason: str | None = None


class RecordIndex(msgspec.Struct, frozen=True):
    """Points at one record of the trace, so that a finding can be checked."""

    list: Literal["copies", "calls", "borrows", "temporaries", "violations", "allocations"]
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
