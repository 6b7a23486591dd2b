"""What the block of a finding says: the place, why, the layouts, the cost, the cure."""

from __future__ import annotations

import re

import pytest
from report_builders import call, copy, finding, layout, site, trace
from report_samples import (
    KEEP,
    LASSO,
    SUM,
    TURN,
    founding,
)

from interprobe.findings import Cost, Fix, RecordIndex, Severity, Site
from interprobe.layout import Layout
from interprobe.renderers import terminal
from interprobe.trace import Argument, Trace


def drawn(run: Trace, width: int = 100) -> str:
    return terminal.render(run, width=width, color=False)


def one_copy(source: Layout | None, result: Layout) -> str:
    """The block of a finding on one copy."""
    return drawn(trace(copies=[copy(TURN, source, result)], findings=[finding(TURN, 0)]))


def row(report: str, start: str) -> str:
    """The first line that starts so, margins aside."""
    return next(line for line in report.splitlines() if line.lstrip(" │").startswith(start))


def test_findings_on_the_same_records_share_a_block_and_one_cost() -> None:
    report = drawn(founding())
    heading = "warning IP102 order-mismatch + IP103 dtype-conversion"
    block = report[report.index(heading) : report.index("note IP102")]
    assert block.count("│ cost ") == 1
    assert "IP102: `samples.T` has its columns side by side" in block
    assert "IP103: `samples` holds float32" in block
    assert "IP102: Make `samples`" in block
    assert "IP103: Read the samples" in block


def test_block_takes_the_worst_severity_of_its_findings() -> None:
    findings = [
        finding(TURN, 0),
        finding(TURN, 0, rule="IP301", name="dtype-reinterpreted", severity=Severity.ERROR),
    ]
    report = drawn(trace(copies=[copy(TURN, None, layout())], findings=findings))
    assert "\nerror IP101 non-contiguous-view + IP301 dtype-reinterpreted\n" in report


def test_findings_without_records_stay_apart() -> None:
    report = drawn(trace(findings=[finding(TURN), finding(KEEP)]))
    assert report.count("\nnote IP101 non-contiguous-view\n") == 2


def test_findings_of_one_block_show_each_place_once() -> None:
    other = site(50, "    y = np.asarray(x)", "np.asarray(x)")
    findings = [finding(TURN, 0), finding(other, 0), finding(TURN, 0, rule="IP102")]
    report = drawn(trace(copies=[copy(TURN, None, layout())], findings=findings))
    assert report.count("┌─ fit.py:31, in fit") == 1
    assert report.count("├─ fit.py:50, in fit") == 1


def test_cost_is_in_words_and_exact() -> None:
    cost = row(drawn(founding()), "cost    1.60")
    assert cost.endswith(
        "cost    1.60 GB (1,600,000,000 bytes) written in 5 copies, 1.06 s, 31 % of the time"
    )


def test_cost_of_a_part_of_the_copies_names_the_whole() -> None:
    run = trace(copies=[copy(TURN, None, layout(), count=4)], findings=[finding(TURN, 0)])
    assert "8.00 kB (8,000 bytes) of the 32.0 kB written in 4 copies, 500 ms" in drawn(run)


def test_call_that_cost_nothing_says_how_often_it_was_made() -> None:
    arguments = [Argument(0, "x", "POINTER(c_double)", None, layout("int32", item=4))]
    wrong = finding(SUM, records=[RecordIndex("calls", 0)], cost=Cost(0.0, 0, 0.0))
    report = drawn(trace(calls=[call(SUM, count=7, arguments=arguments)], findings=[wrong]))
    assert row(report, "seen").endswith("seen    7 calls of dsum (libkernels.so)")


def test_other_sources_and_sizes_are_named_below_the_layouts() -> None:
    copies = [
        copy(TURN, layout("int32", (length,), item=4), layout(shape=(length,)), smallest=80)
        for length in (1000, 900, 800, 700, 600, 500)
    ]
    report = drawn(trace(copies=copies, findings=[finding(TURN, *range(6))]), 160)
    assert (
        "the largest copy; sizes are 80 B to 8.00 kB; also from int32 (900,), contiguous; "
        "int32 (800,), contiguous; int32 (700,), contiguous and 2 others"
    ) in " ".join(report.replace("│", "").split())


def test_evidence_is_told_where_no_table_tells_it() -> None:
    copies = [copy(TURN, None, layout())]
    evidence = {"evidence": "Five of six."}
    assert "Five" not in drawn(trace(copies=copies, findings=[finding(TURN, 0, **evidence)]))
    assert "seen    Five of six." in drawn(trace(findings=[finding(TURN, **evidence)]))


