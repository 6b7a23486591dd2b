"""Reads C prototypes from a library's debug information (DWARF 4 and 5).

The unit of a function is found by its address, in ``.debug_aranges`` or by what the units say of
themselves; only that unit is read, and of it only what stands at its top. What takes longer than a
few seconds in all is given up: the prototype is then unknown.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, BinaryIO

from interprobe.debug_entries import (
    byte_size,
    code_ranges,
    followed,
    inherited,
    text,
    with_attribute,
)
from interprobe.debug_files import debug_file
from interprobe.prototypes import (
    STANDARD_NAMES,
    UNKNOWN,
    VOID,
    CType,
    Member,
    Parameter,
    Prototype,
    StructLayout,
    TypeKind,
    arithmetic,
    array_of,
    function_of,
    name_in_c,
    pointer_to,
    qualified,
)

_MOST_SECONDS = 20.0
"""For all functions of one library."""

_DEPTH = 12
"""Types behind types that are followed."""

_C_LANGUAGES = {0x01, 0x02, 0x04, 0x0C, 0x10, 0x11, 0x1A, 0x1D, 0x21, 0x2B, 0x2C, 0x3A, 0x3E}
"""DW_LANG codes of C, C++ and Objective-C."""

_FORTRAN = {0x07, 0x08, 0x0E, 0x22, 0x23, 0x2D}

_QUALIFIERS = {
    "DW_TAG_const_type": "const",
    "DW_TAG_volatile_type": "volatile",
    "DW_TAG_restrict_type": "restrict",
}
_CONTAINERS = {"DW_TAG_namespace", "DW_TAG_module"}
_TYPES = {
    "DW_TAG_base_type",
    "DW_TAG_typedef",
    "DW_TAG_pointer_type",
    "DW_TAG_structure_type",
    "DW_TAG_imported_unit",
}
_ENCODINGS: dict[int, TypeKind] = {
    0x02: "bool",
    0x03: "complex",
    0x04: "float",
    0x05: "int",
    0x06: "char",
    0x07: "uint",
    0x08: "char",
}
"""DW_ATE codes."""


class DebugPrototypes:
    """The prototypes of one library; nothing is read before it is asked for."""

    def __init__(self, library: str) -> None:
        """Open a library, or the separate file that holds its debug information.

        Raises:
            OSError: It cannot be read.
            ELFError: It is no ELF file.
        """
        self._dwarf: Any = None
        self._units: dict[int, _Unit] = {}
        self._ranges: list[tuple[int, int, Any]] | None = None
        self._seconds = 0.0
        # Kept open: pyelftools reads sections when they are asked for.
        self._file: BinaryIO | None = debug_file(library)
        if self._file is not None:
            from elftools.elf.elffile import ELFFile

            elf = ELFFile(self._file)
            self._dwarf = elf.get_dwarf_info(follow_links=False)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    @property
    def found(self) -> bool:
        """Whether there is debug information at all."""
        return self._dwarf is not None

    def at(self, address: int, name: str) -> Prototype | None:
        """The prototype of the function that begins at an address.

        Args:
            address: In the file's own tables.
            name: The symbol, for the prototype's name and where the address does not tell.

        Returns:
            None where the debug information does not say.
        """
        if self._dwarf is None or self._seconds > _MOST_SECONDS:
            return None
        began = time.perf_counter()
        try:
            for unit in self._units_at(address):
                found = unit.function(address, name)
                if found is not None:
                    return _prototype(found, name, unit)
        except Exception:
            # Debug information is written by many compilers; what is not understood is unknown.
            return None
        finally:
            self._seconds += time.perf_counter() - began
        return None

    def _units_at(self, address: int) -> Iterator[_Unit]:
        ranges = self._dwarf.get_aranges()
        offset = ranges.cu_offset_at_addr(address) if ranges is not None else None
        if offset is not None:
            yield self._unit(self._dwarf.get_CU_at(offset))
            return
        if self._ranges is None:
            self._ranges = list(self._own_ranges())
        for low, high, cu in self._ranges:
            if low <= address < high:
                yield self._unit(cu)

    def _own_ranges(self) -> Iterator[tuple[int, int, Any]]:
        """The blocks of code that each unit says it covers."""
        began = time.perf_counter()
        for cu in self._dwarf.iter_CUs():
            if time.perf_counter() - began > _MOST_SECONDS / 2:
                return
            top = cu.get_top_DIE()
            if top.tag != "DW_TAG_compile_unit":
                continue
            for low, high in code_ranges(self._dwarf, cu, top):
                yield low, high, cu

    def _unit(self, cu: Any) -> _Unit:
        unit = self._units.get(cu.cu_offset)
        if unit is None:
            unit = self._units[cu.cu_offset] = _Unit(cu, self._dwarf)
        return unit


class _Unit:
    """One compilation unit: its functions by name and by address, and its types."""

    def __init__(self, cu: Any, dwarf: Any) -> None:
        top = cu.get_top_DIE()
        language = top.attributes.get("DW_AT_language")
        self.is_c = language is None or language.value in _C_LANGUAGES
        self.is_fortran = language is not None and language.value in _FORTRAN
        self._by_name: dict[str, Any] = {}
        self._by_address: dict[int, Any] = {}
        self._types: dict[int, CType] = {}
        self._dwarf = dwarf
        self.has_types = False
        self._collect(cu, top)

    def _collect(self, cu: Any, parent: Any) -> None:
        for die in parent.iter_children():
            if die.tag == "DW_TAG_subprogram":
                self._keep(cu, die)
            elif die.tag in _CONTAINERS:
                self._collect(cu, die)
            elif die.tag in _TYPES:
                self.has_types = True

    def _keep(self, cu: Any, die: Any) -> None:
        if "DW_AT_declaration" in die.attributes:
            return
        start = next((low for low, _ in code_ranges(self._dwarf, cu, die)), None)
        if start is None:
            return  # inlined everywhere, or the abstract instance of another entry
        self._by_address[start] = die
        for attribute in ("DW_AT_linkage_name", "DW_AT_MIPS_linkage_name", "DW_AT_name"):
            name = text(inherited(die, attribute))
            if name is not None:
                self._by_name.setdefault(name, die)

    def function(self, address: int, name: str) -> Any:
        """The entry of a function; None where there is none."""
        return self._by_address.get(address) or self._by_name.get(name)

    def type_of(self, die: Any, depth: int = _DEPTH) -> CType:
        """The type that an entry's ``DW_AT_type`` names; void where it names none."""
        target = followed(die, "DW_AT_type")
        if target is None:
            return VOID
        if depth == 0:
            return UNKNOWN
        found = self._types.get(target.offset)
        if found is None:
            found = self._read_type(target, depth)
            if depth > _DEPTH // 2:  # what was cut short is not kept
                self._types[target.offset] = found
        return found

    def _read_type(self, die: Any, depth: int) -> CType:
        tag, name, size = die.tag, text(die.attributes.get("DW_AT_name")), byte_size(die)
        if tag in _QUALIFIERS:
            return qualified(self.type_of(die, depth - 1), _QUALIFIERS[tag])
        if tag == "DW_TAG_base_type":
            return self._base_type(die, name or "", size)
        if tag == "DW_TAG_typedef":
            return _named(self.type_of(die, depth - 1), name or "")
        if tag in ("DW_TAG_pointer_type", "DW_TAG_reference_type", "DW_TAG_rvalue_reference_type"):
            return pointer_to(self.type_of(die, depth - 1))
        if tag in ("DW_TAG_structure_type", "DW_TAG_class_type", "DW_TAG_union_type"):
            word = "union" if tag == "DW_TAG_union_type" else "struct"
            return CType("struct", f"{word} {name}" if name else word, size)
        if tag == "DW_TAG_enumeration_type":
            kind: TypeKind = "int" if size >= 4 else "uint"
            return CType(kind, f"enum {name}" if name else "enum", size)
        if tag == "DW_TAG_array_type":
            return self._array_type(die, depth)
        if tag == "DW_TAG_subroutine_type":
            parameters = [
                self.type_of(child, depth - 1)
                for child in die.iter_children()
                if child.tag == "DW_TAG_formal_parameter"
            ]
            return function_of(self.type_of(die, depth - 1), parameters)
        if tag == "DW_TAG_unspecified_type":
            return VOID if name == "void" else UNKNOWN
        if tag == "DW_TAG_atomic_type":
            return self.type_of(die, depth - 1)
        return CType("unknown", name or "?", size)

    def _base_type(self, die: Any, name: str, size: int) -> CType:
        encoding = die.attributes.get("DW_AT_encoding")
        kind = _ENCODINGS.get(encoding.value if encoding is not None else 0, "unknown")
        known = arithmetic(name) if self.is_c else None
        if known is not None and known.size == size:
            return known
        return CType(kind, (None if self.is_c else name_in_c(kind, size)) or name, size)

    def _array_type(self, die: Any, depth: int) -> CType:
        lengths = []
        for child in die.iter_children():
            if child.tag == "DW_TAG_subrange_type":
                count, upper = (
                    child.attributes.get(each) for each in ("DW_AT_count", "DW_AT_upper_bound")
                )
                number = count if count is not None else upper
                constant = number is not None and isinstance(number.value, int)
                if not constant or "ref" in number.form or "exprloc" in number.form:
                    lengths.append(0)
                else:
                    lengths.append(number.value + (0 if count is not None else 1))
        found = self.type_of(die, depth - 1)
        for length in reversed(lengths or [0]):
            found = array_of(found, length if 0 <= length < 1 << 31 else 0)
        return found

    def layouts(self, die: Any, found: dict[str, StructLayout], depth: int = 3) -> None:
        """Add the layouts of the structures that an entry's type leads to."""
        target, name = followed(die, "DW_AT_type"), None
        while target is not None:
            if target.tag == "DW_TAG_typedef":
                name = name or text(target.attributes.get("DW_AT_name"))
            elif target.tag in ("DW_TAG_pointer_type", "DW_TAG_reference_type"):
                name = None
                depth -= 1
            elif target.tag not in (*_QUALIFIERS, "DW_TAG_array_type"):
                break
            target = followed(target, "DW_AT_type")
        is_union = target is not None and target.tag == "DW_TAG_union_type"
        if target is None or not (is_union or target.tag == "DW_TAG_structure_type") or depth <= 0:
            return
        own = text(target.attributes.get("DW_AT_name"))
        name = name or (f"{'union' if is_union else 'struct'} {own}" if own else None)
        if name is None or name in found or "DW_AT_declaration" in target.attributes:
            return
        entries = [each for each in target.iter_children() if each.tag == "DW_TAG_member"]
        members = []
        for each in entries:
            offset = each.attributes.get("DW_AT_data_member_location")
            plain = offset is None or isinstance(offset.value, int)
            if not plain or "DW_AT_bit_size" in each.attributes:
                return  # bit-fields: no layout that a binding could be compared with
            member = text(each.attributes.get("DW_AT_name")) or ""
            members.append(
                Member(member, self.type_of(each), offset.value if offset is not None else 0)
            )
        found[name] = StructLayout(name, byte_size(target), members, is_union)
        for each in entries:
            self.layouts(each, found, depth)


