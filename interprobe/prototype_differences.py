"""Tells a declared prototype from the true one, and what a call suffers from the difference."""

from __future__ import annotations

from dataclasses import dataclass

from interprobe.findings import Severity
from interprobe.prototypes import CType, StructLayout, bare

_NUMBERS = frozenset(["bool", "char", "int", "uint"])
_RAW = frozenset(["void", "char", "unknown", "function"])
_IN_FULL = 8
"""Bytes of an address, and of a register."""


@dataclass(frozen=True)
class Difference:
    """How a declared type departs from the true one.

    Attributes:
        severity: ERROR where C or Python reads something else than was meant, whatever the values;
            WARNING where values decide.
        text: What happens, the end of a sentence that begins with what is declared.
    """

    severity: Severity
    text: str


def argument_difference(declared: CType, true: CType) -> Difference | None:
    """How a declared parameter departs from the function's own; None where C gets what it takes.

    Raw memory (``void *``, ``char *``) fits any pointer, integers of one width are one type,
    whatever their sign, and what is not known fits everything.
    """
    if "unknown" in (declared.kind, true.kind) or true.kind == "void":
        return None
    if true.kind == "pointer":
        return _given_for_pointer(declared, true)
    if declared.kind == "pointer":
        return _pointer_given(true)
    if "struct" in (declared.kind, true.kind):
        return _by_value(declared, true)
    return _numbers(declared, true)


def _given_for_pointer(declared: CType, true: CType) -> Difference | None:
    if declared.kind == "pointer":
        return _pointers(declared, true)
    if declared.kind in _NUMBERS:
        if declared.size >= _IN_FULL:
            return None
        return _error(
            f"C takes an address, of {_IN_FULL} bytes, and gets {declared.size}: the upper "
            f"{_IN_FULL - declared.size} are cut off"
        )
    if declared.kind == "struct":
        return _error("C takes an address and gets the structure's contents")
    return _error("C takes an address and looks for it where no number is passed")


def _pointer_given(true: CType) -> Difference | None:
    if true.kind in _NUMBERS:
        if true.size >= _IN_FULL:
            return None  # an address as a number
        return _error(f"C takes a number of {_bytes(true.size)} and gets an address")
    if true.kind == "struct":
        return _error("C takes the structure itself and gets its address")
    return _error(f"C takes a {true.spelling} and gets an address in another register")


def _by_value(declared: CType, true: CType) -> Difference | None:
    if declared.kind == true.kind:
        if declared.size and true.size and declared.size != true.size:
            return _error(
                f"C takes a structure of {true.size} bytes and gets one of {declared.size}"
            )
        return None
    # A structure of one number is passed as that number is.
    if not declared.size or not true.size or declared.size == true.size:
        return None
    return _error(f"C takes {_bytes(true.size)} and gets {declared.size}")


def _numbers(declared: CType, true: CType) -> Difference | None:
    if declared.kind in _NUMBERS and true.kind in _NUMBERS:
        if declared.size == true.size or true.size < 4 or declared.size < 4 <= true.size < _IN_FULL:
            return None
        if declared.size < true.size:
            return Difference(
                Severity.WARNING,
                f"C takes integers of {true.size} bytes, and what does not fit into "
                f"{declared.size} is cut off",
            )
        return Difference(
            Severity.WARNING,
            f"C takes only the lower {true.size} bytes of the {declared.size}",
        )
    if declared.kind == true.kind and declared.size == true.size:
        return None
    if declared.kind in _NUMBERS or true.kind in _NUMBERS:
        return _error(f"C takes {_a(true)} and looks for it in another register than it is in")
    return _error(
        f"C takes {_a(true)} of {_bytes(true.size)} and gets the bits of one of {declared.size}"
    )


def _pointers(declared: CType, true: CType) -> Difference | None:
    """Pointers differ by what they point to."""
    ours, theirs = declared.target, true.target
    while theirs is not None and theirs.kind == "array":
        theirs = theirs.target
    while ours is not None and ours.kind == "array":
        ours = ours.target
    if ours is None or theirs is None or ours.kind in _RAW or theirs.kind in _RAW:
        return None
    if "struct" in (ours.kind, theirs.kind):
        return None  # the layouts tell, where they are known
    if ours.kind == "pointer" or theirs.kind == "pointer":
        if ours.kind == theirs.kind:
            return _pointers(ours, theirs)
        number = ours if theirs.kind == "pointer" else theirs
        if number.kind in _NUMBERS and number.size == _IN_FULL:
            return None  # addresses as numbers
        return _error(f"C reads {theirs.spelling} where {ours.spelling} lies")
    if same_element(ours, theirs):
        return None
    return _error(f"C reads {_elements(theirs)} where {_elements(ours)} lie")


