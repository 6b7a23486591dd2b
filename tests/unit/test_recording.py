"""The recording of a block: when it can be read, what it holds and how it is printed."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import pty
import struct
import subprocess
import sys
import termios
import threading
from pathlib import Path

import pytest
from fake_recorder import FakeRecorder

import interprobe
from interprobe import recording
from interprobe.memory import ResidentPeak
from interprobe.trace import load


@pytest.fixture(autouse=True)
def recorders(monkeypatch: pytest.MonkeyPatch) -> list[FakeRecorder]:
    made: list[FakeRecorder] = []

    def new_recorder(file: str, *packages: object) -> FakeRecorder:
        made.append(FakeRecorder([file]))
        return made[-1]

    monkeypatch.setattr(recording, "new_recorder", new_recorder)
    monkeypatch.delenv("INTERPROBE", raising=False)
    return made


def printed(trace: interprobe.Recording, **options: object) -> str:
    text = io.StringIO()
    trace.report(file=text, **options)  # type: ignore[arg-type]
    return text.getvalue()


def test_a_block_is_recorded_from_its_start_to_its_end(recorders: list[FakeRecorder]) -> None:
    with interprobe.record() as trace:
        assert recorders[0].active
    assert recorders[0].asked == ["start", "pause", "stop"]
    assert [copy.count for copy in trace.copies] == [1]
    assert [finding.rule for finding in trace.findings] == ["IP102"]
    assert trace.trace.findings == trace.findings


def test_the_file_of_the_block_is_the_users_own(recorders: list[FakeRecorder]) -> None:
    with interprobe.record():
        pass
    assert recorders[0].own_paths == [__file__]


@pytest.mark.parametrize("name", ["trace", "findings", "copies"])
def test_reading_inside_the_block_is_one_clear_error(name: str) -> None:
    with (
        interprobe.record() as trace,
        pytest.raises(RuntimeError, match="still being recorded: read the recording after the end"),
    ):
        getattr(trace, name)


def test_reporting_inside_the_block_is_the_same_error() -> None:
    with interprobe.record() as trace, pytest.raises(RuntimeError, match="still being recorded"):
        trace.report()


def test_reading_before_the_block_is_an_error_too() -> None:
    with pytest.raises(RuntimeError, match="has not been recorded yet"):
        interprobe.record().save("never.json")


def test_a_recording_can_be_made_first_and_entered_later() -> None:
    trace = interprobe.record()
    with trace:
        pass
    assert len(trace.copies) == 1


def test_a_recording_is_entered_once() -> None:
    with interprobe.record() as trace:
        pass
    with pytest.raises(RuntimeError, match=r"call interprobe\.record\(\) for another"):
        trace.__enter__()


def test_an_exception_goes_on_and_the_recording_is_sealed() -> None:
    error = ValueError("mine")
    with pytest.raises(ValueError, match="mine") as caught, interprobe.record() as trace:
        raise error
    assert caught.value is error
    assert error.__context__ is None
    assert len(trace.findings) == 1


def test_blocks_are_nested_and_kept_apart(recorders: list[FakeRecorder]) -> None:
    with interprobe.record() as outer:
        with interprobe.record() as inner:
            assert [recorder.active for recorder in recorders] == [True, True]
        assert len(inner.copies) == 1
        with pytest.raises(RuntimeError, match="still being recorded"):
            outer.trace  # noqa: B018
    assert outer.trace is not inner.trace


def test_a_recording_made_in_a_thread_is_read_in_another() -> None:
    traces = []

    def work() -> None:
        with interprobe.record() as trace:
            pass
        traces.append(trace)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert len(traces[0].findings) == 1


def test_the_rules_run_once_and_only_for_a_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = []
    analysed = recording.analysed
    monkeypatch.setattr(recording, "analysed", lambda trace: runs.append(1) or analysed(trace))
    with interprobe.record() as trace:
        pass
    assert runs == []
    trace.findings  # noqa: B018
    trace.report(file=io.StringIO())
    assert runs == [1]


def test_the_report_goes_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    with interprobe.record() as trace:
        pass
    trace.report()
    output = capsys.readouterr()
    assert "IP102 order-mismatch" in output.out
    assert output.err == ""
    assert "\x1b" not in output.out


def test_the_report_takes_a_width_and_colors() -> None:
    with interprobe.record() as trace:
        pass
    assert max(map(len, printed(trace, width=70).splitlines())) <= 70
    assert "\x1b[" in printed(trace, color=True)
    assert printed(trace) == printed(trace, width=100, color=False)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("variable", "file", "colored"),
    [
        (None, Terminal, True),
        (None, io.StringIO, False),
        ("NO_COLOR", Terminal, False),
        ("FORCE_COLOR", io.StringIO, True),
    ],
)
def test_colors_are_used_where_they_are_seen_or_wanted(
    variable: str | None,
    file: type[io.StringIO],
    colored: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with interprobe.record() as trace:
        pass
    monkeypatch.setenv("TERM", "xterm")
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    if variable is not None:
        monkeypatch.setenv(variable, "1")
    stream = file()
    trace.report(file=stream)
    assert ("\x1b[" in stream.getvalue()) is colored


def test_the_width_is_that_of_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    with interprobe.record() as trace:
        pass
    monkeypatch.delenv("COLUMNS", raising=False)
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 72, 0, 0))
    with open(slave, "w", encoding="utf-8") as terminal:
        assert recording._width_of(terminal) == 72
    os.close(master)
    text = io.StringIO()
    monkeypatch.setattr("sys.stdout", text)
    monkeypatch.setenv("COLUMNS", "64")
    trace.report()
    assert text.getvalue() == printed(trace, width=64)


def test_the_report_can_be_written_where_its_characters_cannot() -> None:
    with interprobe.record() as trace:
        pass
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding="ascii")
    trace.report(file=file)
    file.flush()
    assert b"IP102 order-mismatch" in raw.getvalue()


def test_what_is_saved_is_what_was_found(tmp_path: Path) -> None:
    with interprobe.record() as trace:
        pass
    trace.save(tmp_path / "trace.json")
    assert load(tmp_path / "trace.json") == trace.trace


def test_memory_is_sampled_for_the_length_of_the_block(
    monkeypatch: pytest.MonkeyPatch, recorders: list[FakeRecorder]
) -> None:
    asked: list[str] = []

    class Sampler:
        def stop(self) -> ResidentPeak:
            # What sealing takes is not sampled.
            asked.extend(recorders[0].asked)
            return ResidentPeak(12345, None)

    monkeypatch.setattr(recording, "start_sampler", Sampler)
    with interprobe.record(memory=True) as trace:
        assert asked == []
    assert asked == ["start", "pause"]
    assert trace.trace.memory.rss_sampled_peak_bytes == 12345


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, MemoryError])
def test_a_recording_that_cannot_start_leaves_no_sampler(
    error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = []

    class Sampler:
        def stop(self) -> None:
            stopped.append(True)

    class Refusing(FakeRecorder):
        def start(self) -> None:
            raise error("no room")

    monkeypatch.setattr(recording, "start_sampler", Sampler)
    monkeypatch.setattr(recording, "new_recorder", lambda file, *packages: Refusing())
    # Too many recordings at a time are no reason to stop the program.
    expected = contextlib.nullcontext() if error is MemoryError else pytest.raises(error)
    with expected, interprobe.record(memory=True) as trace:
        pass
    assert stopped == [True]
    if error is MemoryError:
        assert "nothing was recorded, because no room" in " ".join(printed(trace).split())


@pytest.mark.parametrize("value", ["off", "OFF", "0", "no", "False"])
def test_the_environment_switches_recording_off(
    value: str, monkeypatch: pytest.MonkeyPatch, recorders: list[FakeRecorder]
) -> None:
    monkeypatch.setenv("INTERPROBE", value)
    with interprobe.record() as trace:
        pass
    assert recorders == []
    assert trace.findings == []
    text = " ".join(printed(trace).split())
    assert f"nothing was recorded, because INTERPROBE={value} has it switched off" in text


@pytest.mark.parametrize("value", ["", "on", "1"])
def test_any_other_value_leaves_it_on(
    value: str, monkeypatch: pytest.MonkeyPatch, recorders: list[FakeRecorder]
) -> None:
    monkeypatch.setenv("INTERPROBE", value)
    with interprobe.record():
        pass
    assert len(recorders) == 1


def test_a_recording_says_briefly_what_it_is() -> None:
    trace = interprobe.record()
    assert repr(trace) == "<interprobe recording, not begun>"
    with trace:
        assert repr(trace) == "<interprobe recording, running>"
    assert repr(trace) == "<interprobe recording of 1 s: 1 copy, 0 crossings>"


def test_importing_interprobe_imports_neither_numpy_nor_rich() -> None:
    code = (
        "import interprobe, sys\n"
        "assert interprobe.__version__ and 'record' in dir(interprobe)\n"
        "print(sorted({'numpy', 'rich', 'msgspec', 'line_profiler'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("name", interprobe.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(interprobe, name) is not None
    assert name in dir(interprobe)


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'interprobe' has no attribute 'recrod'"):
        interprobe.recrod  # noqa: B018
