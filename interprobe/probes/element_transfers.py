"""Watches the loops with which NumPy copies and casts elements inside its own operations."""

from interprobe import native
from interprobe.probes import KnownWork

SEES = (
    "copies that NumPy makes inside dot, matmul, linalg, concatenate, take, x[...] = y, iterators, "
    "and overlaps; intermediate results of its ufuncs from 64 KiB on; ufuncs and reductions over "
    "100 us whose operands lie in several orders or far apart"
)
CANNOT_SEE = (
    "elements that put, putmask, choose and assignment by lists or several indices move, what "
    "np.where selects (an output, as are sums and casts in buffers), lists that np.exp, np.dot and "
    "their kin convert, and element types that other packages add"
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


KNOWN_WORK = KnownWork(
    code="values[...] = values.T.copy().T",
    records="copies",
    name="ndarray.__setitem__",
    count=1,
    bytes=9600,
)
