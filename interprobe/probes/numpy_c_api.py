"""Watches conversions that C and C++ code asks for through NumPy's C-API table."""

from interprobe import native

SEES = (
    "copies that extensions ask of NumPy, with the requirement that forced them, what is written "
    "back after them, and operands that iterators copy"
)
CANNOT_SEE = "Copy loops that an extension runs itself"


def install() -> None:
    """Put the hooks in place.

    Raises:
        RuntimeError: This NumPy or Python does not allow it; nothing is left patched.
    """
    native.install("numpy-c-api")


def uninstall() -> None:
    """Put every pointer back."""
    native.uninstall("numpy-c-api")
