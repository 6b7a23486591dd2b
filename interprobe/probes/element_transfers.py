"""Watches the loops with which NumPy copies and casts elements inside its own operations."""

from interprobe import native

SEES = (
    "copies that NumPy makes inside its own operations: dot, matmul, concatenate, x[...] = y, "
    "indexing by integers or masks, byte-swapped input of linalg, operands that overlap the "
    "output, write-backs"
)
CANNOT_SEE = (
    "elements that take, repeat, where and assignment by integers or masks move, linalg's own "
    "repacking of strided matrices, and element types that other packages add"
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
