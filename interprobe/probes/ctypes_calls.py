"""Watches calls of C functions through ctypes."""

from interprobe import native
from interprobe.probes import KnownWork

SEES = (
    "calls through ctypes: count, time, and the arrays behind pointers, integer addresses, "
    "structures and arrays of pointers"
)
CANNOT_SEE = (
    "the array behind an address that no array handed out while recording, pointers behind "
    "pointers, and calls of Python's own C API (ctypes.pythonapi)"
)


def install() -> None:
    """Put the hooks in place.

    Raises:
        RuntimeError: This NumPy or Python does not allow it; nothing is left patched.
    """
    native.install("ctypes")


def uninstall() -> None:
    """Put every pointer back."""
    native.uninstall("ctypes")


KNOWN_WORK = KnownWork(
    code="""
import ctypes
absolute = ctypes.CDLL(None).abs
for number in range(3):
    absolute(number)
""",
    records="calls",
    name="abs",
    count=3,
    bytes=0,
)
