"""Lets interpreters that get an environment of the program's making take part in the recording."""

from interprobe import native

SEES = "interpreters that are started with an environment of their own, as joblib starts them"
CANNOT_SEE = (
    "interpreters that are started with an environment of the program's making before it "
    "has imported NumPy, or behind another program (a shell, a script)"
)


def install() -> None:
    """Put the hooks in place.

    Raises:
        RuntimeError: This Python does not allow it; nothing is left patched.
    """
    native.install("child-environments")


def uninstall() -> None:
    """Put every pointer back."""
    native.uninstall("child-environments")


KNOWN_WORK = None  # it books nothing: the doctor starts an interpreter of its own to see
