"""What a recorder says of its run in the ledger itself, so that a ledger alone makes a trace."""

from __future__ import annotations

import os
import platform
import resource
import time

import msgspec
import numpy as np


class RunDescription(msgspec.Struct, frozen=True):
    """Facts about a process that no hook sees; kept as JSON beside the records."""

    argv: list[str]
    started: float
    """Seconds since the Unix epoch."""
    python: str
    numpy: str
    platform: str
    parent: int = 0
    """Process number of the one that started this process."""
    blind_spots: list[str] = []
    sources: dict[str, str] = {}
    """Code that is in no file, by the name it was compiled with."""
    headers: list[str] = []
    """Paths of headers that declare functions of libraries without debug information."""
    rss_peak_bytes: int = 0
    """0 where the process died before it could say."""


def describe_run(
    argv: list[str],
    blind_spots: list[str],
    sources: dict[str, str],
    headers: list[str] | None = None,
) -> RunDescription:
    """Describe the run that this process begins now."""
    return RunDescription(
        argv=argv,
        started=time.time(),
        python=platform.python_version(),
        numpy=np.__version__,
        platform=_platform(),
        parent=os.getppid(),
        blind_spots=blind_spots,
        sources=sources,
        headers=headers or [],
    )


def _platform() -> str:
    """System, kernel and machine; ``platform.platform()`` would read the interpreter's file."""
    return f"{platform.system()}-{platform.release()}-{platform.machine()}"


def with_resident_peak(description: RunDescription) -> RunDescription:
    """Add the highest resident memory that this process ever had."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return msgspec.structs.replace(description, rss_peak_bytes=peak * 1024)  # Linux counts in KiB


def encode(description: RunDescription) -> str:
    """The description as JSON."""
    return msgspec.json.encode(description).decode()


def decode(text: str) -> RunDescription:
    """The description that a ledger holds; an empty one where it holds none."""
    try:
        return msgspec.json.decode(text, type=RunDescription)
    except msgspec.DecodeError:
        return RunDescription(argv=[], started=0.0, python="", numpy="", platform="")
