"""Records a program: from its import of NumPy to its end, with lines and memory where asked."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from interprobe.cli.launch.isolation import Imports
from interprobe.cli.launch.numpy_arrival import NumpyArrival
from interprobe.cli.launch.program import Program

if TYPE_CHECKING:
    from interprobe.lines import LineTimer
    from interprobe.memory import ResidentSampler
    from interprobe.recorder import Recorder
    from interprobe.trace import Trace

_NO_NUMPY = "Anything: the program did not import NumPy, so there were no arrays to watch."


class ProgramRecording:
    """What :func:`interprobe.cli.launch.session.run` does around a program that is recorded."""

    def __init__(
        self,
        program: Program,
        imports: Imports,
        deliver: Callable[[Trace], None],
        fail: Callable[[str], None],
        *,
        timer: LineTimer | None = None,
        sampler: ResidentSampler | None = None,
    ) -> None:
        """Prepare to record.

        Args:
            program: What will run.
            imports: Keeps interprobe's imports apart from the program's.
            deliver: Is given the analysed trace after the program's end.
            fail: Is given a sentence instead, where recording was impossible.
            timer: Times lines meanwhile.
            sampler: Samples resident memory meanwhile.
        """
        self._program = program
        # A file name need not be valid text; a trace must be.
        self._words = [os.fsencode(word).decode("utf-8", "replace") for word in program.command]
        self._own_paths = program.own_paths
        self._imports = imports
        self._deliver = deliver
        self._fail = fail
        self._timer = timer
        self._sampler = sampler
        self._arrival = NumpyArrival(self._start)
        self._recorder: Recorder | None = None
        self._failure: Exception | None = None

    def begin(self) -> None:
        """Wait for the program to import NumPy; time and sample from now on."""
        if self._sampler is not None:
            self._sampler.start()
        self._arrival.watch()
        if self._timer is not None:
            self._timer.start()

    def end(self, status: int) -> None:
        """Seal, analyse and deliver the trace."""
        if self._timer is not None:
            self._timer.stop()
        self._arrival.forget()
        try:
            self._finish(status)
        except KeyboardInterrupt:
            self._fail("The report was interrupted.")

    def _finish(self, status: int) -> None:
        with self._imports.own():
            peak = self._sampler.stop() if self._sampler is not None else None
            without_numpy = self._recorder is None and self._failure is None
            if without_numpy:
                self._start()
            if self._recorder is None:
                self._fail(f"Nothing was recorded: {self._failure}")
                return
            self._register_source()
            trace = self._recorder.stop()

            from msgspec.structs import replace

            from interprobe.analysis import analyse

            processes = [replace(trace.processes[0], exit_status=status), *trace.processes[1:]]
            blind_spots = [_NO_NUMPY] if without_numpy else trace.meta.blind_spots
            meta = replace(trace.meta, exit_status=status, blind_spots=blind_spots)
            trace = replace(trace, meta=meta, processes=processes)
            if self._timer is not None:
                trace = replace(trace, lines=self._timer.functions(trace))
            if peak is not None:
                from interprobe.memory import add_resident_peak

                trace = add_resident_peak(trace, peak)
            self._deliver(analyse(trace))

    def _start(self) -> None:
        """Start the recorder; a failure must not become one of the program's import of NumPy."""
        try:
            with self._imports.own():
                from interprobe.recorder import Recorder

            recorder = Recorder(argv=self._words, own_paths=self._own_paths)
            recorder.start()
        except Exception as error:
            self._failure = error
        else:
            self._recorder = recorder

    def _register_source(self) -> None:
        if self._program.kind == "command":
            from interprobe.sites import register_source

            register_source("<string>", self._program.value)
