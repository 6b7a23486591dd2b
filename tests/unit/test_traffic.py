"""How many bytes a call moves, and how near that comes to what memory gives."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from trace_builder import argument, called, layout_of, trace_of

from interprobe.machine import Machine
from interprobe.trace import Call, Trace
from interprobe.traffic import Rung, ladder

MACHINE = Machine(
    caches=[32_768, 1_048_576], line=64, cores=4, bandwidth_read=10e9, bandwidth_copy=12e9
)


def with_machine(trace: Trace, machine: Machine | None = MACHINE) -> Trace:
    return msgspec.structs.replace(trace, machine=machine)


def call(
    *arrays: NDArray[Any],
    outputs: tuple[int, ...] = (),
    count: int = 10,
    seconds: float = 0.1,
    fastest: float | None = None,
    lent: int | None = None,
) -> Call:
    """Calls that were given arrays, of which they wrote some."""
    arguments = [
        msgspec.structs.replace(
            argument(position, None, array), role="output" if position in outputs else None
        )
        for position, array in enumerate(arrays)
    ]
    return msgspec.structs.replace(
        called("lib.f(x)", arguments, count=count),
        seconds=seconds,
        seconds_self=seconds,
        seconds_min=seconds / count if fastest is None else fastest,
        bytes_borrowed=count * sum(each.nbytes for each in arrays) if lent is None else lent,
    )


def rung_of(record: Call, machine: Machine | None = MACHINE) -> Rung:
    (rung,) = ladder(with_machine(trace_of(record), machine))
    return rung


LARGE = np.zeros(1_000_000)


def test_an_array_that_is_read_moves_once_and_one_that_is_written_twice() -> None:
    assert rung_of(call(LARGE, LARGE)).moved == 16_000_000
    assert rung_of(call(LARGE, LARGE, outputs=(1,))).moved == 24_000_000


def test_the_fastest_call_is_held_against_the_machine() -> None:
    rung = rung_of(call(LARGE, seconds=0.1, fastest=0.002))
    assert rung.rate == pytest.approx(4e9)
    assert rung.share == pytest.approx(0.4)
    assert not rung.is_mean


def test_calls_of_several_sizes_are_judged_by_their_mean() -> None:
    rung = rung_of(call(LARGE, count=4, seconds=0.04, fastest=1e-9, lent=20_000_000))
    assert rung.is_mean
    assert rung.moved == 5_000_000
    assert rung.rate == pytest.approx(5e8)


def test_reading_is_compared_with_reading_and_updates_with_updates() -> None:
    assert rung_of(call(LARGE)).limit == pytest.approx(10e9)
    assert rung_of(call(LARGE, LARGE, outputs=(1,))).limit == pytest.approx(12e9)
    small = np.zeros(1000)
    assert rung_of(call(LARGE, small, outputs=(1,))).limit == pytest.approx(10e9, rel=0.01)


def test_what_fits_a_cache_is_compared_to_nothing() -> None:
    rung = rung_of(call(np.zeros(100_000)))
    assert rung.level == 2
    assert rung.share is None
    assert rung_of(call(LARGE)).level is None


def test_a_broadcast_view_moves_only_what_it_has_in_memory() -> None:
    view = np.broadcast_to(LARGE, (50, LARGE.size))
    record = call(LARGE)
    given = msgspec.structs.replace(record.arguments[0], given=layout_of(view))
    record = msgspec.structs.replace(record, arguments=[given], bytes_borrowed=10 * view.nbytes)
    assert rung_of(record).moved == pytest.approx(8_000_000)


def test_an_unmeasured_machine_gives_no_share() -> None:
    rung = rung_of(call(LARGE), Machine(caches=[32_768]))
    assert rung.limit is None
    assert rung.share is None
    assert rung_of(call(LARGE), None).share is None


@pytest.mark.parametrize(
    "record",
    [
        call(LARGE, count=10**6, seconds=1.0),  # a microsecond each: the binding's own time
        call(LARGE, count=1, seconds=1e-4),
        call(LARGE, count=1, seconds=5e-3),  # 0.5 % of the run
        call(count=10, seconds=0.5),
        msgspec.structs.replace(call(LARGE, seconds=0.5), seconds_self=0.1),  # callbacks
        msgspec.structs.replace(call(LARGE, seconds=0.5), count=0),
    ],
    ids=["short", "little", "small share", "no arrays", "callbacks", "never returned"],
)
def test_what_cannot_be_judged_is_not_on_the_ladder(record: Call) -> None:
    assert ladder(with_machine(trace_of(record))) == []


def test_the_longest_is_first() -> None:
    short, long = call(LARGE, seconds=0.1), call(LARGE, seconds=0.4)
    assert [rung.call for rung in ladder(with_machine(trace_of(short, long)))] == [long, short]
