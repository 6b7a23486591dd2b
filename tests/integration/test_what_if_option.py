"""Who chooses how much is measured of what better arrays would gain."""

from __future__ import annotations

import pytest

from interprobe import native
from interprobe.recorder import Recorder
from interprobe.what_if import WhatIf


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The modes that the native layer is given."""
    modes: list[int] = []
    monkeypatch.setattr(native, "choose_what_if", modes.append)
    return modes


def test_the_most_thorough_of_the_open_recordings_wins(chosen: list[int]) -> None:
    modes: tuple[WhatIf, ...] = ("auto", "all", "off")
    recorders = [Recorder(what_if=mode) for mode in modes]
    for recorder in recorders:
        recorder.start()
    assert chosen == [1, 2, 2]
    for recorder in recorders:
        recorder.stop()
    assert chosen == [1, 2, 2, 2, 0, 0]


def test_a_recording_measures_unless_it_is_told_not_to(chosen: list[int]) -> None:
    for recorder in (Recorder(), Recorder(what_if="off")):
        recorder.start()
        recorder.stop()
    assert chosen == [1, 0, 0, 0]


def test_a_recorder_takes_only_known_modes() -> None:
    with pytest.raises(ValueError, match="what_if must be 'off', 'auto' or 'all', not 'some'"):
        Recorder(what_if="some")  # type: ignore[arg-type]
