"""Figures keep to one form: three digits, the unit that fits, no false precision at the ends."""

from __future__ import annotations

import pytest

from interprobe.terminal.units import byte_count, duration, share, table_count


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 B"),
        (1, "1 B"),
        (999, "999 B"),
        (1000, "1.00 kB"),
        (999_999, "1.00 MB"),
        (1_600_000_000, "1.60 GB"),
        (-2048, "-2.05 kB"),
    ],
)
def test_bytes_are_decimal(count: int, words: str) -> None:
    assert byte_count(count) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "0 s"),
        (36e-9, "36.0 ns"),
        (2.5e-6, "2.50 us"),
        (0.0132, "13.2 ms"),
        (1.06, "1.06 s"),
        (float("nan"), "unknown"),
        (float("inf"), "unknown"),
    ],
)
def test_times_use_the_unit_that_fits(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("fraction", "words"),
    [
        (0.0, "0 %"),
        (0.0004, "<0.1 %"),
        (0.042, "4.2 %"),
        (0.0996, "10 %"),
        (0.384, "38 %"),
        (1.0, "100 %"),
        (float("nan"), "unknown"),
    ],
)
def test_shares_are_rounded_but_never_to_nothing(fraction: float, words: str) -> None:
    assert share(fraction) == words


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (9_999_999, "9,999,999"),
        (12_345_678, "12.3 M"),
        (2_100_000_000, "2.1 G"),
        (3 * 10**18, "3.00e+18"),
    ],
)
def test_large_counts_are_scaled_in_tables(count: int, words: str) -> None:
    assert table_count(count) == words
