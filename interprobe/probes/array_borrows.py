"""Watches borrows: array memory read in place, by buffer request or by raw address."""

from interprobe import native
from interprobe.probes import KnownWork

SEES = (
    "arrays whose memory is handed out by buffer request or as a raw address, with who asked and "
    "for what"
)
CANNOT_SEE = (
    "extensions that read an array's memory without asking for it (PyArray_DATA in C, array_t of "
    "pybind11, f2py)"
)


def install() -> None:
    """Put the hooks in place.

    Raises:
        RuntimeError: This NumPy or Python does not allow it; nothing is left patched.
    """
    native.install("borrows")


def uninstall() -> None:
    """Put every pointer back."""
    native.uninstall("borrows")


KNOWN_WORK = KnownWork(
    code="memoryview(values).release()",
    records="borrows",
    name="INDIRECT|FORMAT",
    count=1,
    bytes=9600,
)
