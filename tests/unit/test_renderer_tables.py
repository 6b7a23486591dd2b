"""The tables and lists of a report, and the paths in them."""

from __future__ import annotations

import re

import msgspec
import pytest
from report_builders import call, copy, finding, layout, site, trace
from report_samples import (
    KEEP,
    SUM,
    TURN,
    crowded,
    founding,
    lines_and_memory,
)

from interprobe.renderers import terminal
from interprobe.trace import Trace


def drawn(run: Trace, width: int = 100) -> str:
    return terminal.render(run, width=width, color=False)


def test_other_copies_add_up_to_all_copies() -> None:
    run = crowded()
    report = drawn(run)
    table = report[report.index("Other copies") :].split("\n\n")[0]
    counts = [
        int(match[1])
        for match in re.finditer(r"^(?!all).* {2,}(\d+)  +[\d.]+ \w?B", table, re.MULTILINE)
    ]
    assert sum(counts) == run.copy_count
    assert re.search(r"all copies +30 +2\.16 MB", table)


def test_copies_named_by_findings_are_no_other_copies() -> None:
    run = trace(copies=[copy(TURN, None, layout())], findings=[finding(TURN, 0)])
    assert "Other copies" not in drawn(run)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"explicit": True}, "asked for by name"),
        ({"source": None}, "made from a Python sequence"),
        ({"unmet": ["WRITEABLE"]}, "unmet: WRITEABLE"),
        ({"kind": "unknown"}, "cause unknown"),
    ],
)
def test_other_copies_say_why_they_are_no_finding(changes: dict[str, object], reason: str) -> None:
    made = msgspec.structs.replace(copy(KEEP, layout(), layout()), **changes)
    assert reason in drawn(trace(copies=[made]))


def test_crossings_are_ordered_by_time_and_at_most_twenty() -> None:
    calls = [call(site(n + 1), f"step_{n}", seconds=float(n), count=2) for n in range(25)]
    report = drawn(trace(calls=calls))
    steps = [int(number) for number in re.findall(r"^step_(\d+)", report, re.MULTILINE)]
    assert steps == list(range(24, 4, -1))
    assert re.search(r"^\+5 more +10 +10 s +1 s", report, re.MULTILINE)


def test_crossings_of_one_line_are_one_row() -> None:
    report = drawn(trace(calls=[call(SUM, count=2, lent=1000), call(SUM, count=3, lent=500)]))
    assert re.search(
        r"^dsum \(libkernels.so\) +fit.py:48 +5 +20.0 ms +4.00 ms +1.50 kB +-$",
        report,
        re.MULTILINE,
    )


def test_further_notes_take_one_line_each() -> None:
    report = drawn(crowded())
    assert report.count("\nnote IP101") == 3
    assert "Further notes: 7 ─" in report
    assert re.search(r"IP101 non-contiguous-view +fit.py:109 +72.0 kB +210 us +<0.1 %", report)


def test_lines_stand_beside_their_copies() -> None:
    report = drawn(lines_and_memory(), 160)
    assert "Lines of fit: 3.09 s" in report
    assert re.search(
        r"^  33 +200 +2.87 s +93 % +400 +128 GB +gradient = design @", report, re.MULTILINE
    )


def test_memory_shows_both_peaks_with_their_lines() -> None:
    report = drawn(lines_and_memory())
    memory = report[report.index("\nMemory ─") :]
    assert "NumPy data peaked at 812 MB (exact); 12,034 arrays allocated" in memory
    assert " 31 │ design = np.ascontiguousarray(samples.T, dtype=np.float64)" in memory
    assert "Resident memory peaked at 1.00 GB (sampled)." in memory
    assert " 33 │ gradient = design @ (design.T @ weights - target)" in memory
    assert "\n   ▂▅▅█▇▇▇▄▄▄▁\n" in memory


def test_memory_is_left_out_where_it_was_not_followed() -> None:
    assert "\nMemory" not in drawn(founding())


def test_blind_spots_close_the_report() -> None:
    report = drawn(founding())
    assert report.index("Not seen in this run:") > report.index("Crossings into native code")


def test_paths_under_the_script_are_relative() -> None:
    inside = site(7, file="/home/ada/fit/models/ridge.py")
    outside = site(8, file="/home/ada/fitting.py")
    report = drawn(trace(calls=[call(inside), call(outside)]), 160)
    assert " models/ridge.py:7 " in report
    assert " /home/ada/fitting.py:8 " in report


def test_relative_script_is_found_among_the_recorded_files() -> None:
    run = trace(calls=[call(SUM)], argv=["fit/fit.py", "--fast"])
    assert " fit.py:48 " in drawn(run)


def test_long_path_loses_its_middle_but_not_its_end() -> None:
    place = site(112, file="/home/ada/" + "a_folder/" * 20 + "module.py")
    report = drawn(trace(calls=[call(place)]), 80)
    assert re.search(r"/home/…/(a_folder/)+module.py:112|…/(a_folder/)*module.py:112", report)