def same_element(ours: CType, theirs: CType) -> bool:
    """Whether elements of one type can be read as those of another: the same bits, alike."""
    for one, other in ((ours, theirs), (theirs, ours)):
        if one.kind == "array" and one.target is not None and other.kind == "complex":
            return one.target.kind == "float" and one.target.size * one.length == other.size
    if {ours.kind, theirs.kind} == {"float", "complex"}:
        real, pair = (ours, theirs) if ours.kind == "float" else (theirs, ours)
        return real.size * 2 == pair.size
    if ours.kind in _NUMBERS and theirs.kind in _NUMBERS:
        return ours.size == theirs.size
    return ours.kind == theirs.kind and ours.size == theirs.size


def result_difference(declared: CType, true: CType) -> Difference | None:
    """How a declared result departs from the function's own; None where Python reads what C wrote.

    A result that is thrown away (``restype = None``) is no difference.
    """
    if "unknown" in (declared.kind, true.kind) or declared.kind == "void":
        return None
    if true.kind == "void":
        return _error("the function returns nothing: what is read was left over by chance")
    if true.kind in ("float", "complex") or declared.kind in ("float", "complex"):
        if declared.kind == true.kind and declared.size == true.size:
            return None
        if declared.kind == true.kind:
            return _error(
                f"C returns {_a(true)} of {_bytes(true.size)}, and {declared.size} are read"
            )
        return _error(f"C returns {_a(true)}, and it is read from another register")
    if "struct" in (declared.kind, true.kind):
        return _by_value_returned(declared, true)
    if true.kind == "pointer":
        if declared.kind == "pointer":
            return _pointers(declared, true)
        if declared.size >= _IN_FULL:
            return None
        return _error(
            f"C returns an address, of {_IN_FULL} bytes, and the lower {declared.size} are read"
        )
    if declared.kind == "pointer":
        if true.size >= _IN_FULL:
            return None
        return _error(f"C returns a number of {_bytes(true.size)}, and it is taken for an address")
    if declared.size == true.size:
        return None
    if declared.size < true.size:
        return Difference(
            Severity.WARNING,
            f"C returns {_bytes(true.size)}, and the lower {declared.size} are read",
        )
    if true.size < 4 == declared.size:
        return Difference(
            Severity.WARNING,
            f"C returns {_bytes(true.size)}; the other {declared.size - true.size} that are read "
            "may hold anything",
        )
    return _error(
        f"C returns {_bytes(true.size)}; the other {declared.size - true.size} that are read are "
        "left over by chance"
    )


def _by_value_returned(declared: CType, true: CType) -> Difference | None:
    if declared.kind == true.kind:
        return _by_value(declared, true)
    if not true.size or not declared.size or declared.size == true.size:
        return None
    what = "a structure" if true.kind == "struct" else _a(true)
    return _error(f"C returns {what} of {_bytes(true.size)}, and {declared.size} are read")


def layout_differences(ours: StructLayout, theirs: StructLayout) -> list[Difference]:
    """Where a declared structure departs from C's; members are compared by their place."""
    found: list[Difference] = []
    if len(ours.members) != len(theirs.members):
        if ours.size == theirs.size:
            return []  # padding that is spelled out, or members that are joined
        found.append(
            _error(f"C's structure has {len(theirs.members)} members, not {len(ours.members)}")
        )
    for member, true in zip(ours.members, theirs.members, strict=False):
        if member.offset != true.offset:
            found.append(
                _error(
                    f"{member.name} lies at byte {member.offset}, and C's {true.name} at byte "
                    f"{true.offset}"
                )
            )
        elif member.type.kind == "array" and true.type.kind == "array":
            if member.type.size and true.type.size and member.type.size != true.type.size:
                found.append(_error(f"C's {true.name} is {true.type.spelling}"))
        elif not same_element(member.type, true.type):
            difference = argument_difference(member.type, true.type)
            if difference is None and member.type.size < true.type.size == _IN_FULL:
                difference = _error(f"C reads {_bytes(true.type.size)}")
            if difference is not None:
                found.append(
                    _error(f"{member.name} is {true.type.spelling} in C, {_bytes(true.type.size)}")
                )
        if found:
            break  # what follows is out of place as well
    if ours.size != theirs.size:
        found.append(_error(f"it has {ours.size} bytes, and C's has {theirs.size}"))
    return found


def _error(text: str) -> Difference:
    return Difference(Severity.ERROR, text)


def _bytes(size: int) -> str:
    return f"{size} byte{'' if size == 1 else 's'}"


def _a(type_: CType) -> str:
    """A type as a noun: ``a double``, ``an integer``."""
    if type_.kind in _NUMBERS:
        return "an integer"
    name = bare(type_.spelling)
    return f"a {name}"


def _elements(type_: CType) -> str:
    """What a pointer leads to, in the plural."""
    if type_.kind in _NUMBERS:
        return f"integers of {_bytes(type_.size)}"
    if type_.kind == "complex":
        return f"complex numbers of {_bytes(type_.size)}"
    return f"floating-point numbers of {_bytes(type_.size)}"
