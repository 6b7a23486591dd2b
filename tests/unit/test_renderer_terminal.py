"""The terminal report as a whole: its verdict, its colours, and text that it must not trust."""

from __future__ import annotations

import re

import msgspec
import pytest
from report_builders import finding, site, trace
from report_samples import (
    SAMPLES,
    clean,
    cut_short,
    empty,
    founding,
)

from interprobe.renderers import terminal
from interprobe.trace import Trace

ANSI = re.compile(r"\x1b\[[0-9;]*m")


def drawn(run: Trace, width: int = 100) -> str:
    return terminal.render(run, width=width, color=False)


def test_verdict_is_one_line_where_there_is_room() -> None:
    verdict = drawn(founding(), 180).splitlines()[0]
    assert verdict == (
        "1 error, 2 warnings, 2 notes · 1.97 GB copied in 62 copies · "
        "copying took 38 % of 3.42 s · the best fix saves 600 ms (measured) · "
        "NumPy memory peak 812 MB · resident peak 1.02 GB"
    )


def test_verdict_breaks_between_its_statements() -> None:
    assert drawn(founding(), 80).splitlines()[:4] == [
        "1 error, 2 warnings, 2 notes · 1.97 GB copied in 62 copies",
        "copying took 38 % of 3.42 s · the best fix saves 600 ms (measured)",
        "NumPy memory peak 812 MB · resident peak 1.02 GB",
        "",
    ]


def test_nothing_found_says_what_was_looked_at() -> None:
    verdict = drawn(clean()).splitlines()[0]
    assert verdict.startswith("All clear: nothing to report in 1,204 crossings and 3 copies")


def test_nothing_seen_is_no_praise() -> None:
    assert drawn(empty()).startswith("Nothing to judge: no crossing into native code and no copy")


def test_cut_short_run_says_so_first_and_is_not_all_clear() -> None:
    report = drawn(cut_short())
    assert report.startswith("Incomplete: the recording ended before the program did.")
    assert "was last inside dsum in libkernels.so." in report
    assert "ended by signal 11 (SIGSEGV)." in report
    assert "All clear" not in report
    assert "Nothing found so far in 3 crossings" in report


def test_exit_status_of_a_failed_program_is_said() -> None:
    assert drawn(trace(exit_status=3)).startswith("The program ended with exit status 3.")


def test_number_of_processes_is_said_where_there_are_several() -> None:
    run = clean()
    assert "processes" not in drawn(run)
    run = msgspec.structs.replace(run, processes=run.processes * 4)
    assert "4 processes" in drawn(run)


def test_markup_and_emoji_codes_are_drawn_as_they_are() -> None:
    place = site(5, "x = np.asarray(y)[bold]", "np.asarray(y)", function="[red]f[/red] :smile:")
    report = drawn(trace(findings=[finding(place, cause="[/] [link=x]y[/link] :boom:")]))
    assert "in [red]f[/red] :smile:" in report
    assert "│ x = np.asarray(y)[bold]" in report
    assert "[/] [link=x]y[/link] :boom:" in report


def test_control_codes_of_the_program_do_not_reach_the_terminal() -> None:
    place = site(5, "x = '\x1b[31m'\x0c", function="f\x1b]0;title\x07")
    report = drawn(trace(findings=[finding(place)]))
    assert "␛[31m" in report
    assert "f␛]0;title␇" in report


@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("width", [60, 80, 160])
def test_colours_add_no_meaning(sample: str, width: int) -> None:
    run = SAMPLES[sample]()
    coloured = terminal.render(run, width=width, color=True)
    plain = terminal.render(run, width=width, color=False)
    assert ANSI.search(coloured)
    assert ANSI.sub("", coloured) == plain


def test_environment_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    before = terminal.render(founding(), width=80, color=True)
    for name, value in {"NO_COLOR": "1", "COLUMNS": "20", "TERM": "dumb"}.items():
        monkeypatch.setenv(name, value)
    assert terminal.render(founding(), width=80, color=True) == before
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b" not in terminal.render(founding(), width=80, color=False)


def test_narrower_than_sixty_is_drawn_as_sixty() -> None:
    assert drawn(founding(), 10) == drawn(founding(), 60)
