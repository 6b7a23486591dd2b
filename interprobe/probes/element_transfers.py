"""Watches the loops with which NumPy copies and casts elements inside its own operations."""

from interprobe import native

SEES = "copies that NumPy makes inside dot, matmul, linalg, concatenate, x[...] = y, and overlaps"
CANNOT_SEE = (
    "Elements that take, repeat and indexing by integers move, outputs, buffered casts, "
    "lists that np.exp, np.dot and their kin convert, and element types that other packages add"
)


def install() -> None:
    """Put the hooks in place.

    Raises:
        RuntimeError: This NumPy or Python does not allow it; nothing is left patched.
    """
    native.install("transfers")


def uninstall() -> None:
    """Put every pointer back."""
    native.uninstall("transfers")
