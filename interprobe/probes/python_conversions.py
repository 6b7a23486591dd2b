"""Watches conversions asked for in Python: np.asarray, np.array, ndarray.astype and their kin."""

from interprobe import native

SEES = "copies by NumPy's conversion functions and methods, called from Python or compiled code"
CANNOT_SEE = "Lists and other sequences that are assigned: x[...] = [1, 2, 3]"


def install() -> None:
    """Put the hooks in place.

    Raises:
        RuntimeError: This NumPy or Python does not allow it; nothing is left patched.
    """
    native.install("conversions")


def uninstall() -> None:
    """Put every pointer back."""
    native.uninstall("conversions")
