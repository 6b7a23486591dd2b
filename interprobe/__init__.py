"""Every copy, every slow layout and every wrong number where NumPy meets native code."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from interprobe._location import package_path

__path__ = package_path(__path__)

from interprobe._version import __version__

if TYPE_CHECKING:
    from interprobe.analysis import analyse
    from interprobe.decorator import profile
    from interprobe.findings import Finding, Severity
    from interprobe.recording import Recording, record
    from interprobe.trace import Trace, TraceError, load

__all__ = [
    "Finding",
    "Recording",
    "Severity",
    "Trace",
    "TraceError",
    "__version__",
    "analyse",
    "load",
    "profile",
    "record",
]

# Each is imported when it is first asked for: NumPy and rich take longer to load than the command
# line may take to answer.
_HOMES = {
    "Finding": "findings",
    "Recording": "recording",
    "Severity": "findings",
    "Trace": "trace",
    "TraceError": "trace",
    "analyse": "analysis",
    "load": "trace",
    "profile": "decorator",
    "record": "recording",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'interprobe' has no attribute {name!r}", name=name)
    value = getattr(importlib.import_module(f"interprobe.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
