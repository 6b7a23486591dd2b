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


SHARED_CACHE = Replay(
    "other-order", [0], passes=15, as_is=2.5e-3, changed=1e-3, speedup=2.5, low=2.3, high=3.0,
    as_is_spread=1.6, changed_spread=1.02, cache="warm",
)  # fmt: skip


def test_unsteady_calls_beside_steady_ones_take_what_they_took_in_the_program() -> None:
    (chosen,) = choose([SHARED_CACHE], 1.1e-3, 1.8e-3)
    assert (chosen.as_is, chosen.changed) == (1.8e-3, 1e-3)
    assert chosen.speedup == pytest.approx(1.8)
    assert (chosen.low, chosen.high) == (pytest.approx(1.8), 3.0)
    # Far beyond what the child saw, the program's calls were interrupted.
    (chosen,) = choose([SHARED_CACHE], 1.1e-3, 9e-3)
    assert chosen.speedup == pytest.approx(2.5 * 1.6)


@pytest.mark.parametrize(("as_is", "changed"), [(1.6, 1.5), (1.05, 1.01), (None, None)])
def test_times_that_change_together_or_not_at_all_are_compared_within_the_child(
    as_is: float | None, changed: float | None
) -> None:
    replay = replace(SHARED_CACHE, as_is_spread=as_is, changed_spread=changed)
    assert choose([replay], 1.1e-3, 1.8e-3) == [replay]
    # A copy's time is not that of a call.
    assert choose([SHARED_CACHE], 1.1e-3, 1.8e-3, of_difference=True) == [SHARED_CACHE]
