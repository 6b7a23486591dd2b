"""Records a part of a program from inside: ``record()``, and the ``Recording`` that it leaves."""

from __future__ import annotations

import abc
import contextlib
import os
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, TextIO

if TYPE_CHECKING:
    from types import TracebackType

    from interprobe.findings import Finding
    from interprobe.memory import ResidentSampler
    from interprobe.trace import Copy, Trace
    from interprobe.what_if import WhatIf

SWITCH = "INTERPROBE"
"""Environment variable that switches all recording from within programs off."""

_OFF = frozenset({"0", "false", "no", "off"})
_WIDTH_OF_FILES = 100


class RecorderProtocol(Protocol):
    """What a recording needs of :class:`interprobe.recorder.Recorder`."""

    def start(self) -> None:
        """Begin to record."""

    def pause(self) -> None:
        """Record nothing until :meth:`resume`."""

    def resume(self) -> None:
        """Go on after :meth:`pause`."""

    def snapshot(self) -> Trace:
        """What was recorded so far, without an end to the recording."""

    def stop(self) -> Trace:
        """End the recording and return what was recorded."""


class Recording(abc.ABC):
    """What interprobe saw of a part of a program."""

    def __init__(self) -> None:
        self._analysed: Trace | None = None

    @property
    @abc.abstractmethod
    def trace(self) -> Trace:
        """The sealed trace of the part, with its findings.

        Raises:
            RuntimeError: The part has not ended, or not begun.
        """

    @property
    def findings(self) -> list[Finding]:
        """What the rules have to say, errors first.

        Raises:
            RuntimeError: The part has not ended, or not begun.
        """
        return self.trace.findings

    @property
    def copies(self) -> list[Copy]:
        """Every copy that NumPy made, grouped by place and layout.

        Raises:
            RuntimeError: The part has not ended, or not begun.
        """
        return self.trace.copies

    def report(
        self, file: TextIO | None = None, width: int | None = None, color: bool | None = None
    ) -> None:
        """Print the report that ``interprobe run`` prints, for this part alone.

        Args:
            file: Where to print; standard output by default.
            width: Columns to fill; by default those of the terminal, or 100 where there is none.
            color: Whether to use colours; by default only on a terminal, unless ``NO_COLOR`` or
                ``FORCE_COLOR`` says otherwise.

        Raises:
            RuntimeError: The part has not ended, or not begun.
        """
        from interprobe.renderers.terminal import render

        stream = sys.stdout if file is None else file
        text = self._heading() + render(
            self.trace,
            width=_width_of(stream) if width is None else width,
            color=_has_color(stream) if color is None else color,
        )
        encoding = getattr(stream, "encoding", None)
        if encoding:
            text = text.encode(encoding, "replace").decode(encoding)
        stream.write(text)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the trace as JSON, for ``interprobe report`` or another machine.

        Args:
            path: The file to write; replaced as a whole.

        Raises:
            RuntimeError: The part has not ended, or not begun.
            OSError: The file cannot be written.
        """
        self.trace.save(path)

    def _heading(self) -> str:
        """What precedes the report."""
        return ""


class UnrecordedFunction(Recording):
    """The recording of a function that is not recorded: it says why."""

    def __init__(self, reason: str) -> None:
        """Remember why nothing is recorded."""
        super().__init__()
        self._reason = reason

    @property
    def trace(self) -> Trace:
        """A trace without records; its report gives the reason."""
        return unrecorded_trace(self._reason)


class BlockRecording(Recording):
    """The recording of a ``with`` block; made by :func:`record`."""

    def __init__(
        self,
        file: str,
        *,
        memory: bool,
        boundary: Sequence[str],
        no_boundary: Sequence[str],
        what_if: WhatIf = "auto",
    ) -> None:
        """Prepare to record a block of ``file``, which is the user's own code wherever it lies."""
        super().__init__()
        self._file = file
        self._boundary = boundary
        self._no_boundary = no_boundary
        self._what_if = what_if
        self._memory = memory
        self._recorder: RecorderProtocol | None = None
        self._sampler: ResidentSampler | None = None
        self._sealed: Trace | None = None
        self._entered = False

    def __enter__(self) -> BlockRecording:
        """Begin to record.

        Raises:
            RuntimeError: It has recorded a block before.
            LookupError: A package that is to be watched or left alone does not exist.
            ValueError: ``what_if`` is none of the three.
        """
        if self._entered:
            raise RuntimeError("a recording holds one block: call interprobe.record() for another")
        self._entered = True
        if switched_off():
            self._sealed = unrecorded_trace(f"{SWITCH}={os.environ[SWITCH]} has it switched off")
            return self
        recorder = new_recorder(self._file, self._boundary, self._no_boundary, self._what_if)
        if self._memory:
            self._sampler = start_sampler()
        try:
            recorder.start()
            self._recorder = recorder
        except MemoryError as error:
            # There is a limit to recordings at a time; the block itself works without one.
            self._sealed = unrecorded_trace(str(error))
        finally:
            if self._recorder is None and self._sampler is not None:
                self._sampler.stop()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Seal the recording; an exception of the block goes on its way."""
        recorder, self._recorder = self._recorder, None
        if recorder is None:
            return
        # Neither the time nor the memory of sealing is the block's.
        recorder.pause()
        peak = self._sampler.stop() if self._sampler is not None else None
        trace = recorder.stop()
        if peak is not None:
            from interprobe.memory import add_resident_peak

            trace = add_resident_peak(trace, peak)
        self._sealed = trace

    @property
    def trace(self) -> Trace:
        """The sealed trace of the block, with its findings.

        Raises:
            RuntimeError: The block has not ended, or not begun.
        """
        if self._sealed is None:
            state = "is still being recorded" if self._entered else "has not been recorded yet"
            raise RuntimeError(
                f"this block {state}: read the recording after the end of its 'with' block"
            )
        if self._analysed is None:
            # After the block, and only if someone asks: the rules take no time from the program.
            self._analysed = analysed(self._sealed)
        return self._analysed

    def __repr__(self) -> str:
        """Say what was recorded, briefly."""
        if self._sealed is None:
            return f"<interprobe recording, {'running' if self._entered else 'not begun'}>"
        return described(self._sealed)


def record(
    *,
    memory: bool = False,
    boundary: str | Sequence[str] = (),
    no_boundary: str | Sequence[str] = (),
    what_if: WhatIf = "auto",
) -> BlockRecording:
    """Record what happens at the border to native code in a ``with`` block.

    All threads are recorded while the block runs; blocks may be nested, each has its own recording.
    With the environment variable ``INTERPROBE=off`` nothing is recorded and the report says so.

    Example::

        with interprobe.record() as trace:
            solve(matrix)
        trace.report()

    Args:
        memory: Whether to sample resident memory as well, every 10 ms. The peak of array data is
            always recorded, and exact.
        boundary: A package, or several, whose compiled functions are crossings whoever calls them.
            Without, those functions are that the program's own code imports by name.
        no_boundary: A package, or several, whose compiled functions are left alone.
        what_if: Which calls are repeated with better arrays, in a forked child, to measure what
            these would gain: the costliest ones, within a tenth of the block's time or 2 s
            ("auto"), all that can be ("all"), or none ("off").

    Returns:
        A context manager; it is what ``as`` binds, and can be read once the block has ended.
    """
    file = sys._getframe(1).f_code.co_filename
    return BlockRecording(
        file,
        memory=memory,
        boundary=names_in(boundary),
        no_boundary=names_in(no_boundary),
        what_if=what_if,
    )


def switched_off() -> bool:
    """Whether the environment asks for no recording (``INTERPROBE=off``)."""
    return os.environ.get(SWITCH, "").strip().lower() in _OFF


def names_in(packages: str | Sequence[str]) -> list[str]:
    """One name of a package or several, as a list."""
    return [packages] if isinstance(packages, str) else list(packages)


def new_recorder(
    file: str,
    boundary: Sequence[str] = (),
    no_boundary: Sequence[str] = (),
    what_if: WhatIf = "auto",
) -> RecorderProtocol:
    """A recorder to which ``file`` is the user's own code, wherever it lies.

    Raises:
        LookupError: One of the packages does not exist.
        ValueError: ``what_if`` is none of the three.
    """
    from interprobe.recorder import Recorder

    if boundary or no_boundary:
        from interprobe.packages import check

        check(boundary, no_boundary)
    return Recorder(
        own_paths=[file] if file else [],
        boundary=boundary,
        no_boundary=no_boundary,
        what_if=what_if,
    )


def start_sampler() -> ResidentSampler:
    """A sampler of resident memory that runs."""
    from interprobe.memory import ResidentSampler

    sampler = ResidentSampler()
    sampler.start()
    return sampler


def analysed(trace: Trace) -> Trace:
    """The same trace with its findings."""
    from interprobe.analysis import analyse
    from interprobe.this_machine import with_machine

    return analyse(with_machine(trace))


def unrecorded_trace(reason: str) -> Trace:
    """The trace of a part that was not recorded; its report gives the reason."""
    import platform
    from importlib.metadata import version

    from interprobe._version import __version__
    from interprobe.trace import Memory, Meta, Trace

    meta = Meta(
        interprobe=__version__,
        python=platform.python_version(),
        numpy=version("numpy"),
        platform=platform.platform(),
        argv=list(sys.argv),
        started=time.time(),
        seconds=0.0,
        exit_status=None,
        complete=True,
        blind_spots=[f"Anything: nothing was recorded, because {reason}."],
    )
    return Trace(meta=meta, processes=[], copies=[], calls=[], borrows=[], memory=Memory())


def described(trace: Trace) -> str:
    """A recording in a few words, for ``repr``."""
    from interprobe.wording import counted

    copies = counted(trace.copy_count, "copy", "copies")
    crossings = counted(sum(call.count for call in trace.calls), "crossing", "crossings")
    return f"<interprobe recording of {trace.meta.seconds:.3g} s: {copies}, {crossings}>"


def _width_of(stream: TextIO) -> int:
    columns = os.environ.get("COLUMNS", "")
    if stream in (sys.stdout, sys.stderr) and columns.isdigit():
        return int(columns) or _WIDTH_OF_FILES
    if _is_terminal(stream):
        # A stream may look like a terminal and have no descriptor, as in a notebook.
        with contextlib.suppress(OSError, ValueError):
            return os.get_terminal_size(stream.fileno()).columns or _WIDTH_OF_FILES
    return _WIDTH_OF_FILES


def _has_color(stream: TextIO) -> bool:
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return _is_terminal(stream) and os.environ.get("TERM") != "dumb"


def _is_terminal(stream: TextIO) -> bool:
    isatty = getattr(stream, "isatty", None)
    return bool(isatty and isatty())
