"""Any valid trace can be drawn: without an error, within its width, as clean text."""

from __future__ import annotations

import unicodedata
from typing import Any
from xml.etree import ElementTree

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from interprobe.findings import Cost, Finding, Fix, RecordIndex, Saving, Severity, Site
from interprobe.layout import Layout
from interprobe.line_records import FunctionLines, LineTiming
from interprobe.machine import Machine
from interprobe.renderers import svg, terminal
from interprobe.trace import (
    Argument,
    Borrow,
    Call,
    Copy,
    Memory,
    Meta,
    Native,
    Process,
    TimelineBin,
    Trace,
    Variant,
)

ODD_WORDS = st.sampled_from(
    [
        "",
        "[bold]x[/bold]",
        "[/]",
        ":smile:",
        "\x1b[31mred",
        "\t tab",
        "line\nline",
        "数値",
        "e\u0301",
        "\u202eabc",
        "👩\u200d👩\u200d👧",
        "❤\ufe0f",
        "\ud800",
        "/a/" + "long_folder/" * 12 + "name.py",
        "word" * 60,
        " ",
        "\u3000",
        "\x00",
    ]
)
WORDS = ODD_WORDS | st.text(max_size=30)
COUNTS = st.integers(0, 2**63)
SECONDS = st.floats(0, 1e9)
SHARES = st.floats(0, 1)
STEPS = st.integers(-(2**40), 2**40)
FEW = 3


