"""Watches who has Python's global interpreter lock (GIL) while long calls of native code run."""

from interprobe import native

SEES = "calls of a millisecond and more that keep other Python threads waiting for the GIL"
CANNOT_SEE = "threads that have waited for less than sys.getswitchinterval() when the call ends"


def install() -> None:
    """Begin to read the lock.

    Raises:
        RuntimeError: This Python's lock is not laid out as expected.
    """
    native.install("lock")


def uninstall() -> None:
    """Stop to read it."""
    native.uninstall("lock")


KNOWN_WORK = None  # it reads at calls that other probes see, and books facts about these
