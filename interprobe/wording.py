"""Says sizes, times and the layouts of arrays in plain words."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from pathlib import PurePath

from interprobe.layout import Layout
from interprobe.trace import Copy

LONGEST_QUOTE = 72
"""Characters of source text that a sentence can quote and stay readable."""

_BYTE_ORDERS = {"<": "little-endian", ">": "big-endian"}


def bytes_text(nbytes: int) -> str:
    """A size in decimal units with three digits: ``80.0 MB``, ``512 bytes``."""
    if abs(nbytes) < 1000:
        return f"{nbytes} byte" if nbytes == 1 else f"{nbytes} bytes"
    return _scaled(nbytes / 1000, ["kB", "MB", "GB", "TB", "PB", "EB"], 1000.0)


def seconds_text(seconds: float) -> str:
    """A duration with three digits: ``2.31 s``, ``4.50 ms``, ``820 ns``."""
    if seconds >= 1 or seconds <= 0:
        return f"{seconds:.3g} s" if seconds < 1000 else f"{seconds:,.0f} s"
    return _scaled(seconds * 1e9, ["ns", "us", "ms", "s"], 1000.0)


def _scaled(value: float, units: list[str], step: float) -> str:
    """``value`` in the first of the units in which its three digits stay below ``step``."""
    unit = 0
    # 999.5 would round up to 1000 of this unit, so it already belongs to the next one.
    while abs(value) >= step - 0.5 and unit < len(units) - 1:
        value /= step
        unit += 1
    digits = 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
    return f"{value:,.{digits}f} {units[unit]}"


def counted(count: int, singular: str, plural: str) -> str:
    """``1 copy``, ``2,500 copies``."""
    return f"{count:,} {singular if count == 1 else plural}"


def ordinal(number: int) -> str:
    """``2nd``, ``3rd``, ``11th``, ``2,000th``."""
    teens = number % 100 in {11, 12, 13}
    ending = "th" if teens else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number:,}{ending}"


def listed(items: Iterable[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    texts = list(items)
    if len(texts) < 2:
        return "".join(texts)
    return f"{', '.join(texts[:-1])} and {texts[-1]}"


def sentence(text: str) -> str:
    """``text`` with a capital first letter; one that begins with quoted code stays as it is."""
    return text[:1].upper() + text[1:]


def quoted(source: str) -> str:
    """Source text on one line, in backquotes, its middle left out where it is too long."""
    line = " ".join(source.split())
    if len(line) > LONGEST_QUOTE:
        half = LONGEST_QUOTE // 2 - 2
        line = f"{line[:half]} ... {line[-half:]}"
    return f"`{line}`"


def file_name(path: str) -> str:
    """The last part of a path: what a reader knows a library or a file by."""
    return PurePath(path).name or path


def element_count(layout: Layout) -> int:
    """How many elements an array has; 1 where its shape is ()."""
    return prod(layout.shape)


def item_size(layout: Layout) -> int:
    """Bytes of one element; 0 where the array is empty, so that it cannot be told."""
    count = element_count(layout)
    return layout.nbytes // count if count > 0 else 0


def is_broadcast(layout: Layout) -> bool:
    """Whether one element in memory stands at several places of the array (a stride of 0)."""
    return any(
        stride == 0 and length > 1
        for length, stride in zip(layout.shape, layout.strides, strict=False)
    )


def distinct_bytes(layout: Layout) -> int:
    """Bytes of the elements that a broadcast view really has in memory."""
    lengths = (
        length for length, stride in zip(layout.shape, layout.strides, strict=False) if stride != 0
    )
    return prod(lengths) * item_size(layout)


def byte_order_text(byteorder: str) -> str:
    """``big-endian`` for ``>``, ``little-endian`` for ``<``."""
    return _BYTE_ORDERS.get(byteorder, "without byte order")


def shape_text(shape: list[int]) -> str:
    """A shape as Python writes it: ``(1000, 3)``, ``(5,)``, ``()``."""
    return str(tuple(shape))


def layout_text(layout: Layout) -> str:
    """One array in one phrase: ``float64 (1000, 3), C order, 24.0 kB``."""
    parts = [f"{layout.dtype} {shape_text(layout.shape)}"]
    if is_broadcast(layout):
        parts.append(f"broadcast, strides {shape_text(layout.strides)}")
    elif layout.order == "strided":
        parts.append(f"not contiguous, strides {shape_text(layout.strides)}")
    elif len(layout.shape) > 1:
        parts.append("C order" if layout.order == "C" else "Fortran order")
    else:
        parts.append("contiguous")
    if layout.byteorder == ">":
        parts.append("big-endian")
    if not layout.aligned:
        parts.append("misaligned")
    parts.append(bytes_text(layout.nbytes))
    return ", ".join(parts)


def requester_text(copy: Copy) -> str:
    """Who demanded what the source did not meet: a library, or the function of NumPy."""
    if copy.native is None:
        return short_mechanism(copy.mechanism)
    return f"{file_name(copy.native.library)} (through {short_mechanism(copy.mechanism)})"


def short_mechanism(mechanism: str) -> str:
    """A mechanism as programs write it: ``np.asarray`` for ``numpy.asarray``."""
    return f"np.{mechanism.removeprefix('numpy.')}" if mechanism.startswith("numpy.") else mechanism


def element_text(layout: Layout) -> str:
    """The elements of an array in a sentence: ``float64``, ``records of 16 bytes``."""
    if layout.dtype.startswith("void"):
        return f"records of {bytes_text(item_size(layout))}"
    return layout.dtype


def gaps_text(layout: Layout) -> str:
    """Why an array's elements do not lie side by side, for a reader who knows no strides.

    Args:
        layout: An array that is neither C nor Fortran contiguous.

    Returns:
        A clause that follows "it" or the array's name, such as
        ``takes every 2nd element of each row of a larger array``.
    """
    item = item_size(layout)
    steps = [
        (length, stride)
        for length, stride in zip(layout.shape, layout.strides, strict=False)
        if length > 1
    ]
    if not steps or item == 0:
        return f"is not contiguous (strides {shape_text(layout.strides)})"
    if any(stride < 0 for _, stride in steps):
        return "runs backwards through memory (a negative stride)"
    inner = min(stride for _, stride in steps)
    if len(steps) == 1:
        return _one_axis_text(inner, item)
    if inner == item and _fills_its_memory(steps, item):
        return "has its axes in another order than they lie in memory"
    if steps[-1][1] == inner:
        return _runs_text("row", steps[-1], steps[-2][1], item)
    if steps[0][1] == inner:
        return _runs_text("column", steps[0], steps[1][1], item)
    return (
        "is a part of a larger array, with gaps between its elements "
        f"(strides {shape_text(layout.strides)})"
    )


def _one_axis_text(stride: int, item: int) -> str:
    """The gaps of an array with one axis that matters."""
    if stride % item == 0:
        return (
            f"takes every {ordinal(stride // item)} element of a larger array: they lie "
            f"{bytes_text(stride)} apart, though each is only {bytes_text(item)} long"
        )
    return (
        f"takes one element of {bytes_text(item)} out of every {bytes_text(stride)}, "
        "as a field of a record array does"
    )


def _runs_text(run: str, fastest: tuple[int, int], next_stride: int, item: int) -> str:
    """The gaps of an array whose rows (or columns) are what its smallest step walks along."""
    length, stride = fastest
    if stride == item:
        return (
            f"is a part of a larger array: each of its {run}s is {bytes_text(length * item)} long, "
            f"but they start {bytes_text(next_stride)} apart"
        )
    if stride % item == 0:
        return f"takes every {ordinal(stride // item)} element of each {run} of a larger array"
    return (
        f"takes {bytes_text(item)} out of every {bytes_text(stride)}, "
        "as a field of a record array does"
    )


def _fills_its_memory(steps: list[tuple[int, int]], item: int) -> bool:
    """Whether axes in the order of their strides would leave no gap."""
    expected = item
    for length, stride in sorted(steps, key=lambda step: step[1]):
        if stride != expected:
            return False
        expected *= length
    return True