def few(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(strategy, max_size=FEW)


COLUMNS = st.none() | st.integers(0, 90)
SITES = st.builds(
    Site,
    file=WORDS,
    line=st.integers(0, 100_000),
    column=COLUMNS,
    end_line=st.none() | st.integers(0, 100_000),
    end_column=COLUMNS,
    function=WORDS,
    expression=WORDS,
    source=WORDS,
)
LAYOUTS = st.integers(0, 64).flatmap(
    lambda dimensions: st.builds(
        Layout,
        dtype=WORDS,
        byteorder=st.sampled_from("<>|"),
        shape=st.lists(st.integers(0, 2**40), min_size=dimensions, max_size=dimensions),
        strides=st.lists(STEPS, min_size=dimensions, max_size=dimensions),
        order=st.sampled_from(["C", "F", "strided"]),
        aligned=st.booleans(),
        writeable=st.booleans(),
        nbytes=COUNTS,
    )
)
COPIES = st.builds(
    Copy,
    process=st.integers(0, 3),
    site=SITES,
    user_site=SITES,
    mechanism=WORDS,
    kind=WORDS,
    explicit=st.booleans(),
    native=st.none()
    | st.builds(
        Native,
        library=WORDS,
        symbol=st.none() | WORDS,
        file=st.none() | WORDS,
        line=st.none() | st.integers(0, 9999),
    ),
    source=st.none() | LAYOUTS,
    result=LAYOUTS,
    unmet=few(WORDS),
    count=COUNTS,
    bytes=COUNTS,
    seconds=SECONDS,
    nbytes_min=COUNTS,
    nbytes_max=COUNTS,
    variants=few(st.builds(Variant, shape=st.none() | few(COUNTS), count=COUNTS)),
)
ARGUMENTS = st.builds(
    Argument,
    position=st.integers(0, 40),
    name=st.none() | WORDS,
    declared=st.none() | WORDS,
    true=st.none() | WORDS,
    given=st.none() | LAYOUTS,
)
CALLS = st.builds(
    Call,
    process=st.integers(0, 3),
    site=SITES,
    user_site=SITES,
    binding=WORDS,
    library=WORDS,
    function=WORDS,
    arguments=few(ARGUMENTS),
    count=COUNTS,
    seconds=SECONDS,
    seconds_self=SECONDS,
    seconds_min=SECONDS,
    seconds_max=SECONDS,
    bytes_borrowed=COUNTS,
    bytes_copied=COUNTS,
)
BORROWS = st.builds(
    Borrow,
    process=st.integers(0, 3),
    site=SITES,
    user_site=SITES,
    consumer=WORDS,
    requested=WORDS,
    layout=LAYOUTS,
    count=COUNTS,
    bytes=COUNTS,
)
# Indices beyond the lists too: a trace file can come from anywhere.
RECORDS = st.builds(
    RecordIndex, list=st.sampled_from(["copies", "calls", "borrows"]), index=st.integers(0, FEW)
)
FACTORS = st.none() | st.floats(-1e3, 1e6)
SAVINGS = st.builds(
    Saving,
    speedup=FACTORS,
    low=FACTORS,
    high=FACTORS,
    seconds=FACTORS,
    cache=st.none() | WORDS,
    method=st.sampled_from(["measured", "estimated", "not measured"]),
    reason=st.none() | WORDS,
    program_seconds=FACTORS,
    program_speedup=FACTORS,
    program_low=FACTORS,
    program_high=FACTORS,
    verdict=st.sampled_from([None, "worth it", "undecided", "not worth it"]),
)
FINDINGS = st.builds(
    Finding,
    rule=WORDS,
    name=WORDS,
    severity=st.sampled_from(Severity),
    user_site=SITES,
    site=SITES,
    subject=WORDS,
    cause=WORDS,
    evidence=WORDS,
    records=few(RECORDS),
    cost=st.builds(Cost, seconds=SECONDS, bytes=COUNTS, share=SHARES),
    fix=st.builds(Fix, text=WORDS, code=WORDS),
    saving=st.none() | SAVINGS,
)
MEMORIES = st.builds(
    Memory,
    numpy_peak_bytes=COUNTS,
    rss_peak_bytes=COUNTS,
    allocations=COUNTS,
    allocated_bytes=COUNTS,
    timeline=st.lists(st.builds(TimelineBin, seconds=SECONDS, numpy_bytes=COUNTS), max_size=200),
    numpy_peak_site=st.none() | SITES,
    rss_sampled_peak_bytes=st.none() | COUNTS,
    rss_sampled_peak_site=st.none() | SITES,
)
STATUSES = st.none() | st.integers(-70, 255)
PROCESSES = st.builds(
    Process,
    id=st.integers(0, 3),
    pid=st.integers(1, 2**22),
    parent=st.none(),
    argv=few(WORDS),
    started=SECONDS,
    seconds=SECONDS,
    exit_status=STATUSES,
    complete=st.booleans(),
    in_flight=st.none() | WORDS,
    memory=st.just(Memory()),
)
METAS = st.builds(
    Meta,
    interprobe=WORDS,
    python=WORDS,
    numpy=WORDS,
    platform=WORDS,
    argv=few(WORDS | st.just("/a/fit.py")),
    started=SECONDS,
    seconds=SECONDS,
    exit_status=STATUSES,
    complete=st.booleans(),
    blind_spots=few(WORDS),
)
TIMINGS = st.builds(
    LineTiming,
    line=st.integers(0, 100_000),
    hits=COUNTS,
    seconds=SECONDS,
    copies=COUNTS,
    bytes_copied=COUNTS,
    source=WORDS,
)
MACHINES = st.builds(
    Machine,
    caches=few(COUNTS),
    bandwidth_read=st.none() | SECONDS,
    bandwidth_copy=st.none() | SECONDS,
)
TRACES = st.builds(
    Trace,
    meta=METAS,
    processes=few(PROCESSES),
    copies=few(COPIES),
    calls=few(CALLS),
    borrows=few(BORROWS),
    memory=MEMORIES,
    findings=few(FINDINGS),
    lines=few(
        st.builds(
            FunctionLines,
            file=WORDS,
            function=WORDS,
            first_line=st.integers(0, 100_000),
            lines=few(TIMINGS),
        )
    ),
    machine=st.none() | MACHINES,
    schema=st.just("interprobe.trace/1"),
)

WITH_TIME = settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])


def drawable(character: str) -> bool:
    return character == "\n" or unicodedata.category(character) not in ("Cc", "Cs", "Zl", "Zp")


@WITH_TIME
@given(run=TRACES, width=st.integers(60, 200))
def test_text_keeps_to_its_width_and_holds_no_control_code(run: Trace, width: int) -> None:
    report = terminal.render(run, width=width, color=False)
    lines = report.split("\n")
    assert lines.pop() == ""
    for line in lines:
        assert cell_len(line) <= width
        assert line == line.rstrip()
    assert all(map(drawable, report))
    report.encode()


@settings(WITH_TIME, max_examples=25)
@given(run=TRACES, width=st.integers(60, 200))
def test_svg_is_well_formed(run: Trace, width: int) -> None:
    root = ElementTree.fromstring(svg.render(run, width=width, color=True))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
