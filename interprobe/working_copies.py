"""Tells the copies that a program makes to write into them: something of the kind has to stay."""

from __future__ import annotations

from collections.abc import Iterable

from interprobe.trace import Copy

WRITTEN = "copy_written"
"""Kind of the fact that a copy did not end as it was made, and that no such write was lost."""


def is_worked_in(copy: Copy) -> bool:
    """Whether results of a record's copies were changed after they had been made."""
    return any(fact.kind == WRITTEN for fact in copy.facts)


def are_working_copies(copies: Iterable[Copy]) -> bool:
    """Whether Python code made all of some copies, and they were then written into.

    What native code converts for itself, it may work in as well; a repeated call tells what it
    gains by an array that it need not convert.
    """
    return all(copy.native is None and is_worked_in(copy) for copy in copies)
