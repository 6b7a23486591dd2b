"""Draws Markdown tables, and puts them between the markers of a page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

BEGIN = "<!-- written by python3 -m benchmarks: begin -->"
END = "<!-- written by python3 -m benchmarks: end -->"


class MarkerError(Exception):
    """A page lacks the markers; the text is one sentence."""


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table: the first column to the left, the others to the right."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def failures_in_words(failures: Mapping[str, str]) -> str:
    """A sentence for each profiler that has no figures; an empty text where all have."""
    lines = [f"- {name} has no figures here: {reason}.\n" for name, reason in failures.items()]
    return "\n" + "".join(lines) if lines else ""


def between_markers(page: str, text: str) -> str:
    """``page`` with ``text`` in place of what stood between its markers.

    Raises:
        MarkerError: The page has no markers, or in the wrong order.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise MarkerError(f'the page needs the lines "{BEGIN}" and "{END}", in this order')
    return f"{before}{BEGIN}\n\n{text.strip()}\n\n{END}{after}"


def signed(value: float, digits: int = 0) -> str:
    """A number with its sign, and with commas from a thousand on."""
    return f"{value:+,.{digits}f}"
