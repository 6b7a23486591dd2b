"""Builds the parts of hand-made traces for the tests of the renderers."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import msgspec

from interprobe.findings import Cost, Finding, Fix, RecordIndex, Severity, Site
from interprobe.layout import Layout
from interprobe.line_records import FunctionLines
from interprobe.trace import (
    Argument,
    Borrow,
    Call,
    Copy,
    Memory,
    Meta,
    Native,
    Process,
    Trace,
    Variant,
)

SCRIPT = "/home/ada/fit/fit.py"
KERNELS = "/home/ada/fit/build/libkernels.so"
CD_FAST = (
    "/home/ada/.venv/lib/python3.11/site-packages/sklearn/linear_model/"
    "_cd_fast.cpython-311-x86_64-linux-gnu.so"
)
COORDINATE_DESCENT = (
    "/home/ada/.venv/lib/python3.11/site-packages/sklearn/linear_model/_coordinate_descent.py"
)


def site(
    line: int = 1,
    source: str = "",
    expression: str = "",
    *,
    file: str = SCRIPT,
    function: str = "fit",
    end_line: int | None = None,
) -> Site:
    """A place whose columns are those of ``expression`` in ``source``."""
    if not expression or expression not in source:
        return Site(file, line, None, None, None, function, expression, source)
    column = len(source[: source.index(expression)].encode())
    end_column = column + len(expression.encode())
    return Site(file, line, column, end_line or line, end_column, function, expression, source)


def layout(
    dtype: str = "float64",
    shape: Sequence[int] = (1000,),
    order: str = "C",
    *,
    item: int = 8,
    strides: Sequence[int] | None = None,
    byteorder: str = "<",
    aligned: bool = True,
) -> Layout:
    """An array's layout; without ``strides``, those of the order."""
    if strides is None:
        lengths = list(shape) if order == "F" else list(reversed(shape))
        steps = [item * prod(lengths[:index]) for index in range(len(lengths))]
        strides = steps if order == "F" else list(reversed(steps))
    return Layout(
        dtype, byteorder, list(shape), list(strides), order, aligned, True, item * prod(shape)
    )


def copy(
    user_site: Site,
    source: Layout | None,
    result: Layout,
    *,
    mechanism: str = "numpy.ascontiguousarray",
    kind: str = "strided",
    unmet: Sequence[str] = (),
    explicit: bool = False,
    native: Native | None = None,
    at: Site | None = None,
    count: int = 1,
    seconds: float = 0.01,
    variants: Sequence[Variant] = (),
    smallest: int | None = None,
) -> Copy:
    """Copies of one size (down to ``smallest``) at one place."""
    return Copy(
        process=0,
        site=at or user_site,
        user_site=user_site,
        mechanism=mechanism,
        kind=kind,
        explicit=explicit,
        native=native,
        source=source,
        result=result,
        unmet=list(unmet),
        count=count,
        bytes=count * result.nbytes,
        seconds=seconds,
        nbytes_min=result.nbytes if smallest is None else smallest,
        nbytes_max=result.nbytes,
        variants=list(variants),
    )


def call(
    user_site: Site,
    function: str = "dsum",
    *,
    library: str = KERNELS,
    arguments: Sequence[Argument] = (),
    count: int = 1,
    seconds: float = 0.01,
    lent: int = 0,
    copied: int = 0,
) -> Call:
    """Crossings of one function from one place."""
    return Call(
        process=0,
        site=user_site,
        user_site=user_site,
        binding="ctypes",
        library=library,
        function=function,
        arguments=list(arguments),
        count=count,
        seconds=seconds,
        seconds_self=seconds,
        seconds_min=seconds / max(count, 1),
        seconds_max=seconds / max(count, 1),
        bytes_borrowed=lent,
        bytes_copied=copied,
    )


def trace(
    *,
    copies: Sequence[Copy] = (),
    calls: Sequence[Call] = (),
    borrows: Sequence[Borrow] = (),
    findings: Sequence[Finding] = (),
    lines: Sequence[FunctionLines] = (),
    memory: Memory | None = None,
    blind_spots: Sequence[str] = (),
    seconds: float = 3.42,
    exit_status: int | None = 0,
    complete: bool = True,
    in_flight: str | None = None,
    argv: Sequence[str] = (SCRIPT,),
) -> Trace:
    """A run of one process."""
    memory = memory or Memory(numpy_peak_bytes=812_000_000, rss_peak_bytes=1_020_000_000)
    meta = Meta(
        interprobe="0.1.0",
        python="3.11.7",
        numpy="2.4.6",
        platform="Linux-6.8-x86_64",
        argv=list(argv),
        started=1.7e9,
        seconds=seconds,
        exit_status=exit_status,
        complete=complete,
        blind_spots=list(blind_spots),
    )
    process = Process(
        0, 4711, None, list(argv), 1.7e9, seconds, exit_status, complete, in_flight, memory
    )
    return Trace(
        meta,
        [process],
        list(copies),
        list(calls),
        list(borrows),
        memory,
        list(findings),
        list(lines),
    )


def finding(place: Site, *records: int, **changes: object) -> Finding:
    """A note on the copies of those indices, but for what ``changes`` names."""
    made = Finding(
        "IP101",
        "non-contiguous-view",
        Severity.NOTE,
        place,
        place,
        "",
        "Because.",
        "",
        [RecordIndex("copies", index) for index in records],
        Cost(0.5, 8000, 0.05),
        Fix("Do this."),
    )
    return msgspec.structs.replace(made, **changes)
