"""Watches conversions that C and C++ code asks for through NumPy's C-API table."""

from interprobe import native

SEES = (
    "conversions that extensions ask of NumPy through its C API, with the requirement that forced "
    "each"
)
CANNOT_SEE = (
    "copy loops that an extension runs itself, and conversions by pybind11 modules that were used "
    "before recording began"
)


def install() -> None:
    """Put the hooks in place.

    Raises:
        RuntimeError: This NumPy or Python does not allow it; nothing is left patched.
    """
    native.install("numpy-c-api")


def uninstall() -> None:
    """Put every pointer back."""
    native.uninstall("numpy-c-api")
