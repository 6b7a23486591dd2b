"""Watches every block of array data that NumPy's default handler hands out, in every thread."""

from interprobe import native
from interprobe.probes import KnownWork

SEES = "array data allocated by NumPy, in every thread, exact to the byte"
CANNOT_SEE = (
    "array data from a memory handler that the program set itself, the strings of StringDType, "
    "and memory that native code allocates for itself"
)


def install() -> None:
    """Put the hooks in place.

    Raises:
        RuntimeError: This NumPy or Python does not allow it; nothing is left patched.
    """
    native.install("allocations")


def uninstall() -> None:
    """Put every pointer back."""
    native.uninstall("allocations")


KNOWN_WORK = KnownWork(
    code="np.empty(12345, np.uint8)",
    records="allocations",
    name="",
    count=1,
    bytes=12345,
)
