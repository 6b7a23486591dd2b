"""Finds extension modules that may have kept NumPy's C-API pointers before the probes came."""

from __future__ import annotations

import builtins
import sys
from importlib.machinery import EXTENSION_SUFFIXES


def modules_with_cached_table() -> list[str]:
    """A sentence about pybind11 modules loaded before recording began, or nothing.

    pybind11 copies the pointers that it needs out of NumPy's table when a module first handles an
    array, and never looks again: conversions by a module that did so earlier pass no hook. Whether
    it did cannot be asked, so each module that could have is named.
    """
    if not any(name.startswith("__pybind11_") for name in vars(builtins)) and not any(
        name.startswith("pybind11") for name in sys.modules
    ):
        return []
    names = sorted(
        name
        for name, module in list(sys.modules.items())
        if _is_pybind11(getattr(module, "__file__", None))
    )
    if not names:
        return []
    listed = ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
    return [
        f"Loaded before recording began, so conversions by these pybind11 modules may be missing: "
        f"{listed}. Start the recording before they are first used, or use 'interprobe run'."
    ]


def _is_pybind11(file: object) -> bool:
    if not isinstance(file, str) or not file.endswith(tuple(EXTENSION_SUFFIXES)):
        return False
    try:
        with open(file, "rb") as binary:
            return b"pybind11_" in binary.read()
    except OSError:
        return False
