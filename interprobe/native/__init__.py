"""The compiled layer: hooks and the ledger they write, behind one Cython module.

Import names from here, never from ``_native``: this module finds the compiled part and refuses one
that does not fit this code.
"""

from __future__ import annotations

import sys

if hasattr(sys, "_is_gil_enabled") and not sys._is_gil_enabled():
    raise ImportError(
        "interprobe needs a Python with the global interpreter lock: its hooks rely on it, and "
        "this is a free-threaded build"
    )

try:
    from interprobe.native._native import (
        ABI_VERSION,
        Ledger,
        calls_can_be_repeated,
        choose_what_if,
        clock_seconds,
        configure_extension_calls,
        current_position,
        empty_call_seconds,
        empty_function_address,
        hidden_seconds,
        import_settled,
        install,
        installed,
        is_user_file,
        look_at_contents,
        measure_bandwidth,
        note_unhandled,
        patched_slots,
        probe_names,
        recording,
        scan_extension_modules,
        scan_import_statement,
        set_ownership,
        share_replay_time,
        take_scalars,
        take_view,
        uninstall,
        unwatched_extension_functions,
    )
except ModuleNotFoundError as error:
    if error.name != "interprobe.native._native":
        raise
    raise ImportError(
        "interprobe's compiled part is not installed for this Python: run "
        "'python3 -m pip install .' in interprobe's source folder"
    ) from error

EXPECTED_ABI = 4
if ABI_VERSION != EXPECTED_ABI:
    raise ImportError(
        f"interprobe's compiled part is of another version (ABI {ABI_VERSION}, this code needs "
        f"{EXPECTED_ABI}): run 'python3 -m pip install .' in interprobe's source folder again"
    )

__all__ = [
    "Ledger",
    "calls_can_be_repeated",
    "choose_what_if",
    "clock_seconds",
    "configure_extension_calls",
    "current_position",
    "empty_call_seconds",
    "empty_function_address",
    "hidden_seconds",
    "import_settled",
    "install",
    "installed",
    "is_user_file",
    "look_at_contents",
    "measure_bandwidth",
    "note_unhandled",
    "patched_slots",
    "probe_names",
    "recording",
    "scan_extension_modules",
    "scan_import_statement",
    "set_ownership",
    "share_replay_time",
    "take_scalars",
    "take_view",
    "uninstall",
    "unwatched_extension_functions",
]
