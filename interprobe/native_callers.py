"""Names who asked: the function that a library's author wrote, not the glue around NumPy."""

from __future__ import annotations

from collections.abc import Sequence

from interprobe import cython_sources, symbols
from interprobe.symbols import Located

_GLUE = ("__Pyx_", "__pyx_memoryview", "__pyx_array", "pybind11::", "nanobind::")
"""Beginnings of names of functions that code generators and binding libraries add."""


def author(library: str, callers: Sequence[int]) -> Located:
    """Name the innermost function that is not a binding's glue; where all are, the innermost.

    Args:
        library: Path of an ELF shared object.
        callers: Return addresses in it, innermost first, from where it was loaded.

    Returns:
        The function, with its source line where there is debug information: the line of the
        ``.pyx`` file where the C file is Cython's and still there.
    """
    address = _of_the_author(library, callers)
    if address is None:
        return Located()
    found = symbols.locate(library, address)
    if found.file is None or found.line is None:
        return found
    original = cython_sources.original(found.file, found.line)
    return found if original is None else Located(found.symbol, *original)


def author_name(library: str, callers: Sequence[int]) -> str | None:
    """Name that function alone, which takes no look at debug information."""
    address = _of_the_author(library, callers)
    return None if address is None else symbols.symbol_at(library, address)


def _of_the_author(library: str, callers: Sequence[int]) -> int | None:
    for address in callers:
        name = symbols.symbol_at(library, address)
        if name is not None and not name.startswith(_GLUE):
            return address
    return callers[0] if callers else None
