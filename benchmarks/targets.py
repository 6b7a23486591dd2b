"""What interprobe may cost, at most: the targets beside which the figures are printed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Operation:
    """One small operation of programs/operations.py.

    Attributes:
        label: What it does, for the tables.
        nanoseconds: It may be slower by this much; None where there is no target.
        percent: And by this much of its own time.
    """

    label: str
    nanoseconds: float | None
    percent: float | None = None


ALLOCATION = 45.0
REQUEST = 45.0
CALL = 60.0
COPY = 100.0

OPERATIONS = {
    "empty_call": Operation("call of an empty Python function", None),
    "ctypes_data_as": Operation("ctypes, `f(x.ctypes.data_as(P), 4)`", 120.0, 6.0),
    "ctypes_hoisted_pointer": Operation("ctypes, `f(pointer, 4)`", 130.0),
    "ctypes_integer_address": Operation("ctypes, `f(address, 4)`", 130.0),
    "array_allocation": Operation("`np.empty(4)`", ALLOCATION),
    "buffer_request": Operation("`memoryview(x)`", REQUEST),
    "raw_address": Operation("`x.ctypes.data`", REQUEST),
    "call_c_api": Operation("C API builtin, `f(1.0)`", CALL),
    "call_c_api_two_arguments": Operation("C API builtin, `f(1.0, 2.0)`", CALL),
    "call_cython": Operation("Cython, `f(1.0)`", CALL),
    "call_cython_memoryview": Operation("Cython with a typed memoryview, `f(x)`", CALL + REQUEST),
    "call_pybind11": Operation("pybind11, `f(1.0)`", CALL),
    "copy_ascontiguousarray": Operation("copy: `np.ascontiguousarray(strided)`", COPY),
    "copy_astype": Operation('copy: `x.astype("f4")`', COPY),
    "copy_dot": Operation(
        "2 copies and a result: `np.dot(strided, strided)`", 2 * COPY + ALLOCATION
    ),
    "no_copy_asarray": Operation("no copy: `np.asarray(x)`", CALL),
}

LARGE_ARRAY_RATIO = 1.02
START_AND_FINISH_MILLISECONDS = 200.0
TRACE_BYTES = 64 * 1024
MEMORY_BYTES = 8 * 1024 * 1024


def verdict(value: float, target: float | None) -> str:
    """``within`` or ``over``; an empty string where there is no target."""
    if target is None:
        return ""
    return "within" if value <= target else "**over**"
