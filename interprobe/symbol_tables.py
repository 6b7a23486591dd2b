"""Reads the functions of a 64-bit ELF library from its symbol table.

The layouts are those of the ELF-64 object file format. pyelftools would do, but it takes longer to
import than most tables take to read, and keeps an object for each symbol.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO, Final, NamedTuple

_IDENTITY: Final = b"\x7fELF\x02\x01"
"""An ELF file, 64 bits, little-endian: all machines on which interprobe runs."""
_HEADER: Final = struct.Struct("<16xHHIQQQIHHHHHH")
_SECTION: Final = struct.Struct("<IIQQQQIIQQ")
_SYMBOL: Final = struct.Struct("<IBBHQQ")
_FUNCTION: Final = 2
"""STT_FUNC."""


class Section(NamedTuple):
    """Where a section's bytes lie in the file."""

    offset: int
    size: int
    link: int
    """Of a symbol table: the number of the section that holds the names."""


class Library(NamedTuple):
    """What a library's symbol table says."""

    functions: list[tuple[int, int, str]]
    """(start, size, name) of every function, sorted; the full table where it was not stripped."""
    has_lines: bool
    """Whether there is debug information."""


def read(path: str) -> Library:
    """Read a library's tables.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is no 64-bit ELF file, or a broken one.
    """
    with open(path, "rb") as binary:
        try:
            sections = _sections(binary)
            names = [name for name, _ in sections]
            for table in (".symtab", ".dynsym"):
                if table in names:
                    entries = _bytes(binary, sections[names.index(table)][1])
                    texts = _bytes(binary, sections[sections[names.index(table)][1].link][1])
                    return Library(sorted(_functions(entries, texts)), ".debug_info" in names)
        except (struct.error, IndexError) as error:
            raise ValueError(f"{path!r} is cut short") from error
    return Library([], ".debug_info" in names)


def exports(path: str) -> dict[str, int]:
    """The functions that a library offers to others, with their addresses.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is no 64-bit ELF file, or a broken one.
    """
    found = {}
    with open(path, "rb") as binary:
        try:
            sections = _sections(binary)
            names = [name for name, _ in sections]
            if ".dynsym" not in names:
                return {}
            table = sections[names.index(".dynsym")][1]
            texts = _bytes(binary, sections[table.link][1])
            for name, info, _, section, value, _ in _SYMBOL.iter_unpack(_bytes(binary, table)):
                if section and value and info & 0xF == _FUNCTION:
                    found[_text(texts, name)] = value
        except (struct.error, IndexError) as error:
            raise ValueError(f"{path!r} is cut short") from error
    return found


def _sections(binary: BinaryIO) -> list[tuple[str, Section]]:
    head = binary.read(_HEADER.size)
    if not head.startswith(_IDENTITY):
        raise ValueError("no ELF file of 64 bits")
    fields = _HEADER.unpack(head)
    start, each, count, names_at = fields[5], fields[10], fields[11], fields[12]
    binary.seek(start)
    raw = binary.read(each * count)
    headers = [_SECTION.unpack_from(raw, index * each) for index in range(count)]
    sections = [Section(header[4], header[5], header[6]) for header in headers]
    names = _bytes(binary, sections[names_at])
    return [
        (_text(names, header[0]), section)
        for header, section in zip(headers, sections, strict=True)
    ]


def _bytes(binary: BinaryIO, section: Section) -> bytes:
    binary.seek(section.offset)
    return binary.read(section.size)


def _text(names: bytes, start: int) -> str:
    return names[start : names.index(b"\0", start)].decode("utf-8", "replace")


def _functions(entries: bytes, names: bytes) -> Iterator[tuple[int, int, str]]:
    for name, info, _, _, value, size in _SYMBOL.iter_unpack(entries):
        if value and info & 0xF == _FUNCTION:
            yield value, size, _text(names, name)
