"""Two layouts of one record, as C declares it and as NumPy has it, and where they differ."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

_MEMBER = re.compile(
    r"(?P<name>[^@]*)@(?P<offset>\d+):(?P<foreign>>?)(?P<kind>[A-Za-z])(?P<size>\d+)"
)
_MOST_ELEMENTS = 64
"""Of an array in a record, up to which each is compared by itself."""
_LARGEST = 1 << 16
"""Bytes of a record that is looked into."""
_FAMILIES = {"i": "integer", "u": "integer", "b": "integer", "M": "integer", "m": "integer"}
"""Kinds of one size that are read alike."""
_RAW_KINDS = frozenset("VSx")
"""Characters, raw bytes, bits, unions: they say nothing of what lies there."""
_UNUSED_NAME = re.compile(r"pad|reserved|unused|dummy|filler|^_", re.IGNORECASE)
_NOUNS = {"i": "int{}", "u": "uint{}", "f": "float{}", "c": "complex{}", "b": "bool"}
_STRUCT_CODES = {
    "f4": "f",
    "f8": "d",
    "i1": "b",
    "i2": "h",
    "i4": "i",
    "i8": "q",
    "u1": "B",
    "u2": "H",
    "u4": "I",
    "u8": "Q",
}


@dataclass(frozen=True)
class Member:
    """One number of a record.

    Attributes:
        name: Its path, ``position.x``, with the index behind it where it is of an array.
        offset: Bytes from the start of the record.
        kind: NumPy's letter, or ``p`` for a pointer and ``x`` for bits.
        size: Bytes.
        foreign: Whether its bytes are in the order that the processor does not use.
    """

    name: str
    offset: int
    kind: str
    size: int
    foreign: bool

    @property
    def end(self) -> int:
        """Offset of the first byte behind it."""
        return self.offset + self.size

    @property
    def is_raw(self) -> bool:
        """Whether nothing is said of what its bytes mean."""
        return self.kind in _RAW_KINDS

    @property
    def noun(self) -> str:
        """What it is, in NumPy's words."""
        name = _NOUNS.get(self.kind)
        size = "1 byte" if self.size == 1 else f"{self.size} bytes"
        text = "pointer" if self.kind == "p" else size
        if name is not None:
            text = name.format(self.size * 8)
        return f"big-endian {text}" if self.foreign else text

    def reads_alike(self, other: Member) -> bool:
        """Whether both are the same number of the same bytes; raw ones are whatever one likes."""
        if self.is_raw or other.is_raw:
            return True
        if self.size != other.size or self.foreign != other.foreign:
            return False
        if "p" in {self.kind, other.kind}:
            return True
        return _FAMILIES.get(self.kind, self.kind) == _FAMILIES.get(other.kind, other.kind)


@dataclass(frozen=True)
class RecordLayout:
    """How a record lies in memory.

    Attributes:
        members: In the order of their offsets.
        size: Bytes from one record to the next.
        is_cut: Whether there are further members, that are not known.
    """

    members: tuple[Member, ...]
    size: int
    is_cut: bool

    @property
    def text(self) -> str:
        """``id (int32) at 0, value (float64) at 8; 16 bytes``."""
        parts = [f"{member.name} ({member.noun}) at {member.offset}" for member in self.members[:8]]
        if self.is_cut or len(self.members) > len(parts):
            parts.append("...")
        return f"{', '.join(parts)}; {self.size} bytes" if parts else f"{self.size} bytes"

    def at(self, offset: int) -> Member | None:
        """The member that begins at an offset."""
        return next((each for each in self.members if each.offset == offset), None)

    def named(self, name: str) -> Member | None:
        """The member of a name, whatever the case of its letters."""
        wanted = name.lower()
        return next((each for each in self.members if each.name.lower() == wanted), None)


