"""Strings of the recorded program as text that is safe to draw: no control codes, no markup.

Names, paths and source lines come from the program; they may hold escape sequences, lone
surrogates or characters that turn the direction of writing. Each such character becomes one
visible character of one cell, so that columns still line up.
"""

from __future__ import annotations

import unicodedata

from rich.text import Text

PROSE_WIDTH = 100
"""Cells beyond which running text is not set, however wide the terminal: longer lines tire."""

_TAB_SIZE = 4
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_JOINERS = "\u200c\u200d"


def visible(character: str) -> str:
    """``character`` itself if it can be drawn, else one visible stand-in."""
    if " " <= character <= "~":
        return character
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\N{SYMBOL FOR DELETE}"
    category = unicodedata.category(character)
    # Cf holds the characters that reverse the direction of writing; the two joiners are harmless.
    if category in ("Cc", "Cs", "Cn", "Zl", "Zp") or (
        category == "Cf" and character not in _JOINERS
    ):
        return _REPLACEMENT
    return character


def one_line(text: str) -> str:
    """``text`` on one line: runs of white space become single spaces, other controls visible."""
    return "".join(map(visible, " ".join(text.split())))


def several_lines(text: str) -> str:
    """``text`` with its line ends kept, tabs expanded and other controls visible."""
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join("".join(map(visible, line.expandtabs(_TAB_SIZE))).rstrip() for line in lines)


def inline(text: str, style: str = "") -> Text:
    """``text`` as one line that may be wrapped anywhere if it must."""
    return Text(one_line(text), style=style, overflow="fold")


def prose(text: str, style: str = "") -> Text:
    """``text`` as paragraphs, line ends kept."""
    return Text(several_lines(text).strip("\n"), style=style, overflow="fold")