def _fortran_argument(die: Any, type_: CType, function: str) -> CType:
    """What a Fortran function is passed for a dummy argument: mostly its address."""
    behind = followed(die, "DW_AT_type")
    if type_.kind == "pointer" or "DW_AT_artificial" in die.attributes:
        return type_
    if type_.kind == "array" and type_.target is not None:
        # With a descriptor: not what a binding could know.
        described = behind is not None and "DW_AT_data_location" in behind.attributes
        return UNKNOWN if described else pointer_to(type_.target)
    if behind is not None and behind.tag == "DW_TAG_string_type":
        return pointer_to(CType("char", "char", 1))
    location = die.attributes.get("DW_AT_location")
    code = location.value if location is not None else None
    if isinstance(code, list) and code:
        register, frame = range(0x50, 0x70), 0x91
        if code[0] in register and len(code) == 1:
            return type_
        if code[0] == frame:
            return pointer_to(type_) if code[-1] == 0x06 else type_
        if code[0] in range(0x70, 0x90):
            return pointer_to(type_)
    return pointer_to(type_) if function.endswith("_") else UNKNOWN


def _prototype(die: Any, name: str, unit: _Unit) -> Prototype | None:
    # Where a function was inlined too, or declared in a namespace, its own entry refers to the
    # first one for what both share.
    whole = die
    parameters: list[Parameter] = []
    structs: dict[str, StructLayout] = {}
    children = list(die.iter_children())
    wanted = ("DW_TAG_formal_parameter", "DW_TAG_unspecified_parameters")
    if not any(child.tag in wanted for child in children):
        origin = followed(die, "DW_AT_abstract_origin") or followed(die, "DW_AT_specification")
        children = list(origin.iter_children()) if origin is not None else children
    variadic = False
    for child in children:
        if child.tag == "DW_TAG_unspecified_parameters":
            variadic = True
        if child.tag != "DW_TAG_formal_parameter":
            continue
        typed = with_attribute(child, "DW_AT_type")
        type_ = unit.type_of(typed)
        if unit.is_fortran:
            type_ = _fortran_argument(typed, type_, name)
        parameters.append(Parameter(text(inherited(child, "DW_AT_name")), type_))
        unit.layouts(typed, structs)
    if not (parameters or unit.has_types):
        return None  # `-g1`: functions without their types, which would pass for f(void)
    returning = with_attribute(whole, "DW_AT_type")
    unit.layouts(returning, structs)
    return Prototype(
        name, unit.type_of(returning), parameters, variadic, structs=list(structs.values())
    )


def _named(type_: CType, name: str) -> CType:
    """A type under the name of a typedef, where the name says more than what it stands for."""
    known = name in STANDARD_NAMES
    nameless = type_.kind == "struct" or type_.spelling.startswith("enum")
    if known or nameless:
        return CType(type_.kind, name, type_.size, type_.target, type_.length)
    return type_
