"""What became of the tests of a run, and how two runs compare; reads no file and starts nothing."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Event = tuple[str, str]
"""What happened to a test and the text that came with it: ``("failed", "assert 1 == 2")``."""

Tests = dict[str, tuple[Event, ...]]
"""The events of each test, in the order in which the tests began."""

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{5,}")


@dataclass(frozen=True)
class Outcomes:
    """What a run of a test suite left behind.

    Attributes:
        tests: The events of each test; one in which the process died has ``("began", "")`` alone.
        status: The exit status of pytest; negative for a signal.
    """

    tests: Tests
    status: int

    def counts(self) -> str:
        """How many tests passed, were skipped and so on, as a line of text."""
        found = Counter(_outcome(events) for events in self.tests.values())
        return ", ".join(f"{count:,} {what}" for what, count in found.most_common() if what)

    def unfinished(self) -> list[str]:
        """The tests that began and came to no end."""
        return [test for test, events in self.tests.items() if _outcome(events) == "unfinished"]


@dataclass(frozen=True)
class Difference:
    """A test that went otherwise under interprobe than without.

    Attributes:
        test: Its id; ``exit status`` for that of the whole run.
        plain: Its events without interprobe; empty if it was not run.
        probed: Its events under interprobe.
        seen: What further runs of its file showed: ``"every time"``, ``"not every time"``, or
            ``"flaky"`` where it also changes without interprobe. ``"once"`` if none was made.
        expected: Why it cannot be the same, where that is known; else empty.
    """

    test: str
    plain: tuple[Event, ...]
    probed: tuple[Event, ...]
    seen: Literal["once", "every time", "not every time", "flaky"] = "once"
    expected: str = field(default="")

    @property
    def counts(self) -> bool:
        """Whether it is to be explained: neither flaky nor expected."""
        return self.seen != "flaky" and not self.expected


def read_log(lines: Iterable[str], folder: str) -> Tests:
    """The events of each test in a log of ``outcome_log.py``.

    Args:
        lines: A JSON object each; a last line that was cut short is left out.
        folder: Where the run had its files. Its name is another in each run, so texts have
            ``FOLDER`` for it, and ``0x`` for every address.
    """
    tests: dict[str, list[Event]] = {}
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        text = _ADDRESS.sub("0x", entry["text"].replace(folder, "FOLDER"))
        tests.setdefault(entry["test"], []).append((entry["what"], text))
    return {test: tuple(events) for test, events in tests.items()}


def differences(plain: Outcomes, probed: Outcomes) -> list[Difference]:
    """The tests that did not go the same way in two runs, in the order of the first.

    The exit status is one more, ``"exit status"``, where no test's outcome accounts for it.
    """
    found = [
        Difference(test, plain.tests.get(test, ()), probed.tests.get(test, ()))
        for test in {**plain.tests, **probed.tests}
        if plain.tests.get(test) != probed.tests.get(test)
    ]
    statuses = {plain.status, probed.status}
    # pytest's own, 0 and 1, say no more than whether a test failed.
    if len(statuses) > 1 and not (found and statuses <= {0, 1}):
        ends = ((str(plain.status), ""),), ((str(probed.status), ""),)
        found.append(Difference("exit status", ends[0], ends[1]))
    return found


def confirm(
    difference: Difference, plain: Sequence[Outcomes], probed: Sequence[Outcomes]
) -> Difference:
    """Say what further runs of the test showed.

    Args:
        difference: As the first two runs showed it.
        plain: Further runs of it without interprobe.
        probed: Further runs of it under interprobe.
    """
    if not plain or not probed:
        return difference
    without = {difference.plain, *(run.tests.get(difference.test, ()) for run in plain)}
    under = {difference.probed, *(run.tests.get(difference.test, ()) for run in probed)}
    if len(without) > 1:
        seen: Literal["flaky", "not every time", "every time"] = "flaky"
    elif without & under:
        seen = "not every time"
    else:
        seen = "every time"
    return Difference(difference.test, difference.plain, difference.probed, seen)


def explain(difference: Difference, expected: Mapping[str, str]) -> Difference:
    """Add why a test cannot be the same.

    Args:
        difference: What was found.
        expected: The reason of each test that is known; an id that ends in ``*`` is the beginning
            of several.
    """
    for test, why in expected.items():
        if difference.test == test or (test[-1:] == "*" and difference.test.startswith(test[:-1])):
            return Difference(
                difference.test, difference.plain, difference.probed, difference.seen, why
            )
    return difference


def file_of(test: str) -> str:
    """The file in which a test is, relative to pytest's root folder; empty if it is in none."""
    file = test.partition("::")[0]
    return file if file.endswith(".py") else ""


def _outcome(events: tuple[Event, ...]) -> str:
    """The one word for what became of a test; empty for what is no test, such as a warning."""
    words = [what for what, _ in events if what not in ("began", "warned")]
    if words:
        return words[-1]
    return "unfinished" if any(what == "began" for what, _ in events) else ""
