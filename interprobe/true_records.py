"""The record that a C function's own prototype expects behind a pointer."""

from __future__ import annotations

from interprobe.prototypes import CType, Prototype
from interprobe.record_layouts import RecordLayout, parse_record

_LETTERS = {"int": "i", "uint": "u", "float": "f", "complex": "c", "bool": "b", "pointer": "p"}
_MOST_NESTED = 8


def true_record(prototype: Prototype | None, position: int) -> RecordLayout | None:
    """The layout of the structure that a parameter points to.

    Args:
        prototype: Of the function, from debug information or a header.
        position: Of the parameter, from 0.

    Returns:
        None where it points to none, or where the structure is not known to its last byte.
    """
    if prototype is None or position >= len(prototype.parameters):
        return None
    pointed = prototype.parameters[position].type.target
    if pointed is None or pointed.kind != "struct":
        return None
    words = _words(prototype, pointed, "", 0, 0)
    layout = prototype.layout_of(pointed)
    if words is None or layout is None or layout.size <= 0:
        return None
    return parse_record(" ".join([*words, f"={layout.size}"]))


def _words(
    prototype: Prototype, struct: CType, prefix: str, start: int, depth: int
) -> list[str] | None:
    """The members of a structure as :func:`interprobe.record_layouts.parse_record` reads them."""
    layout = prototype.layout_of(struct)
    if layout is None or not layout.members or depth > _MOST_NESTED:
        return None
    if layout.is_union:
        return [f"{prefix.rstrip('.') or 'union'}@{start}:V{layout.size}"]
    words: list[str] = []
    for member in layout.members:
        name, offset = f"{prefix}{member.name}", start + member.offset
        inner, count = _element(member.type)
        if inner is None:
            return None
        if inner.kind == "struct" and count == 1:
            nested = _words(prototype, inner, f"{name}.", offset, depth + 1)
            if nested is None:
                return None
            words.extend(nested)
        else:
            letter = _LETTERS.get(inner.kind, "V")
            times = f"*{count}" if count > 1 else ""
            words.append(f"{name}@{offset}:{letter}{inner.size}{times}")
    return words


def _element(type_: CType) -> tuple[CType | None, int]:
    """What a member consists of, and how many of it; None where a size is not known."""
    count = 1
    while type_.kind == "array":
        if type_.target is None or type_.length <= 0:
            return None, 0
        count *= type_.length
        type_ = type_.target
    return (type_, count) if type_.size > 0 else (None, 0)
