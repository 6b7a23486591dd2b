"""Watches conversions asked for in Python: np.asarray, np.array, ndarray.astype and their kin."""

from interprobe import native
from interprobe.probes import KnownWork

SEES = (
    "conversions by NumPy's functions and methods (asarray, astype, copy, ravel, ...), called "
    "from Python or compiled code"
)
CANNOT_SEE = (
    "conversions that a package makes without them, sequences that are assigned "
    "(x[...] = [1, 2, 3]), and arrays that become Python objects (tolist, pickle)"
)


def install() -> None:
    """Put the hooks in place.

    Raises:
        RuntimeError: This NumPy or Python does not allow it; nothing is left patched.
    """
    native.install("conversions")


def uninstall() -> None:
    """Put every pointer back."""
    native.uninstall("conversions")


KNOWN_WORK = KnownWork(
    code="np.asfortranarray(values)",
    records="copies",
    name="numpy.asfortranarray",
    count=1,
    bytes=9600,
)
