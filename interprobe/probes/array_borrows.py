"""Watches borrows: array memory read in place, by buffer request or by raw address."""

from interprobe import native

SEES = "buffers and addresses of arrays that are handed out, with who asked and for what"
CANNOT_SEE = (
    "Extensions that read an array's memory without asking for its buffer "
    "(PyArray_DATA in C, array_t of pybind11, f2py)"
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
