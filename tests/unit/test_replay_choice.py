"""Of the states of the caches in which a replay was made, the program's own is chosen."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from interprobe.replay_choice import choose
from interprobe.replays import Replay

WARM = Replay(
    "conforming", [0], passes=15, as_is=60e-6, changed=50e-6, speedup=1.2, low=1.1, high=1.3,
    cache="warm",
)  # fmt: skip
EVICTED = Replay(
    "conforming", [0], passes=15, as_is=80e-6, changed=50e-6, speedup=1.6, low=1.5, high=1.7,
    cache="evicted",
)  # fmt: skip
BOTH = [WARM, EVICTED]


@pytest.mark.parametrize(
    ("shortest", "typical", "cache"),
    [
        (59e-6, 61e-6, "warm"),
        (62e-6, 63e-6, "warm"),  # the probes' own time
        (79e-6, 82e-6, "evicted"),
        (90e-6, 95e-6, "evicted"),
        (45e-6, 48e-6, "warm"),
    ],
)
def test_the_state_is_that_of_the_calls_in_place(
    shortest: float, typical: float, cache: str
) -> None:
    (chosen,) = choose(BOTH, shortest, typical)
    assert chosen.cache == cache
    assert chosen in BOTH


def test_on_a_busy_machine_the_shortest_call_decides_and_the_interval_spans_both() -> None:
    (chosen,) = choose(BOTH, 61e-6, 260e-6)
    assert chosen.cache == "either"
    assert chosen.speedup == WARM.speedup
    assert (chosen.low, chosen.high) == (WARM.low, EVICTED.high)


def test_where_neither_is_near_the_interval_spans_both() -> None:
    (chosen,) = choose(BOTH, 200e-6, 220e-6)
    assert chosen.cache == "either"
    assert chosen.speedup == EVICTED.speedup
    assert (chosen.low, chosen.high) == (WARM.low, EVICTED.high)


def test_calls_that_take_arrays_in_turn_lie_between_both() -> None:
    evicted = replace(EVICTED, as_is=300e-6, changed=60e-6, speedup=5.0, low=4.8, high=5.2)
    # Even the shortest call was slower than with warm caches.
    (chosen,) = choose([WARM, evicted], 80e-6, 180e-6)
    assert (chosen.as_is, chosen.changed) == pytest.approx((180e-6, 55e-6))
    assert chosen.speedup == pytest.approx(180 / 55)
    assert (chosen.cache, chosen.low, chosen.high) == ("either", WARM.low, evicted.high)
    # A call that found all of it in the caches: the others were interrupted.
    assert choose([WARM, evicted], 61e-6, 180e-6)[0].speedup == WARM.speedup


def test_of_a_copy_the_time_is_what_the_change_leaves_out() -> None:
    (chosen,) = choose(BOTH, 29e-6, 30e-6, of_difference=True)
    assert chosen == EVICTED


def test_each_change_is_chosen_for_itself() -> None:
    other = Replay("contiguous", [0], reason="too little memory was free")
    assert choose([WARM, other, EVICTED], 60e-6, 60e-6) == [WARM, other]


def test_what_is_not_known_of_the_program_decides_nothing() -> None:
    assert choose(BOTH, 0.0, 0.0) == [WARM]
