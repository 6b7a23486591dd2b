"""Reads the attributes of entries of debug information (DWARF), as pyelftools has them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def followed(die: Any, attribute: str) -> Any:
    """The entry that an attribute refers to; None where there is no such attribute."""
    return die.get_DIE_from_attribute(attribute) if attribute in die.attributes else None


def with_attribute(die: Any, attribute: str) -> Any:
    """The entry itself, or the one that it refers to, which has the attribute."""
    for _ in range(4):
        if attribute in die.attributes:
            return die
        origin = followed(die, "DW_AT_abstract_origin") or followed(die, "DW_AT_specification")
        if origin is None:
            return die
        die = origin
    return die


def inherited(die: Any, attribute: str) -> Any:
    """An attribute of the entry, or of the one that it refers to."""
    return with_attribute(die, attribute).attributes.get(attribute)


def text(attribute: Any) -> str | None:
    """The value of an attribute that is a name."""
    if attribute is None:
        return None
    value = attribute.value
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def byte_size(die: Any) -> int:
    """Bytes of the type that an entry describes; 0 where it does not say."""
    size = die.attributes.get("DW_AT_byte_size")
    return size.value if size is not None and isinstance(size.value, int) else 0


def code_ranges(dwarf: Any, cu: Any, die: Any) -> Iterator[tuple[int, int]]:
    """The blocks of code of an entry; the first begins where a function is entered."""
    low, high = die.attributes.get("DW_AT_low_pc"), die.attributes.get("DW_AT_high_pc")
    if low is not None and high is not None:
        end = high.value if high.form.startswith("DW_FORM_addr") else low.value + high.value
        yield low.value, end
        return
    listed = die.attributes.get("DW_AT_ranges")
    lists = dwarf.range_lists() if listed is not None else None
    if lists is None:
        return
    base = cu.get_top_DIE().attributes.get("DW_AT_low_pc")
    start = base.value if base is not None else 0
    for entry in lists.get_range_list_at_offset(listed.value, cu):
        if hasattr(entry, "base_address"):
            start = entry.base_address
        else:
            shift = 0 if getattr(entry, "is_absolute", False) else start
            yield entry.begin_offset + shift, entry.end_offset + shift
