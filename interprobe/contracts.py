"""How thoroughly open recordings have the contents of arrays compared around calls."""

from __future__ import annotations

from typing import Literal

from interprobe import native

Contracts = Literal["sampled", "full"]
"""``sampled``: as far as that costs next to nothing. ``full``: all bytes, at every call."""

_full: set[int] = set()
"""Recordings that asked for full comparisons, by identity."""


def choose(recording: object, contracts: Contracts) -> None:
    """Ask for comparisons while a recording is open; what one asks for, all get.

    Args:
        recording: What :func:`forget` will be given.
        contracts: ``sampled`` or ``full``.

    Raises:
        ValueError: ``contracts`` is neither.
    """
    if contracts not in {"sampled", "full"}:
        raise ValueError(f"contracts must be 'sampled' or 'full', not {contracts!r}")
    if contracts == "full":
        _full.add(id(recording))
        native.look_at_contents(fully=True)


def forget(recording: object) -> None:
    """End what :func:`choose` began."""
    _full.discard(id(recording))
    native.look_at_contents(fully=bool(_full))
