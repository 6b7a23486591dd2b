"""How much open recordings have repeated with other arrays, to measure what these would gain."""

from __future__ import annotations

from typing import Literal, get_args

from interprobe import native

WhatIf = Literal["off", "auto", "all"]
"""``off``: nothing. ``auto``: the costliest calls, within a budget of time. ``all``: every call
that can be repeated, whatever time that takes."""

MODES: tuple[WhatIf, ...] = get_args(WhatIf)
"""From the least thorough to the most; their positions are what the native layer knows them by."""

_chosen: dict[int, int] = {}
"""What each open recording asked for, by its identity."""


def checked(what_if: WhatIf) -> WhatIf:
    """What was given.

    Raises:
        ValueError: It is none of the modes.
    """
    if what_if not in MODES:
        raise ValueError(f"what_if must be 'off', 'auto' or 'all', not {what_if!r}")
    return what_if


def choose(recording: object, what_if: WhatIf, shared: str | None = None) -> None:
    """Ask for measurements while a recording is open; what one asks for, all get.

    Args:
        recording: What :func:`forget` will be given.
        what_if: ``off``, ``auto`` or ``all``.
        shared: A file by which all processes of the run share a budget of time; None: this process
            shares it with those that it forks. Of several open recordings the first one's counts.
    """
    if not _chosen:
        native.share_replay_time(shared)
    _chosen[id(recording)] = MODES.index(what_if)
    native.choose_what_if(max(_chosen.values()))


def forget(recording: object) -> None:
    """End what :func:`choose` began."""
    _chosen.pop(id(recording), None)
    native.choose_what_if(max(_chosen.values(), default=0))