@dataclass(frozen=True)
class Difference:
    """A member that C looks for where the array has something else.

    Attributes:
        wanted: The member of the C struct.
        found: The array's member there: the one that begins at the offset, or else one that C's
            member overlaps.
        holder: The array's member of that name, where there is one.
        is_swap: Whether only the names differ: C's name is another member's in the array.
    """

    wanted: Member
    found: Member
    holder: Member | None
    is_swap: bool


def parse_record(line: str) -> RecordLayout | None:
    """A record's layout from the line that the hooks write; None where it is none.

    Args:
        line: Such as ``id@0:i4 value@8:f8 xyz@16:f8*3 =40``.
    """
    is_cut = line.endswith("...")
    words = line.removesuffix("...").split()
    if not words or not re.fullmatch(r"=\d+", words[-1]):
        return None
    members: list[Member] = []
    for word in words[:-1]:
        text, _, times = word.partition("*")
        match = _MEMBER.fullmatch(text)
        if match is None or (times and not times.isdigit()):
            return None
        members.extend(_elements(match, int(times) if times else 1))
    ordered = sorted(members, key=lambda member: member.offset)
    return RecordLayout(tuple(ordered), int(words[-1][1:]), is_cut)


def _elements(match: re.Match[str], count: int) -> list[Member]:
    """A member, or the elements of one that is an array."""
    size, offset, kind = int(match["size"]), int(match["offset"]), match["kind"]
    foreign = bool(match["foreign"])
    if count == 1:
        return [Member(match["name"], offset, kind, size, foreign)]
    if count > _MOST_ELEMENTS or kind in _RAW_KINDS:
        return [Member(match["name"], offset, "V", size * count, foreign=False)]
    return [
        Member(f"{match['name']}[{index}]", offset + index * size, kind, size, foreign)
        for index in range(count)
    ]


def differences(declared: RecordLayout, given: RecordLayout) -> list[Difference]:
    """What C finds to be something else than it is declared to be.

    Args:
        declared: The struct.
        given: The array's records.

    Returns:
        Nothing where both say the same of each byte, under whatever names. A member of C's that
        lies where the array names none is no difference, unless the array has that name elsewhere.
    """
    found = []
    for wanted in declared.members:
        if wanted.is_raw:
            continue
        overlapped = [
            each
            for each in given.members
            if each.offset < wanted.end and wanted.offset < each.end and each.size > 0
        ]
        there = given.at(wanted.offset) or (overlapped[0] if overlapped else None)
        holder = given.named(wanted.name)
        if there is None:
            if holder is not None and not _UNUSED_NAME.search(wanted.name):
                gap = Member("", wanted.offset, "V", wanted.size, foreign=False)
                found.append(Difference(wanted, gap, holder, is_swap=False))
        elif there.offset != wanted.offset:
            if not there.is_raw:
                found.append(Difference(wanted, there, holder, is_swap=False))
        elif not wanted.reads_alike(there):
            found.append(Difference(wanted, there, holder, is_swap=False))
        elif (
            holder is not None
            and holder != there
            and declared.named(there.name) is not None
            and not there.is_raw
        ):
            found.append(Difference(wanted, there, holder, is_swap=True))
    return found


def read_of_ones(declared: RecordLayout, given: RecordLayout, member: Member) -> str | None:
    """What C reads for a member in an array whose members are all 1, or None if unknown."""
    code = _STRUCT_CODES.get(f"{member.kind}{member.size}")
    if code is None or not 0 < given.size <= _LARGEST or member.end > _LARGEST:
        return None
    records = (member.end + given.size - 1) // given.size
    memory = bytearray(records * given.size)
    for start in range(0, len(memory), given.size):
        for each in given.members:
            own = _STRUCT_CODES.get(f"{each.kind}{each.size}")
            if own is None or each.end > given.size:
                return None
            struct.pack_into(f"{'>' if each.foreign else '<'}{own}", memory, start + each.offset, 1)
    value = struct.unpack_from(f"<{code}", memory, member.offset)[0]
    return f"{value:.6g}" if code in {"f", "d"} else f"{value}"
