"""Names an address in a shared library: its function and, with debug information, its C line."""

from __future__ import annotations

import bisect
import ctypes
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from interprobe.line_tables import line_at

_FUNCTION: Final = 2
"""STT_FUNC."""


@dataclass(frozen=True)
class Located:
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
    try:
        with open(library, "rb") as binary:
            file, line = line_at(ELFFile(binary), address)
    except (OSError, ELFError, KeyError, ValueError, AttributeError, IndexError):
        file, line = None, None  # no debug information, or of a form that is not understood
    return Located(symbol_at(library, address), file, line)


@lru_cache(maxsize=64)
def _functions(library: str) -> list[tuple[int, int, str]]:
    """(start, size, name) of every function, sorted; the full table where it was not stripped."""
    try:
        with open(library, "rb") as binary:
            elf = ELFFile(binary)
            for section in (".symtab", ".dynsym"):
                table = elf.get_section_by_name(section)
                if isinstance(table, SymbolTableSection):
                    names = elf.get_section(table["sh_link"]).data()
                    return sorted(_entries(elf, table.data(), names))
    except (OSError, ELFError, ValueError, struct.error):
        pass
    return []


def _entries(elf: ELFFile, table: bytes, names: bytes) -> Iterator[tuple[int, int, str]]:
    """The functions of a symbol table, whose entries the ELF specification lays out."""
    order = "<" if elf.little_endian else ">"
    if elf.elfclass == 64:
        entries = struct.iter_unpack(f"{order}IBBHQQ", table)
        fields = ((name, info, value, size) for name, info, _, _, value, size in entries)
    else:
        entries = struct.iter_unpack(f"{order}IIIBBH", table)
        fields = ((name, info, value, size) for name, value, size, info, _, _ in entries)
    for name, info, value, size in fields:
        if value and info & 0xF == _FUNCTION:
            yield value, size, names[name : names.index(b"\0", name)].decode("utf-8", "replace")


def symbol_at(library: str, address: int) -> str | None:
    """Name the function at an address; None where the library's tables do not."""
    functions = _functions(library)
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