def test_long_comment_in_a_fix_goes_above_its_line() -> None:
    code = "if wide:\n    a = f('#')  # " + "comment " * 12
    report = drawn(trace(findings=[finding(TURN, fix=Fix("Do this.", code))]), 80)
    fixed = [line.partition("│")[2] for line in report.splitlines()]
    start = fixed.index("             if wide:")
    assert fixed[start + 1].startswith("                 # comment comment")
    assert fixed[start + 2].startswith("                 # comment")
    assert fixed[start + 3] == "                 a = f('#')"


def test_place_in_a_library_is_shown_with_what_asked() -> None:
    report = drawn(founding(), 120)
    assert "copied by PyArray_FromAny, asked for by _cd_fast.so, function enet_coo" in report
    assert "_coordinate_descent.py:1018, in fit" in report
    assert 'X, y, accept_sparse="csc"' in report


def test_subject_is_named_only_where_the_line_does_not_show_it() -> None:
    copies = [copy(TURN, None, layout())]
    shown = drawn(trace(copies=copies, findings=[finding(TURN, 0, subject="samples.T")]))
    hidden = drawn(trace(copies=copies, findings=[finding(TURN, 0, subject="weights")]))
    assert "about" not in shown
    assert row(hidden, "about").endswith("about   weights")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (layout(shape=(3, 4)), "rows side by side (C)"),
        (layout(shape=(3, 4), order="F"), "columns side by side (F)"),
        (layout(shape=(9,)), "elements side by side (C)"),
        (layout(shape=()), "one value"),
        (layout(shape=(2, 3, 4)), "last index fastest (C)"),
        (layout(shape=(2, 3, 4), order="F"), "first index fastest (F)"),
        (layout(shape=(9,), order="strided", strides=(24,)), "one element of every 3 (strided)"),
        (layout(shape=(9,), order="strided", strides=(-8,)), "backwards (strided)"),
        (layout(shape=(3, 4), order="strided", strides=(0, 8)), "elements repeated (strided)"),
        (layout(shape=(3, 4), order="strided", strides=(64, 8)), "with gaps (strided)"),
        (
            layout(shape=(2, 3, 4), order="strided", strides=(32, 64, 8)),
            "axes exchanged (strided)",
        ),
    ],
)
def test_order_is_told_in_words(source: Layout, words: str) -> None:
    result = layout(shape=(77, 77), order="F")
    assert words in row(one_copy(source, result), "order")


def test_arrow_marks_what_changed_and_nothing_else() -> None:
    report = one_copy(layout("float32", (3, 4), "F", item=4), layout("float64", (3, 4)))
    assert "->" in row(report, "dtype")
    assert "->" in row(report, "order")
    assert "->" not in row(report, "shape")


def test_byte_order_and_alignment_are_told_only_where_they_change() -> None:
    plain = one_copy(layout("float32", (3,), item=4), layout(shape=(3,)))
    swapped = one_copy(layout(shape=(3,), byteorder=">", aligned=False), layout(shape=(3,)))
    assert "byte order" not in plain
    assert "alignment" not in plain
    assert re.search(r"byte order +big-endian +-> +little-endian", swapped)
    assert re.search(r"alignment +misaligned +-> +aligned", swapped)


def test_sequence_has_no_layout_before() -> None:
    assert re.search(r"dtype +a Python sequence +-> +float64", one_copy(None, layout()))


def test_shape_of_sixty_four_dimensions_is_shortened() -> None:
    report = one_copy(None, layout(shape=(1,) * 64))
    assert "(1, 1, 1, … 59 more …, 1, 1)" in report


def test_arguments_of_a_call_are_told_beside_their_declaration() -> None:
    arguments = [
        Argument(index, None, "POINTER(c_double)", None, layout("int32", (index + 1,), item=4))
        for index in range(10)
    ]
    run = trace(
        calls=[call(SUM, arguments=arguments)],
        findings=[finding(SUM, records=[RecordIndex("calls", 0)])],
    )
    report = drawn(run)
    assert re.search(r"2 +POINTER\(c_double\) +int32 \(2,\), contiguous", report)
    assert "prototype" not in report
    assert "+2 more" in report


def test_unknown_line_is_left_out() -> None:
    place = Site("<string>", 0)
    report = drawn(trace(copies=[copy(place, None, layout())], findings=[finding(place, 0)]))
    assert "┌─ <string>\n" in report
    assert "(the source of this line was not recorded)" in report


def test_finding_in_a_library_without_a_copy_names_the_place() -> None:
    report = drawn(
        trace(
            calls=[call(LASSO)],
            findings=[
                finding(
                    LASSO, records=[RecordIndex("calls", 0)], site=site(9, file="/lib/inner.py")
                )
            ],
        )
    )
    assert row(report, "where").endswith("where   /lib/inner.py:9, in fit")
