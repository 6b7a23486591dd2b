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
    several_processes,
)

from interprobe.renderers import terminal
from interprobe.terminal.places import native_function
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
        r"^dsum \(libkernels.so\) +ctypes +fit.py:48 +5 +20.0 ms +4.00 ms +1.50 kB +-$",
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


@pytest.mark.parametrize(
    ("kind", "mechanism", "made_by", "reason"),
    [
        ("sequence", "numpy.array", "np.array", "made from a Python sequence"),
        ("overlap", "numpy.add", "np.add", "input overlaps the output"),
        (
            "overlap+writeback",
            "numpy.add",
            "np.add",
            "input overlaps the output, then written back",
        ),
        ("writeback", "numpy.putmask", "np.putmask", "a temporary written back to its array"),
        ("gather", "numpy.concatenate", "np.concatenate", "gathered into one array"),
        ("gather", "ndarray.__getitem__", "x[...]", "elements picked by index"),
        ("cast", "ndarray.__setitem__", "x[...] = y", "assigned"),
    ],
)
def test_transfers_say_in_words_what_they_were(
    kind: str, mechanism: str, made_by: str, reason: str
) -> None:
    made = copy(KEEP, layout(), layout(), mechanism=mechanism, kind=kind, explicit=True)
    report = drawn(trace(copies=[made]), 160)
    assert re.search(
        rf"^{re.escape(made_by)} {{2,}}fit.py:60 {{2,}}{re.escape(reason)} {{2,}}1 ",
        report,
        re.MULTILINE,
    )


def test_a_hundred_crossings_stay_one_page() -> None:
    calls = [call(site(n + 1), f"step_{n}", seconds=1.0, count=2) for n in range(100)]
    for width, shown in ((80, 10), (160, 20)):
        table = drawn(trace(calls=calls), width).split("\n\n")[1].splitlines()
        assert len(table) <= 25
        assert sum(line.startswith("step_") for line in table) == shown
        assert f"+{100 - shown} more" in table[-1]
        assert f" {2 * (100 - shown)} " in table[-1]


def test_growth_of_resident_memory_is_a_column_where_it_matters() -> None:
    grown = msgspec.structs.replace(call(SUM), resident_growth=320_000_000)
    report = drawn(trace(calls=[grown, call(site(3), "other")]), 160)
    assert re.search(r"^dsum .* 320 MB$", report, re.MULTILINE)
    assert re.search(r"^other .* -$", report, re.MULTILINE)
    assert "grew: resident memory" in report
    little = msgspec.structs.replace(call(SUM), resident_growth=4096)
    assert "grew" not in drawn(trace(calls=[little]), 160)


def test_one_function_through_two_bindings_is_two_rows() -> None:
    calls = [call(SUM), msgspec.structs.replace(call(SUM), binding="cffi")]
    report = drawn(trace(calls=calls), 160)
    assert re.search(r"^dsum \(libkernels.so\) +ctypes ", report, re.MULTILINE)
    assert re.search(r"^dsum \(libkernels.so\) +cffi ", report, re.MULTILINE)


def test_processes_are_told_apart() -> None:
    report = drawn(several_processes(), 160)
    table = report[report.index("Processes: 4") :].split("\n\n")[0].splitlines()[3:]
    rows = [re.split(r" {2,}", line) for line in table]
    assert [(row[0], row[-1]) for row in rows] == [
        ("4711, the program", "exit 0"),
        ("4713, a child", "cut short"),
        ("4712, a child", "ended"),
        ("4720, child of 4712: /home/ada/fit/plot.py --quiet", "ended"),
    ]
    assert [row[1:4] for row in rows] == [
        ["12", "3", "4.04 MB"],
        ["4", "250", "2.00 MB"],
        ["4", "4", "8.00 MB"],
        ["-", "-", "-"],
    ]
    assert "Processes" not in drawn(founding())


def test_many_processes_are_summed() -> None:
    run = several_processes()
    workers = [msgspec.structs.replace(run.processes[1], id=n, pid=n) for n in range(1, 41)]
    calls = [msgspec.structs.replace(call(SUM, count=3), process=n) for n in range(1, 41)]
    crowd = msgspec.structs.replace(run, processes=[run.processes[0], *workers], calls=calls)
    report = drawn(crowd)
    table = report[report.index("Processes: 41") :].split("\n\n")[0].splitlines()
    assert len(table) == 3 + 12 + 1
    assert re.search(r"^\+29 more +87 ", table[-1])


def test_a_process_that_died_in_native_code_is_named_with_its_arrays() -> None:
    report = drawn(several_processes(), 160)
    assert report.startswith("Process 4713 was last inside smooth of _fields")
    assert "argument 1 float64" in report.splitlines()[0]
    assert "1 child process was cut short" in report
    assert "All clear" not in report


def test_borrows_name_who_reads_which_array() -> None:
    report = drawn(several_processes(), 160)
    table = report[report.index("Borrows: ") :].split("\n\n")[0].splitlines()
    assert re.search(
        r"^smooth \(_fields.so\) +fit.py:81 +float64 \(500, 500\), rows side by side \(C\) +"
        r"C_CONTIGUOUS, WRITABLE, FORMAT +8 +16.0 MB$",
        table[3],
    )
    # One small borrow is only counted; what ctypes calls were lent is in the table of crossings.
    assert table[4:] == [table[4]]
    assert re.search(r"^\+1 more +1 +8.00 kB$", table[4])


def test_borrows_of_little_take_no_place() -> None:
    run = several_processes()
    assert "Borrows" not in drawn(msgspec.structs.replace(run, borrows=run.borrows[3:]))


@pytest.mark.parametrize(
    ("symbol", "shown"),
    [
        ("enet_coordinate_descent", "enet_coordinate_descent"),
        ("short<int>(double)", "short<int>(double)"),
        (
            "void (anonymous namespace)::blur<double, std::vector<int> >(py::array_t<double, 17>)",
            "void {anonymous}::blur<…>(…)",
        ),
        (f"bool operator< <{'x' * 60}>(int)", f"bool operator< <{'x' * 60}>(int)"),
        (f"unbalanced>{'x' * 60}(", f"unbalanced>{'x' * 60}(…"),
    ],
)
def test_long_names_of_cpp_lose_their_arguments(symbol: str, shown: str) -> None:
    assert native_function(symbol) == shown
