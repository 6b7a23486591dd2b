"""The SVG report: the terminal's text, in one file that fetches nothing."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from report_samples import SAMPLES, founding

from interprobe.renderers import svg, terminal

TEXT = "{http://www.w3.org/2000/svg}text"
BLANK = "\N{NO-BREAK SPACE}"


def texts(document: str) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(document).iter(TEXT))


@pytest.mark.parametrize("sample", SAMPLES)
def test_it_says_what_the_terminal_says(sample: str) -> None:
    run = SAMPLES[sample]()
    document = svg.render(run, width=100, color=True)
    # Each run of one style is an element of its own: compared without the blanks between them.
    said = "".join("".join((element.text or "").split()) for element in texts(document))
    for line in terminal.render(run, width=100, color=False).splitlines():
        assert "".join(line.split()) in said


def test_it_fetches_nothing() -> None:
    document = svg.render(founding(), width=100, color=True)
    assert "@font-face" not in document
    assert "url(http" not in document
    assert not re.search(r"(?:href|src)\s*=", document)


def test_no_text_element_starts_with_a_blank_that_viewers_drop() -> None:
    for element in texts(svg.render(founding(), width=100, color=True)):
        text = element.text or ""
        assert not text.strip() or text[0] not in (" ", BLANK)


def test_without_colour_only_greys_are_used_for_text() -> None:
    def hues(document: str) -> set[str]:
        colours = re.findall(r"-r\d+ \{ fill: #([0-9a-f]{6})", document)
        # The theme's own white is a little off grey.
        return {
            colour
            for colour in colours
            if max(bytes.fromhex(colour)) - min(bytes.fromhex(colour)) > 8
        }

    coloured = hues(svg.render(founding(), width=100, color=True))
    plain = hues(svg.render(founding(), width=100, color=False))
    assert len(coloured) > 3
    assert not plain


def test_same_trace_makes_the_same_document() -> None:
    assert svg.render(founding(), width=80, color=True) == svg.render(
        founding(), width=80, color=True
    )
