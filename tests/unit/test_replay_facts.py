"""Experiments with calls are booked as facts, and are replays in the trace."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec.structs import replace
from trace_builder import argument, called, transposed

from interprobe import replay_facts, sealing, twin_records
from interprobe.facts import Fact
from interprobe.layout import Layout
from interprobe.ledger_records import (
    CallRecord,
    CopyRecord,
    FactRecord,
    LedgerContents,
    MemoryRecord,
    Place,
)
from interprobe.replays import Replay

MEASURED = "conforming|0,2|evicted|12|4000000|1000000|4.0|3.5|4.25|1.5|1.05|"
REFUSED = "in-c-order|1||0||||||||the callee | OpenMP was busy"


def fact(text: str | None, kind: str = "what-if") -> Fact:
    return Fact(kind=kind, text=text)


def test_a_measurement_becomes_a_replay() -> None:
    remaining, replays = replay_facts.split([fact(MEASURED)])
    assert remaining == []
    assert replays == [
        Replay(
            change="conforming",
            positions=[0, 2],
            passes=12,
            as_is=4e-3,
            changed=1e-3,
            speedup=4.0,
            low=3.5,
            high=4.25,
            as_is_spread=1.5,
            changed_spread=1.05,
            cache="evicted",
        )
    ]


def test_what_could_not_be_measured_keeps_its_reason() -> None:
    _, replays = replay_facts.split([fact(REFUSED)])
    assert replays == [
        Replay(change="in-c-order", positions=[1], reason="the callee | OpenMP was busy")
    ]


def test_other_facts_stay_and_keep_their_order() -> None:
    others = [fact("12", "changed"), fact(None, "unchanged")]
    remaining, replays = replay_facts.split([others[0], fact(MEASURED), others[1], fact(REFUSED)])
    assert remaining == others
    assert [replay.change for replay in replays] == ["conforming", "in-c-order"]


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "conforming|0",
        MEASURED.replace("evicted", "tepid"),
        MEASURED.replace("0,2", "first"),
        MEASURED.replace("4.25", "nan"),
        MEASURED.replace("1.05", "wide"),
        MEASURED.replace("4000000", "inf"),
        MEASURED.replace("conforming", ""),
    ],
)
def test_what_cannot_be_read_stays_a_fact(text: str | None) -> None:
    assert replay_facts.split([fact(text)]) == ([fact(text)], [])


def test_twins_keep_the_replays_of_both() -> None:
    one, other = (Replay(change=change, positions=[0]) for change in ("conforming", "c-order"))
    call = called("lib.total(p)", [argument(0, None, np.zeros(4))])
    joined = twin_records.joined_call(replace(call, replays=[one]), replace(call, replays=[other]))
    assert joined.replays == [one, other]
    copy = transposed()
    copies = twin_records.joined_copy(replace(copy, replays=[one]), replace(copy, replays=[other]))
    assert copies.replays == [one, other]


def test_a_sealed_trace_has_replays_of_calls_and_copies() -> None:
    place = Place("/home/ada/fit.py", "main", 3, 4, 3, 20)
    facts = [
        FactRecord("what-if", 0, None, 1, 0, 0, MEASURED, None),
        FactRecord("unchanged", 0, None, 1, 0, 0, None, None),
    ]
    lies = Layout("float64", "<", [4], [8], "C", aligned=True, writeable=True, nbytes=32)
    contents = LedgerContents(
        pid=7,
        parent=1,
        sealed=True,
        dropped=0,
        started_nanoseconds=0,
        elapsed_ticks=1000,
        elapsed_nanoseconds=1000,
        active_ticks=1000,
        memory=MemoryRecord(0, 0, 0, 0, None, []),
    )
    contents.calls.append(
        CallRecord(place, place, "ctypes", None, "total", 0, [], 1, 0, 0, 0, 0, 0, 0, 0, facts)
    )
    contents.copies.append(
        CopyRecord(
            place, place, "numpy.asarray", ["strided"], [], False, None, [], lies, lies, 1, 32, 5,
            5, 32, 32, 0, [], facts,
        )
    )  # fmt: skip
    trace = sealing.seal([contents])
    for record in (trace.calls[0], trace.copies[0]):
        assert [replay.speedup for replay in record.replays] == [4.0]
        assert [each.kind for each in record.facts] == ["unchanged"]
