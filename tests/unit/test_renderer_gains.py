"""What a report says a fix gains, word by word."""

from __future__ import annotations

import math

import pytest
from report_builders import finding, site, trace

from interprobe.findings import Saving
from interprobe.renderers import terminal
from interprobe.terminal.gain import factor, gain_figure, gain_words

RUN = 4.0


@pytest.mark.parametrize(
    ("saving", "words", "figure"),
    [
        (
            Saving(
                3.1, 2.9, 3.3, 1.2, "warm", "measured", program_seconds=4.0, verdict="worth it"
            ),
            "gains 3.10x at this call (2.90 to 3.30, measured, caches warm): 1.2 s of the 4 s run",
            "3.10x",
        ),
        (
            Saving(
                1.02, 0.97, 1.06, 0.02, "evicted", "measured",
                program_seconds=4.0, verdict="not worth it",
            ),
            "not worth it: measured 1.02x at this call (0.97 to 1.06, caches cold): "
            "20.0 ms of the 4 s run",
            "none",
        ),
        (
            Saving(0.8, 0.7, 0.9, -0.5, "either", "measured", verdict="not worth it"),
            "not worth it: measured 0.80x at this call (0.70 to 0.90, caches warm or cold): "
            "no time",
            "none",
        ),
        (
            Saving(1.1, 1.06, 1.3, 0.1, None, "measured", verdict="undecided"),
            "undecided: measured 1.10x at this call (1.06 to 1.30): 100 ms",
            "1.10x",
        ),
        (
            Saving(
                1.8, seconds=1.2, method="estimated", reason="threads were at work",
                program_seconds=4.0, verdict="worth it",
            ),
            "estimated 1.80x at this call: 1.2 s of the 4 s run; threads were at work",
            "~1.80x",
        ),
        (
            Saving(seconds=1.2, method="estimated", program_seconds=8.0, verdict="worth it"),
            "estimated 1.2 s of the 8 s that its processes took",
            "-",
        ),
        (
            Saving(
                8.0, seconds=1.2, method="estimated", program_seconds=3.0, probe_seconds=1.0,
                verdict="worth it",
            ),
            "estimated 8.00x at this call: 1.2 s of the 3 s that the run takes unobserved",
            "~8.00x",
        ),
        (Saving(reason="it takes a file"), "not measured: it takes a file", "-"),
        (Saving(), "not measured", "-"),
        (Saving(2.0, method="measured", verdict="worth it"),
         "gains 2.00x at this call (measured)", "2.00x"),
        (Saving(method="estimated"), "estimated unknown", "-"),
    ],
)  # fmt: skip
def test_a_saving_is_one_sentence_and_one_figure(saving: Saving, words: str, figure: str) -> None:
    assert gain_words(saving, RUN) == words
    assert gain_figure(saving) == figure


def test_a_finding_without_a_saving_has_no_figure() -> None:
    assert gain_figure(None) == "-"


@pytest.mark.parametrize(
    ("speedup", "text"),
    [(1.0, "1.00x"), (9.994, "9.99x"), (9.996, "10.0x"), (99.96, "100x"), (1300.0, "1,300x"),
     (math.inf, "unknown")],
)  # fmt: skip
def test_a_speedup_has_three_digits(speedup: float, text: str) -> None:
    assert factor(speedup) == text


def test_fixes_that_gain_the_same_say_so_once_and_others_with_their_codes() -> None:
    place = site(3, "    b = np.asarray(a.T)", "np.asarray(a.T)")
    gains = Saving(2.0, seconds=1.0, method="estimated", verdict="worth it")
    one, other = (finding(place, rule=code, saving=gains) for code in ("IP102", "IP103"))
    less = finding(place, rule="IP107", saving=Saving(2.0, seconds=0.5, method="estimated"))
    same = terminal.render(trace(findings=[one, other]), width=100, color=False)
    assert same.count("estimated 2.00x at this call: 1 s") == 2  # no record, so two blocks
    run = trace(
        copies=[], findings=[finding(place, 0, rule=each.rule, saving=each.saving)
                             for each in (one, other, less)]
    )  # fmt: skip
    report = terminal.render(run, width=100, color=False)
    assert "saving  IP102, IP103: estimated 2.00x at this call: 1 s\n" in report
    assert "saving  IP107: estimated 2.00x at this call: 500 ms\n" in report


@pytest.mark.parametrize(("seconds", "told"), [(0.2, True), (0.039, False), (-1.0, False)])
def test_the_verdict_tells_of_a_fix_that_the_run_would_feel(seconds: float, told: bool) -> None:
    saving = Saving(
        2.0, seconds=seconds, method="estimated", program_seconds=RUN, verdict="worth it"
    )
    run = trace(findings=[finding(site(), saving=saving)], seconds=RUN)
    verdict = terminal.render(run, width=160, color=False).splitlines()[0]
    assert ("the best fix saves 200 ms (estimated)" in verdict) is told
