"""Names an address in a shared library: its function and, with debug information, its C line."""

from __future__ import annotations

import bisect
import ctypes
import os
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection


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
    symbol = _symbol_at(library, address)
    try:
        with open(library, "rb") as binary:
            file, line = _line_at(ELFFile(binary), address)
    except (OSError, ELFError, KeyError, ValueError, AttributeError):
        file, line = None, None  # no debug information, or of a form that pyelftools cannot read
    return Located(symbol, file, line)


@lru_cache(maxsize=64)
def _functions(library: str) -> list[tuple[int, int, str]]:
    """(start, size, name) of every function, sorted; the full table where it was not stripped."""
    try:
        with open(library, "rb") as binary:
            elf = ELFFile(binary)
            for section in (".symtab", ".dynsym"):
                table = elf.get_section_by_name(section)
                if not isinstance(table, SymbolTableSection):
                    continue
                return sorted(
                    (symbol["st_value"], symbol["st_size"], symbol.name)
                    for symbol in table.iter_symbols()
                    if symbol["st_info"]["type"] == "STT_FUNC" and symbol["st_value"]
                )
    except (OSError, ELFError):
        pass
    return []


def _symbol_at(library: str, address: int) -> str | None:
    functions = _functions(library)
    index = bisect.bisect_right(functions, (address, 1 << 63, "")) - 1
    if index < 0:
        return None
    start, size, name = functions[index]
    # Between two known functions lies a nameless one: the nearest name would be a guess.
    return _demangled(name) if start <= address < start + size else None


def _line_at(elf: Any, address: int) -> tuple[str | None, int | None]:
    if not elf.has_dwarf_info() or elf.get_section_by_name(".debug_info") is None:
        return None, None
    dwarf = elf.get_dwarf_info()
    unit = _unit_at(dwarf, address)
    program = dwarf.line_program_for_CU(unit) if unit is not None else None
    if program is None:
        return None, None
    previous = None
    for entry in program.get_entries():
        state = entry.state
        if state is None:
            continue
        if previous is not None and previous.address <= address < state.address:
            return _file_name(program, previous.file, unit), previous.line
        previous = None if state.end_sequence else state
    return None, None


def _unit_at(dwarf: Any, address: int) -> Any:
    ranges = dwarf.get_aranges()
    if ranges is not None:
        offset = ranges.cu_offset_at_addr(address)
        return dwarf.get_CU_at(offset) if offset is not None else None
    units = list(dwarf.iter_CUs())
    return units[0] if len(units) == 1 else None


def _file_name(program: Any, number: int, unit: Any) -> str | None:
    """The path of a file of a line program, absolute where the unit says where it was compiled."""
    header = program.header
    # DWARF 5 counts files and folders from 0, and the unit's own folder is folder 0; earlier
    # versions count both from 1, and 0 stands for the unit's own folder.
    shift = 0 if header["version"] >= 5 else 1
    entries, folders = header["file_entry"], header["include_directory"]
    if not 0 <= number - shift < len(entries):
        return None
    entry = entries[number - shift]
    compiled_in = unit.get_top_DIE().attributes.get("DW_AT_comp_dir")
    parts = [compiled_in.value] if compiled_in is not None else []
    if 0 <= entry.dir_index - shift < len(folders):
        parts.append(folders[entry.dir_index - shift])
    return os.path.normpath(os.path.join("", *(_text(part) for part in [*parts, entry.name])))


def _text(value: bytes | str) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


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
