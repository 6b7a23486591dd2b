"""Who chooses how much is measured of what better arrays would gain."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest
from plain_and_probed import interprobe, run, write

import interprobe as interprobe_package
from interprobe import native
from interprobe.recorder import Recorder
from interprobe.trace import load
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


PROGRAM = """
    import ctypes
    import multiprocessing
    import sys
    import numpy as np

    pointer = ctypes.POINTER(ctypes.c_double)

    def work(number):
        from interprobe import what_if
        print(number, *what_if._chosen.values(), flush=True)

    if __name__ == "__main__":
        work(0)
        for number, method in enumerate(("fork", "spawn"), 1):
            process = multiprocessing.get_context(method).Process(target=work, args=(number,))
            process.start()
            process.join()
"""


@pytest.mark.parametrize(
    ("options", "mode"), [([], 1), (["--what-if=auto"], 1), (["--what-if=all"], 2),
                          (["--what-if=off"], 0)],
)  # fmt: skip
def test_every_process_of_a_run_measures_as_much(
    options: list[str], mode: int, tmp_path: Path
) -> None:
    write(tmp_path / "program.py", PROGRAM)
    ending = run(interprobe("run", "-o", "r.txt", *options, "program.py"), tmp_path)
    assert (ending.status, ending.stderr) == (0, b"")
    assert ending.stdout.decode().splitlines() == [f"{number} {mode}" for number in range(3)]


def test_blocks_and_functions_choose_for_themselves(chosen: list[int]) -> None:
    with interprobe_package.record(what_if="all"):
        pass

    @interprobe_package.profile(what_if="off", report=False)
    def work() -> None:
        pass

    work()
    assert chosen == [2, 0, 0]
    del work
    gc.collect()  # a function that is gone needs no probes
    assert chosen == [2, 0, 0, 0]


def test_a_block_and_a_function_take_only_known_modes() -> None:
    with (
        pytest.raises(ValueError, match="not 'some'"),
        interprobe_package.record(
            what_if="some"  # type: ignore[arg-type]
        ),
    ):
        pass
    with pytest.raises(ValueError, match="not 'some'"):
        interprobe_package.profile(what_if="some")(len)  # type: ignore[call-overload]


def test_what_was_chosen_reaches_the_native_layer_and_leaves_it(tmp_path: Path) -> None:
    # A conversion before the call, 8 MB: long enough to be worth a replay.
    write(
        tmp_path / "program.py",
        """
        import ctypes
        import numpy as np

        field = np.arange(1e6).reshape(1000, 1000)
        pointer = ctypes.POINTER(ctypes.c_double)
        labs = ctypes.CDLL(None)["labs"]
        for _ in range(5):
            labs(np.ascontiguousarray(field.T).ctypes.data_as(pointer))
        """,
    )
    tried = {}
    for mode in ("all", "off"):
        command = interprobe("run", "--json", "t.json", "-o", "r.txt", f"--what-if={mode}")
        ending = run([*command, "program.py"], tmp_path)
        assert (ending.status, ending.stderr) == (0, b"")
        trace = load(tmp_path / "t.json")
        tried[mode] = [replay.change for copy in trace.copies for replay in copy.replays]
        (finding,) = [each for each in trace.findings if each.rule == "IP102"]
        assert finding.saving is not None
        assert finding.saving.method != "not measured"
    assert tried == {"all": ["no-conversion"], "off": []}
