"""The mark under a source line covers the very expression, whatever the line holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_builders import site

from interprobe.findings import Site
from interprobe.terminal.excerpt import Underlined, underlined

WIDE_CHARACTERS = "数値計算"
CHARACTERS = st.text("ab .()=é" + WIDE_CHARACTERS + "\t", max_size=40)


def cells(text: str) -> int:
    return sum(2 if character in WIDE_CHARACTERS else 1 for character in text)


def marked(shown: Underlined) -> str:
    """The part of the line above the mark, found by counting cells."""
    covered, at = "", 0
    for character in shown.line:
        if shown.start <= at < shown.end:
            covered += character
        at += cells(character)
    return covered


@given(before=CHARACTERS, inside=st.sampled_from("fg"), middle=CHARACTERS, after=CHARACTERS)
def test_mark_covers_the_expression(before: str, inside: str, middle: str, after: str) -> None:
    # Letters that no other part has, so that the expression begins and ends in no white space.
    expression = f"{inside}{middle}{inside}"
    shown = underlined(site(3, f"{before}{expression}{after}", expression), 1000)
    assert marked(shown) == expression.replace("\t", "    ")


@given(before=CHARACTERS, expression=CHARACTERS, after=CHARACTERS, width=st.integers(1, 60))
def test_line_and_mark_fit_any_width(before: str, expression: str, after: str, width: int) -> None:
    shown = underlined(site(3, f"{before}x{expression}x{after}", f"x{expression}x"), width)
    assert cells(shown.line) <= max(width, 3)
    assert 0 <= shown.start <= shown.end <= width


@pytest.mark.parametrize("width", [30, 50, 70])
def test_long_line_is_cropped_around_its_expression(width: int) -> None:
    source = "result = " + "first + " * 20 + "np.asarray(x)" + " + last" * 20
    shown = underlined(site(3, source, "np.asarray(x)"), width)
    assert marked(shown) == "np.asarray(x)"
    assert shown.line.startswith("…")
    assert shown.line.endswith("…")
    assert width - 1 <= cells(shown.line) <= width


def test_expression_longer_than_the_page_is_marked_to_the_ellipsis() -> None:
    expression = "solve(" + "matrix, " * 30 + ")"
    shown = underlined(site(3, f"x = {expression}", expression), 40)
    assert shown.line == f"x = {expression}"[:39] + "…"
    assert marked(shown) == expression[:35]


def test_expression_of_several_lines_is_marked_to_the_end_of_the_first() -> None:
    place = Site("a.py", 3, 8, 5, 9, "f", "call(\n        x,\n    )", "    y = call(   \n")
    assert marked(underlined(place, 80)) == "call("


def test_without_columns_an_expression_that_occurs_once_is_marked() -> None:
    place = Site("a.py", 3, expression="x.T", source="y = f(x.T)")
    assert marked(underlined(place, 80)) == "x.T"


def test_without_columns_nothing_is_guessed() -> None:
    place = Site("a.py", 3, expression="x.T", source="y = f(x.T, x.T)")
    assert underlined(place, 80) == Underlined("y = f(x.T, x.T)", 0, 0)


def test_columns_beyond_the_line_mark_nothing() -> None:
    place = Site("a.py", 3, 400, 3, 410, expression="x.T", source="y = 1")
    assert underlined(place, 80) == Underlined("y = 1", 0, 0)


def test_without_the_line_the_expression_is_shown() -> None:
    place = Site("a.py", 3, 4, 3, 9, expression="f(\n  x.T)", source="")
    assert underlined(place, 80).line == "f("
