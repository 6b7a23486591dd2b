"""Finds the source line of an address in a library's debug information (DWARF).

pyelftools finds the unit and reads the head of its line table. The table itself, tens of thousands
of instructions in a module of Cython's, is run here: pyelftools keeps an object for each row. The
instructions are those of section 6.2.5 of the DWARF 5 standard.
"""

from __future__ import annotations

import os
from typing import Any

_COPY, _ADVANCE_PC, _ADVANCE_LINE, _SET_FILE, _SET_COLUMN = 1, 2, 3, 4, 5
_CONST_ADD_PC, _FIXED_ADVANCE_PC = 8, 9
_END_SEQUENCE, _SET_ADDRESS = 1, 2


def line_at(elf: Any, address: int) -> tuple[str | None, int | None]:
    """The file and line that an address was compiled from.

    Args:
        elf: The library, as pyelftools opened it.
        address: In the file's own tables.

    Returns:
        The path, absolute where the unit says where it was compiled, and the line from 1; None and
        None where the library does not tell.
    """
    if not elf.has_dwarf_info() or elf.get_section_by_name(".debug_info") is None:
        return None, None
    dwarf = elf.get_dwarf_info()
    unit = _unit_at(dwarf, address)
    program = dwarf.line_program_for_CU(unit) if unit is not None else None
    if program is None:
        return None, None
    program.stream.seek(program.program_start_offset)
    code = program.stream.read(program.program_end_offset - program.program_start_offset)
    found = _run(code, program.header, address)
    return (None, None) if found is None else (_file_name(program, found[0], unit), found[1])


def _unit_at(dwarf: Any, address: int) -> Any:
    ranges = dwarf.get_aranges()
    if ranges is not None:
        offset = ranges.cu_offset_at_addr(address)
        return dwarf.get_CU_at(offset) if offset is not None else None
    units = list(dwarf.iter_CUs())
    if len(units) == 1:
        return units[0]
    return next((unit for unit in units if _covers(unit, address)), None)


def _covers(unit: Any, address: int) -> bool:
    """Whether a unit says that its code is one block around the address."""
    attributes = unit.get_top_DIE().attributes
    low, high = attributes.get("DW_AT_low_pc"), attributes.get("DW_AT_high_pc")
    if low is None or high is None:
        return False
    end = high.value if high.form == "DW_FORM_addr" else low.value + high.value
    return bool(low.value <= address < end)


def _unsigned(code: bytes, at: int) -> tuple[int, int]:
    """A number in LEB128, and where the next byte is."""
    value = shift = 0
    while True:
        byte = code[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _signed(code: bytes, at: int) -> tuple[int, int]:
    start = at
    value, at = _unsigned(code, at)
    if code[at - 1] & 0x40:
        value -= 1 << 7 * (at - start)
    return value, at


def _run(code: bytes, header: Any, wanted: int) -> tuple[int, int] | None:
    """File number and line of the row that covers an address."""
    step, opcode_base = header["minimum_instruction_length"], header["opcode_base"]
    line_base, line_range = header["line_base"], header["line_range"]
    lengths = header["standard_opcode_lengths"]
    at, end = 0, len(code)
    address, file, line = 0, 1, 1
    row: tuple[int, int, int] | None = None
    """Address, file and line of the row before, in the same sequence."""
    while at < end:
        opcode = code[at]
        at += 1
        if opcode >= opcode_base:
            address += (opcode - opcode_base) // line_range * step
            line += line_base + (opcode - opcode_base) % line_range
        elif opcode == _ADVANCE_PC:
            value, at = _unsigned(code, at)
            address += value * step
            continue
        elif opcode == _ADVANCE_LINE:
            value, at = _signed(code, at)
            line += value
            continue
        elif opcode == _SET_FILE:
            file, at = _unsigned(code, at)
            continue
        elif opcode == _CONST_ADD_PC:
            address += (255 - opcode_base) // line_range * step
            continue
        elif opcode == _FIXED_ADVANCE_PC:
            address += int.from_bytes(code[at : at + 2], "little")
            at += 2
            continue
        elif opcode == 0:
            size, at = _unsigned(code, at)
            extended, operand = code[at], code[at + 1 : at + size]
            at += size
            if extended == _SET_ADDRESS:
                address = int.from_bytes(operand, "little")
                continue
            if extended != _END_SEQUENCE:
                continue
        elif opcode != _COPY:
            for _ in range(lengths[opcode - 1]):
                _, at = _unsigned(code, at)
            continue
        # A row ends here, and covers what lies between it and the one before.
        if row is not None and row[0] <= wanted < address:
            return row[1], row[2]
        row = address, file, line
        if opcode == 0:
            row, address, file, line = None, 0, 1, 1
    return None


def _file_name(program: Any, number: int, unit: Any) -> str | None:
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
