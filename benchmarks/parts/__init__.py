"""The benchmarks, a file each, in the order of their tables.

Each has ``NAME`` and ``TITLE``, ``measure(session)``, which returns its part of ``results.json``,
and ``draw(results)``, a pure function that makes Markdown of that part.
"""

from __future__ import annotations

from typing import Any, Protocol

from benchmarks.parts import (
    contracts,
    gains,
    guard_mode,
    instructions,
    large_arrays,
    many_crossings,
    operations,
    start_and_finish,
)
from benchmarks.session import Session


class Part(Protocol):
    """One benchmark."""

    NAME: str
    TITLE: str

    def measure(self, session: Session) -> dict[str, Any]:
        """Run it; what it returns can be written as JSON."""

    def draw(self, results: dict[str, Any]) -> str:
        """Its tables as Markdown."""


PARTS: tuple[Part, ...] = (
    operations,
    instructions,
    large_arrays,
    start_and_finish,
    many_crossings,
    guard_mode,
    contracts,
    gains,
)
