"""An array's layout in words, and the table that sets the layouts before and after a copy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from interprobe.terminal.text import inline
from interprobe.terminal.units import byte_count
from interprobe.wording import byte_order_text, counted, is_broadcast, item_size

if TYPE_CHECKING:
    from interprobe.layout import Layout
    from interprobe.trace import Argument, Copy

_MOST_DIMENSIONS = 6
_MOST_ARGUMENTS = 8
_MOST_SOURCES = 3


def order_words(layout: Layout) -> str:
    """How the elements follow one another in memory, and the order's short name."""
    dimensions = len(layout.shape)
    if layout.order == "strided":
        return f"{_strided_words(layout)} (strided)"
    if dimensions < 2:
        return "one value" if dimensions == 0 else "elements side by side (C)"
    if dimensions == 2:
        run = "rows" if layout.order == "C" else "columns"
        return f"{run} side by side ({layout.order})"
    fastest = "last" if layout.order == "C" else "first"
    return f"{fastest} index fastest ({layout.order})"


def numbers(values: Sequence[int]) -> str:
    """A shape or strides as Python writes them; the middle of a very long one is counted."""
    if len(values) == 1:
        return f"({values[0]},)"
    if len(values) <= _MOST_DIMENSIONS:
        return f"({', '.join(map(str, values))})"
    head, tail = ", ".join(map(str, values[:3])), ", ".join(map(str, values[-2:]))
    return f"({head}, … {len(values) - 5} more …, {tail})"


def phrase(layout: Layout) -> str:
    """One array in one phrase: ``float32 (1000, 3), rows side by side (C)``."""
    plain = len(layout.shape) == 1 and layout.order == "C"
    order = "contiguous" if plain else order_words(layout)
    parts = [f"{layout.dtype} {numbers(layout.shape)}", order]
    if layout.byteorder == ">":
        parts.append("big-endian")
    if not layout.aligned:
        parts.append("misaligned")
    return ", ".join(parts)


def change_table(copy: Copy) -> Table:
    """The layouts of a copy's source and result side by side; an arrow marks what changed."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("", Text("before", style="dim"), "", Text("after", style="dim"))
    before = _properties(copy.source) if copy.source is not None else {}
    after = _properties(copy.result)
    for name, new in after.items():
        old = before.get(name, "a Python sequence" if name == "dtype" else "")
        changed = old != new
        if name in _SHOWN_IF_CHANGED and (not changed or copy.source is None):
            continue
        style = "bold" if changed else "dim"
        table.add_row(
            name,
            inline(old, "" if changed else "dim"),
            Text("->" if changed else ""),
            inline(new, style),
        )
    return table


def left_out(copies: Sequence[Copy]) -> str:
    """What the table of one copy leaves out: other sizes, other layouts; "" if nothing.

    Args:
        copies: All copies that the block speaks of, that of the table first.
    """
    smallest = min(copy.nbytes_min for copy in copies)
    largest = max(copy.nbytes_max for copy in copies)
    notes = []
    if smallest != largest:
        notes.append(f"the largest copy; sizes are {byte_count(smallest)} to {byte_count(largest)}")
    sources = dict.fromkeys(
        phrase(copy.source) if copy.source is not None else "a Python sequence" for copy in copies
    )
    # The first is the one in the table.
    others = list(sources)[1:]
    if others:
        more = len(others) - _MOST_SOURCES
        notes.append(
            f"also from {'; '.join(others[:_MOST_SOURCES])}"
            + (f" and {counted(more, 'other', 'others')}" if more > 0 else "")
        )
    return "; ".join(notes)


def argument_table(arguments: Sequence[Argument]) -> Table | None:
    """What a callee declares and what it was given, for each argument that is an array."""
    arrays = [argument for argument in arguments if argument.given is not None]
    if not arrays:
        return None
    prototyped = any(argument.true is not None for argument in arrays)
    table = Table.grid(padding=(0, 2, 0, 0))
    headings = ["argument", "declared", *(["prototype"] if prototyped else []), "given"]
    for heading in headings:
        table.add_column(overflow="fold", no_wrap=heading == "argument")
    table.add_row(*(Text(heading, style="dim") for heading in headings))
    for argument in arrays[:_MOST_ARGUMENTS]:
        if argument.given is None:
            continue
        cells = [
            inline(argument.name or str(argument.position + 1)),
            inline(argument.declared or "nothing"),
        ]
        if prototyped:
            cells.append(inline(argument.true or "unknown"))
        table.add_row(*cells, inline(phrase(argument.given), "bold"))
    if len(arrays) > _MOST_ARGUMENTS:
        table.add_row(Text(f"+{len(arrays) - _MOST_ARGUMENTS} more", style="dim"))
    return table


_SHOWN_IF_CHANGED = frozenset({"byte order", "alignment"})
"""Properties that nearly always agree, so that naming them would be noise."""


def _properties(layout: Layout) -> dict[str, str]:
    """The rows of the table for one layout."""
    return {
        "dtype": layout.dtype,
        "byte order": byte_order_text(layout.byteorder),
        "shape": numbers(layout.shape),
        "order": order_words(layout),
        "strides": f"{numbers(layout.strides)} bytes",
        "alignment": "aligned" if layout.aligned else "misaligned",
    }


def _strided_words(layout: Layout) -> str:
    """What kind of layout one is that has neither order."""
    steps = [
        (length, stride)
        for length, stride in zip(layout.shape, layout.strides, strict=False)
        if length > 1
    ]
    item = item_size(layout)
    if is_broadcast(layout):
        return "elements repeated"
    if any(stride < 0 for _, stride in steps):
        return "backwards"
    if len(steps) == 1 and item > 0 and steps[0][1] % item == 0:
        return f"one element of every {steps[0][1] // item:,}"
    expected = item
    for length, stride in sorted(steps, key=lambda step: step[1]):
        if stride != expected:
            return "with gaps"
        expected *= length
    return "axes exchanged" if steps else "with gaps"
