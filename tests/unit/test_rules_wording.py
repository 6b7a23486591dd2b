"""Sizes, times, counts and layouts in plain words."""

from __future__ import annotations

import numpy as np
import pytest
from trace_builder import layout_of

from interprobe import wording


@pytest.mark.parametrize(
    ("nbytes", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1.00 kB"),
        (9_994, "9.99 kB"),
        (9_996, "10.0 kB"),
        (99_960, "100 kB"),
        (999_499, "999 kB"),
        (999_500, "1.00 MB"),
        (80_000_000, "80.0 MB"),
        (5_600_000_000, "5.60 GB"),
        (10**21, "1,000 EB"),
    ],
)
def test_bytes(nbytes: int, text: str) -> None:
    assert wording.bytes_text(nbytes) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 s"),
        (36e-9, "36.0 ns"),
        (45e-6, "45.0 us"),
        (0.0123, "12.3 ms"),
        (0.9996, "1.00 s"),
        (2.314, "2.31 s"),
        (4321.0, "4,321 s"),
    ],
)
def test_seconds(seconds: float, text: str) -> None:
    assert wording.seconds_text(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (13, "13th"), (1002, "1,002nd")],
)
def test_ordinals(number: int, text: str) -> None:
    assert wording.ordinal(number) == text


def test_lists() -> None:
    assert wording.listed([]) == ""
    assert wording.listed(["a"]) == "a"
    assert wording.listed(["a", "b", "c"]) == "a, b and c"


def test_long_source_text_is_shortened_in_the_middle() -> None:
    text = wording.quoted("f(\n    first,\n" + "x" * 200 + ", last)")
    assert text.startswith("`f( first, xxx")
    assert text.endswith(", last)`")
    assert len(text) <= wording.LONGEST_QUOTE + 7
    assert wording.quoted("a[:, ::2]") == "`a[:, ::2]`"


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (np.zeros(5), "float64 (5,), contiguous, 40 bytes"),
        (np.zeros((5, 4)), "float64 (5, 4), C order, 160 bytes"),
        (np.zeros((5, 4), order="F"), "float64 (5, 4), Fortran order, 160 bytes"),
        (np.zeros((5, 4))[:, 1], "float64 (5,), not contiguous, strides (32,), 40 bytes"),
        (
            np.broadcast_to(np.zeros(4), (5, 4)),
            "float64 (5, 4), broadcast, strides (0, 8), 160 bytes",
        ),
        (np.zeros(5, ">i4"), "int32 (5,), contiguous, big-endian, 20 bytes"),
        (
            np.frombuffer(bytes(41), np.float64, offset=1),
            "float64 (5,), contiguous, misaligned, 40 bytes",
        ),
        (np.array(1.0), "float64 (), contiguous, 8 bytes"),
    ],
)
def test_layouts(array: np.ndarray, text: str) -> None:
    assert wording.layout_text(layout_of(array)) == text


def test_the_memory_behind_a_broadcast_array() -> None:
    layout = layout_of(np.broadcast_to(np.zeros((4, 1), np.float32), (3, 4, 5)))
    assert wording.is_broadcast(layout)
    assert wording.distinct_bytes(layout) == 16


def test_an_empty_array_has_no_item_size() -> None:
    assert wording.item_size(layout_of(np.zeros((0, 3)))) == 0
