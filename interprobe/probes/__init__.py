"""Interception points: one module each, found by discovery, installed while a recording is open.

A probe module defines ``SEES`` and ``CANNOT_SEE`` (a sentence each, for ``interprobe doctor``),
``KNOWN_WORK`` (with which the doctor tries it; None where it books no events) and ``install()`` /
``uninstall()``. ``install`` raises ``RuntimeError`` where this NumPy or Python does not allow the
hook; the probe is then left out, and the report says so.
"""

from __future__ import annotations

import importlib
import pkgutil
import threading
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, Protocol, cast


@dataclass(frozen=True)
class KnownWork:
    """Work of which a probe must see every event; ``interprobe doctor`` has it done."""

    code: str
    """Runs as code of the user's own, with NumPy as ``np`` and ``values``, an array of float64 in
    C order, of 30 rows and 40 columns."""
    records: Literal["allocations", "borrows", "calls", "copies"]
    """What the events are in the trace."""
    name: str
    """Mechanism of the copies, function of the calls, or what the borrows requested."""
    count: int
    bytes: int
    """Written, allocated, or handed out."""


class Probe(Protocol):
    """What a module in this folder offers."""

    __name__: str
    SEES: str
    CANNOT_SEE: str
    KNOWN_WORK: KnownWork | None

    def install(self) -> None:
        """Put the hooks in place."""

    def uninstall(self) -> None:
        """Put every pointer back."""


@lru_cache(maxsize=1)
def discover() -> tuple[Probe, ...]:
    """All probe modules, by name."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return tuple(cast(Probe, importlib.import_module(f"{__name__}.{name}")) for name in names)


_lock = threading.RLock()  # a collected recording may release while one is acquired
_users = 0
_left_out: dict[str, str] = {}
"""Why a probe is not in place, by the probe's name."""


def name_of(probe: Probe) -> str:
    """What a probe is called in sentences: ``ctypes calls``."""
    return probe.__name__.rpartition(".")[2].replace("_", " ")


def acquire() -> list[str]:
    """Install all probes, unless another recording has them in place already.

    Returns:
        A sentence for each probe that this NumPy or Python does not allow.
    """
    global _users  # noqa: PLW0603 - guarded by _lock
    with _lock:
        if _users == 0:
            _left_out.clear()
            for probe in discover():
                try:
                    probe.install()
                except RuntimeError as error:
                    _left_out[name_of(probe)] = str(error)
        _users += 1
        return [f"The probe of {name} is left out: {why}." for name, why in _left_out.items()]


def left_out() -> dict[str, str]:
    """Why probes are left out of the recordings that are open: a reason by each probe's name."""
    with _lock:
        return dict(_left_out)


def release() -> None:
    """Uninstall all probes when the last recording that uses them ends."""
    global _users  # noqa: PLW0603 - guarded by _lock
    with _lock:
        _users -= 1
        if _users == 0:
            for probe in discover():
                probe.uninstall()


def blind_spots() -> list[str]:
    """What the probes found, while they were in place, that they cannot see: a sentence each."""
    sentences: list[str] = []
    for probe in discover():
        # Most probes know beforehand, and say so in CANNOT_SEE.
        found = getattr(probe, "blind_spots", None)
        if found is not None:
            sentences.extend(found())
    return sentences


def in_use() -> int:
    """How many recordings hold the probes installed."""
    return _users
