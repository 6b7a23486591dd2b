"""Records what happens while a decorated function's body runs: ``profile``."""

from __future__ import annotations

import atexit
import contextlib
import functools
import inspect
import os
import sys
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar, overload

from interprobe.recording import (
    SWITCH,
    RecorderProtocol,
    Recording,
    UnrecordedFunction,
    analysed,
    names_in,
    new_recorder,
    switched_off,
    unrecorded_trace,
)
from interprobe.suspension import stepwise

if TYPE_CHECKING:
    from interprobe.lines import LineTimer
    from interprobe.memory import ResidentSampler
    from interprobe.trace import Trace
    from interprobe.what_if import WhatIf

_Parameters = ParamSpec("_Parameters")
_Rest = ParamSpec("_Rest")
_Instance = TypeVar("_Instance")
_Bound_co = TypeVar("_Bound_co", covariant=True)
_Result_co = TypeVar("_Result_co", covariant=True)
_Descriptor = TypeVar("_Descriptor", bound="classmethod[Any, Any, Any] | staticmethod[Any, Any]")


class FunctionRecording(Recording):
    """The recording of all calls of one decorated function.

    It can be read at any time, and shows what there is so far; it grows with every call.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        file: str,
        *,
        lines: bool,
        memory: bool,
        boundary: Sequence[str] = (),
        no_boundary: Sequence[str] = (),
        what_if: WhatIf = "auto",
    ) -> None:
        """Prepare to record.

        Args:
            function: The function whose body is recorded.
            file: Where it is decorated: the user's own code, wherever it lies.
            lines: Whether to time its lines.
            memory: Whether to sample resident memory.
            boundary: Packages whose compiled functions are crossings whoever calls them.
            no_boundary: Packages whose compiled functions are left alone.
            what_if: What is repeated with better arrays.

        Raises:
            TypeError: ``lines`` was asked of a callable without Python code.
            LookupError: One of the packages does not exist.
        """
        super().__init__()
        self._function = function
        self._file = file
        self._options = (boundary, no_boundary, what_if)
        code = getattr(inspect.unwrap(function), "__code__", None)
        self._name = getattr(function, "__qualname__", None) or repr(function)
        self._place = f" ({code.co_filename}:{code.co_firstlineno})" if code is not None else ""
        self._recorder: RecorderProtocol | None = new_recorder(file, *self._options)
        self._refused = ""
        self._started = False
        self._depth = 0
        self._entries = 0
        self._analysed_entries = 0
        self._timer: LineTimer | None = None
        self._sampler: ResidentSampler | None = None
        if lines:
            from interprobe.lines import LineTimer

            self._timer = LineTimer()
            self._timer.add(function)
        if memory:
            from interprobe.memory import ResidentSampler

            self._sampler = ResidentSampler()
        self._renew_lock()
        _recordings.add(self)

    def enter(self) -> None:
        """A body begins or goes on; recording goes on with the first of several."""
        if self._timer is not None:
            self._timer.enter()
        with self._lock:
            # Counted first: what interrupts this (a signal's handler, a destructor) may call the
            # function too, and then finds and leaves it in order.
            self._depth += 1
            if self._depth == 1:
                self._entries += 1
                if self._sampler is not None:
                    self._sampler.start()
                if not self._started:
                    self._start()
                elif self._recorder is not None:
                    self._recorder.resume()

    def leave(self) -> None:
        """A body ends or waits; recording pauses with the last of several."""
        with self._lock:
            self._depth -= 1
            if self._depth == 0:
                if self._recorder is not None:
                    self._recorder.pause()
                if self._sampler is not None:
                    self._sampler.pause()
        if self._timer is not None:
            self._timer.leave()

    @property
    def trace(self) -> Trace:
        """What was recorded so far, with its findings."""
        with self._lock:
            entries, running = self._entries, self._depth > 0
            if not entries:
                return unrecorded_trace(f"{self._name} has not been called")
            if self._recorder is None:
                return unrecorded_trace(self._refused)
            if self._analysed is not None and self._analysed_entries == entries and not running:
                return self._analysed
            trace = self._snapshot(self._recorder)
        self._analysed, self._analysed_entries = analysed(trace), -1 if running else entries
        return self._analysed

    @property
    def called(self) -> bool:
        """Whether there is anything to report."""
        return self._entries > 0

    def __repr__(self) -> str:
        """Name the function; what was recorded of it takes a while to tell."""
        return f"<interprobe recording of {self._name}>"

    def __reduce__(self) -> tuple[Callable[..., FunctionRecording], tuple[Any, ...]]:
        """Begin anew where a function is sent by value: another process records for itself."""
        lines, memory = self._timer is not None, self._sampler is not None
        boundary, no_boundary, what_if = self._options
        anew = functools.partial(
            FunctionRecording,
            lines=lines,
            memory=memory,
            boundary=boundary,
            no_boundary=no_boundary,
            what_if=what_if,
        )
        return anew, (self._function, self._file)

    def _heading(self) -> str:
        return f"interprobe.profile: {self._name}{self._place}\n\n"

    def _start(self) -> None:
        recorder = self._recorder
        assert recorder is not None
        self._started = True
        try:
            recorder.start()
        except MemoryError as error:
            # There is a limit to recordings at a time; the function itself works without one.
            self._recorder, self._refused = None, str(error)
        else:
            # A function that is garbage needs no probes. Those of the others stay to the very end,
            # where sealing a trace that nobody reads would only take time.
            weakref.finalize(self, recorder.stop).atexit = False

    def _snapshot(self, recorder: RecorderProtocol) -> Trace:
        from msgspec.structs import replace

        trace = recorder.snapshot()
        if self._depth == 0:
            # The recording goes on, but every call that it has seen has ended.
            processes = [replace(process, complete=True) for process in trace.processes]
            trace = replace(trace, meta=replace(trace.meta, complete=True), processes=processes)
        if self._sampler is not None:
            from interprobe.memory import add_resident_peak

            trace = add_resident_peak(trace, self._sampler.peak)
        if self._timer is not None:
            trace = replace(trace, lines=self._timer.functions(trace))
        return trace

    def _renew_lock(self) -> None:
        self._lock = threading.RLock()


class ProfiledFunction(Protocol[_Parameters, _Result_co]):
    """A function that :func:`profile` has decorated, to a type checker.

    Functions, and methods of an instance, keep their types; what a class gives is not checked,
    since a decorator cannot tell a class method from the others.
    """

    recording: Recording
    __name__: str
    __qualname__: str
    __wrapped__: Callable[..., Any]

    def __call__(self, *args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Result_co:
        """Call the function."""

    @overload
    def __get__(self, instance: None, owner: type[Any], /) -> Any: ...

    @overload
    def __get__(
        self: ProfiledFunction[Concatenate[_Instance, _Rest], _Bound_co],
        instance: _Instance,
        owner: type[Any] | None = None,
        /,
    ) -> ProfiledFunction[_Rest, _Bound_co]: ...

    @overload
    def __get__(self, instance: object, owner: type[Any] | None = None, /) -> Any: ...


class _Decorator(Protocol):
    @overload
    def __call__(self, function: _Descriptor, /) -> _Descriptor: ...  # type: ignore[overload-overlap]

    @overload
    def __call__(
        self, function: Callable[_Parameters, _Result_co], /
    ) -> ProfiledFunction[_Parameters, _Result_co]: ...


@overload
def profile(function: _Descriptor, /) -> _Descriptor: ...  # type: ignore[overload-overlap]


@overload
def profile(
    function: Callable[_Parameters, _Result_co], /
) -> ProfiledFunction[_Parameters, _Result_co]: ...


@overload
def profile(
    *,
    lines: bool = ...,
    memory: bool = ...,
    boundary: str | Sequence[str] = ...,
    no_boundary: str | Sequence[str] = ...,
    what_if: WhatIf = ...,
    enabled: bool = ...,
    report: bool = ...,
) -> _Decorator: ...


def profile(
    function: Any = None,
    /,
    *,
    lines: bool = False,
    memory: bool = False,
    boundary: str | Sequence[str] = (),
    no_boundary: str | Sequence[str] = (),
    what_if: WhatIf = "auto",
    enabled: bool = True,
    report: bool = True,
) -> Any:
    """Record what happens at the border to native code while a function's body runs.

    Works on functions, methods, generators, coroutines and asynchronous generators, and above
    ``classmethod`` and ``staticmethod``. Recording pauses while a generator is suspended and while
    a coroutine waits; it adds up over all calls, and a recursive call counts once. It sees every
    thread while the body runs. The report is printed to standard error when the process ends;
    ``function.recording`` (a :class:`~interprobe.recording.Recording`) has it at any time before.

    With ``enabled=False``, or the environment variable ``INTERPROBE=off``, the very same function
    comes back and runs at its own speed; its ``recording`` then says that nothing was recorded.

    Example::

        @interprobe.profile
        def solve(matrix): ...

        @interprobe.profile(lines=True, report=False)
        def step(state): ...

    Args:
        function: The function, where the decorator is used without options.
        lines: Whether to time each line with line_profiler, with its copies beside the time. The
            seconds include line_profiler's own overhead, and the function runs slower.
        memory: Whether to sample resident memory, every 10 ms. The peak of array data is always
            recorded, and exact.
        boundary: A package, or several, whose compiled functions are crossings whoever calls them.
        no_boundary: A package, or several, whose compiled functions are left alone.
        what_if: Which calls are repeated with better arrays, in a forked child, to measure what
            these would gain: the costliest ("auto"), all that can be ("all"), or none ("off").
        enabled: False to leave the function as it is.
        report: Whether to print the report when the process ends, if the function was called.

    Returns:
        The decorated function, or a decorator where only options are given.

    Raises:
        TypeError: It is no function, or ``lines`` was asked of one without Python code.
        ValueError: ``what_if`` is none of the three.
        LookupError: A package that is to be watched or left alone does not exist.
    """
    options = {
        "lines": lines,
        "memory": memory,
        "boundary": names_in(boundary),
        "no_boundary": names_in(no_boundary),
        "what_if": what_if,
    }
    if function is None:
        return functools.partial(profile, **options, enabled=enabled, report=report)
    _refuse_other_than_functions(function)
    if switched_off() or not enabled:
        reason = "enabled=False" if not enabled else f"{SWITCH}={os.environ[SWITCH]}"
        # Some callables take no attribute: they stay as they are in that too.
        with contextlib.suppress(AttributeError, TypeError):
            body = getattr(function, "__func__", function)
            body.recording = UnrecordedFunction(f"{reason} has it switched off")
        return function
    file = sys._getframe(1).f_code.co_filename
    if isinstance(function, classmethod | staticmethod):
        body = function.__func__
        return type(function)(_recorded(body, file, options, report=report))
    return _recorded(function, file, options, report=report)


def _recorded(
    function: Callable[..., Any], file: str, options: dict[str, Any], *, report: bool
) -> Any:
    recording = FunctionRecording(function, file, **options)
    wrapper: Any = stepwise(function, recording)
    wrapper.recording = recording
    if report:
        _report_at_exit(recording)
    return wrapper


def _refuse_other_than_functions(function: object) -> None:
    if isinstance(function, type):
        raise TypeError(
            f"interprobe.profile decorates functions, not classes: "
            f"decorate the methods of {function.__qualname__}"
        )
    if isinstance(function, property | functools.cached_property):
        raise TypeError("interprobe.profile decorates functions: put it below the property")
    if not callable(getattr(function, "__func__", function)):
        raise TypeError(f"interprobe.profile decorates functions, not {function!r}")


_recordings: weakref.WeakSet[FunctionRecording] = weakref.WeakSet()
_to_report: list[FunctionRecording] = []


def _report_at_exit(recording: FunctionRecording) -> None:
    if not _to_report:
        atexit.register(_report_all, os.getpid())
    _to_report.append(recording)


def _report_all(process: int) -> None:
    # A forked child has its parent's records, which the parent reports.
    if os.getpid() != process or sys.stderr is None:
        return
    for recording in _to_report:
        if recording.called:
            # There may be no one left to read it.
            with contextlib.suppress(OSError, ValueError):
                recording.report(file=sys.stderr)
                sys.stderr.write("\n")


def _renew_locks() -> None:
    for recording in _recordings:
        recording._renew_lock()


# A forked child may find a lock held by a thread that it does not have.
os.register_at_fork(after_in_child=_renew_locks)
