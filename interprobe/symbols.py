"""Names an address in a shared library: its function and, with debug information, its C line."""

from __future__ import annotations

import bisect
import contextlib
import ctypes
from functools import lru_cache
from typing import Any, NamedTuple

from interprobe import symbol_tables


class Located(NamedTuple):
    """What is known about an address; None where the library does not say."""

    symbol: str | None = None
    file: str | None = None
    line: int | None = None


@lru_cache(maxsize=1024)
def locate(library: str, address: int) -> Located:
    """Name the function and the source line at an address.

    Args:
        library: Path of an ELF shared object.
        address: From the library's load address, which for a shared object is the address in the
            file's own tables.
    """
    file, line = None, None
    if _tables(library).has_lines:
        from elftools.common.exceptions import ELFError
        from elftools.elf.elffile import ELFFile

        from interprobe.line_tables import line_at

        # Debug information may be of a form that is not understood.
        with (
            contextlib.suppress(OSError, ELFError, LookupError, ValueError, AttributeError),
            open(library, "rb") as binary,
        ):
            file, line = line_at(ELFFile(binary), address)
    return Located(symbol_at(library, address), file, line)


@lru_cache(maxsize=64)
def _tables(library: str) -> symbol_tables.Library:
    try:
        return symbol_tables.read(library)
    except (OSError, ValueError):
        return symbol_tables.Library([], has_lines=False)


def symbol_at(library: str, address: int) -> str | None:
    """Name the function at an address; None where the library's tables do not."""
    functions = _tables(library).functions
    index = bisect.bisect_right(functions, (address, 1 << 63, "")) - 1
    if index < 0:
        return None
    start, size, name = functions[index]
    # Between two known functions lies a nameless one: the nearest name would be a guess.
    return _demangled(name) if start <= address < start + size else None


@lru_cache(maxsize=1)
def _demangler() -> Any:
    try:
        function = ctypes.CDLL("libstdc++.so.6")["__cxa_demangle"]
    except (OSError, AttributeError):
        return None  # a machine without C++: names stay as the library has them
    function.argtypes = [ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
    function.restype = ctypes.c_void_p
    return function


def _demangled(name: str) -> str:
    """The C++ name behind a mangled one; any other name as it is."""
    if not name.startswith("_Z"):
        return name
    demangle = _demangler()
    text = demangle(name.encode(), None, None, None) if demangle is not None else None
    if not text:
        return name
    plain = ctypes.string_at(text).decode("utf-8", "replace")
    free = ctypes.CDLL(None)["free"]
    free.argtypes = [ctypes.c_void_p]
    free(text)
    return plain
