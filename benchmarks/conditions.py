"""The machine and the versions behind the figures, so that a reader can weigh them."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

from benchmarks.profilers import INTERPROBE, PEERS


def conditions(quick: bool) -> dict[str, Any]:
    """What to know about a run of the benchmarks that begins now."""
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "quick": quick,
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
        "system": platform.platform(),
        "versions": {
            name: version
            for name in ("numpy", INTERPROBE.name, *(peer.name for peer in PEERS))
            if (version := _version(name)) is not None
        },
    }


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def in_words(made: dict[str, Any]) -> str:
    """The conditions as one Markdown paragraph."""
    versions = ", ".join(f"{name} {version}" for name, version in made["versions"].items())
    quick = " A quick run: few repeats, for a look only." if made["quick"] else ""
    return (
        f"Measured {made['date']} on {made['cores']} cores of {made['processor']}, with Python"
        f" {made['python']}, {versions}. Load average at the start: {made['load']:.1f}.{quick}\n"
    )
