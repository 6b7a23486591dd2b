"""Finds the debug information of a library: in itself, or in a file that was split off."""

from __future__ import annotations

import os
import zlib
from typing import Any, BinaryIO

DEBUG_FOLDER = "/usr/lib/debug"
"""Where distributions install the debug information of stripped libraries."""


def debug_file(library: str) -> BinaryIO | None:
    """The library, or the file with its debug information, opened; None where there is none."""
    from elftools.elf.elffile import ELFFile

    with open(library, "rb") as binary:
        elf = ELFFile(binary)
        if elf.get_section_by_name(".debug_info") or elf.get_section_by_name(".zdebug_info"):
            return open(library, "rb")
        identity = _build_id(elf)
        candidates: list[tuple[str, int | None]] = []
        if identity:
            path = f"{DEBUG_FOLDER}/.build-id/{identity[:2]}/{identity[2:]}.debug"
            candidates.append((path, None))
        link = elf.get_section_by_name(".gnu_debuglink")
        if link is not None:
            data = link.data()
            name = data[: data.index(b"\0")].decode("utf-8", "replace")
            expected = int.from_bytes(data[-4:], "little")
            folder = os.path.dirname(os.path.realpath(library))
            candidates += [
                (os.path.join(place, name), expected)
                for place in (folder, os.path.join(folder, ".debug"), DEBUG_FOLDER + folder)
            ]
    for path, checksum in candidates:
        if os.path.isfile(path) and os.path.realpath(path) != os.path.realpath(library):
            if checksum is not None and _checksum(path) != checksum:
                continue  # of another build
            return open(path, "rb")
    return None


def _build_id(elf: Any) -> str | None:
    section = elf.get_section_by_name(".note.gnu.build-id")
    if section is None:
        return None
    return next((str(note["n_desc"]) for note in section.iter_notes()), None)


def _checksum(path: str) -> int:
    value = 0
    with open(path, "rb") as binary:
        while block := binary.read(1 << 20):
            value = zlib.crc32(block, value)
    return value
