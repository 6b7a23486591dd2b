"""Builds traces by hand for the tests of the rules: layouts come from real arrays."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from interprobe.allocation_records import Allocation
from interprobe.findings import Site
from interprobe.layout import Layout
from interprobe.trace import Argument, Call, Copy, Memory, Meta, Native, Process, Temporary, Trace

SCRIPT = "/home/ada/fit.py"
LIBRARY = "/home/ada/lib/libfit.so"


def layout_of(array: NDArray[Any]) -> Layout:
    """How an array really lies in memory."""
    order: Literal["C", "F", "strided"] = "strided"
    if array.flags.c_contiguous:
        order = "C"
    elif array.flags.f_contiguous:
        order = "F"
    code = array.dtype.byteorder
    byteorder: Literal["<", ">", "|"] = ">" if code == ">" else "|" if code == "|" else "<"
    return Layout(
        dtype=array.dtype.newbyteorder("=").name,
        byteorder=byteorder,
        shape=list(array.shape),
        strides=list(array.strides),
        order=order,
        aligned=array.flags.aligned,
        writeable=array.flags.writeable,
        nbytes=array.nbytes,
    )


def site(expression: str = "", line: int = 10, file: str = SCRIPT) -> Site:
    """A place whose source line is its expression alone."""
    return Site(
        file=file,
        line=line,
        column=0,
        end_line=line,
        end_column=len(expression.encode()),
        function="main",
        expression=expression,
        source=expression,
    )


def copied(
    expression: str,
    source: NDArray[Any] | None,
    result: NDArray[Any],
    unmet: list[str],
    *,
    mechanism: str = "numpy.ascontiguousarray",
    kind: str = "strided",
    explicit: bool = False,
    count: int = 1,
    seconds: float = 0.5,
    repeated: int = 0,
    native: Native | None = None,
    process: int = 0,
    line: int = 10,
    inside: Site | None = None,
) -> Copy:
    """One copy record; ``inside`` is the place in a library where it happened, if it was there."""
    user_site = site(expression, line)
    return Copy(
        process=process,
        site=user_site if inside is None else inside,
        user_site=user_site,
        mechanism=mechanism,
        kind=kind,
        explicit=explicit,
        native=native,
        source=layout_of(source) if source is not None else None,
        result=layout_of(result),
        unmet=unmet,
        count=count,
        bytes=count * result.nbytes,
        seconds=seconds,
        nbytes_min=result.nbytes,
        nbytes_max=result.nbytes,
        variants=[],
        repeated=repeated,
    )


def argument(
    position: int,
    declared: str | None,
    given: NDArray[Any] | None,
    true: str | None = None,
    name: str | None = None,
) -> Argument:
    """One argument of a crossing."""
    return Argument(
        position=position,
        name=name,
        declared=declared,
        true=true,
        given=layout_of(given) if given is not None else None,
    )


def called(
    expression: str,
    arguments: list[Argument],
    *,
    function: str = "total",
    library: str = LIBRARY,
    count: int = 1,
    line: int = 10,
) -> Call:
    """One call record."""
    place = site(expression, line)
    return Call(
        process=0,
        site=place,
        user_site=place,
        binding="ctypes",
        library=library,
        function=function,
        arguments=arguments,
        count=count,
        seconds=0.25,
        seconds_self=0.25,
        seconds_min=0.01,
        seconds_max=0.1,
        bytes_borrowed=0,
        bytes_copied=0,
    )


def temporary(
    expression: str,
    result: NDArray[Any],
    *,
    mechanism: str = "numpy.multiply",
    count: int = 1,
    seconds: float = 0.05,
    process: int = 0,
    line: int = 10,
    inside: Site | None = None,
) -> Temporary:
    """One record of temporaries; ``inside`` is the place in a library, if it was there."""
    user_site = site(expression, line)
    return Temporary(
        process=process,
        site=user_site if inside is None else inside,
        user_site=user_site,
        mechanism=mechanism,
        result=layout_of(result),
        count=count,
        bytes=count * result.nbytes,
        seconds=seconds,
    )


def allocated(
    expression: str,
    nbytes: int,
    *,
    count: int = 1,
    ended: int | None = None,
    live_most: int = 1,
    touched: int | None = None,
    seconds: float | None = None,
    kept: int = 0,
    at_peak: int = 0,
    passing: int = 0,
    line: int = 10,
    inside: Site | None = None,
    source: str | None = None,
) -> Allocation:
    """Blocks of one size; ``inside`` is the place in a library, ``source`` the whole line."""
    user_site = site(expression, line)
    if source is not None:
        user_site = msgspec.structs.replace(user_site, source=source)
    return Allocation(
        process=0,
        site=user_site if inside is None else inside,
        user_site=user_site,
        count=count,
        bytes=count * nbytes,
        nbytes=nbytes,
        ended=count if ended is None else ended,
        live_most=live_most,
        touched_bytes=count * nbytes if touched is None else touched,
        touched_seconds=seconds,
        kept_nbytes=kept,
        peak_bytes=at_peak,
        passing_bytes=passing,
    )


def trace_of(
    *records: Copy | Call | Temporary | Allocation,
    seconds: float = 1.0,
    processes: int = 1,
    memory: Memory | None = None,
) -> Trace:
    """A run of some processes that took ``seconds`` each."""
    memory = Memory() if memory is None else memory
    return Trace(
        meta=Meta(
            interprobe="0.1.0",
            python="3.11.7",
            numpy="2.4.0",
            platform="Linux",
            argv=[SCRIPT],
            started=1.7e9,
            seconds=seconds,
            exit_status=0,
            complete=True,
        ),
        processes=[
            Process(
                id=number,
                pid=100 + number,
                parent=100 if number else None,
                argv=[SCRIPT],
                started=1.7e9,
                seconds=seconds,
                exit_status=0,
                complete=True,
                in_flight=None,
                memory=memory,
            )
            for number in range(processes)
        ],
        copies=[record for record in records if isinstance(record, Copy)],
        calls=[record for record in records if isinstance(record, Call)],
        borrows=[],
        memory=memory,
        temporaries=[record for record in records if isinstance(record, Temporary)],
        allocations=[record for record in records if isinstance(record, Allocation)],
    )


def native_code(library: str = LIBRARY) -> Native:
    """Native code of which only the library is known."""
    return Native(library=library)


def strided(expression: str = "np.ascontiguousarray(a[:, ::2])", **options: Any) -> Copy:
    """A view with gaps that was gathered."""
    view = np.zeros((100, 20))[:, ::2]
    result = np.ascontiguousarray(view)
    return copied(expression, view, result, ["C_CONTIGUOUS"], **options)


def transposed(expression: str = "np.ascontiguousarray(field.T)", **options: Any) -> Copy:
    """A Fortran-ordered array that was rewritten in C order."""
    view = np.zeros((100, 20)).T
    result = np.ascontiguousarray(view)
    return copied(expression, view, result, ["C_CONTIGUOUS"], **options)


def retyped(expression: str = "np.asarray(x, np.float64)", **options: Any) -> Copy:
    """A float32 array that was converted to float64."""
    options = {"mechanism": "numpy.asarray", "kind": "cast", **options}
    return copied(expression, np.zeros(100, np.float32), np.zeros(100), ["dtype"], **options)
