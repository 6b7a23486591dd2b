"""Records a program and its children, from the import of NumPy to the end, however it ends."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from interprobe.cli.launch import watchdog
from interprobe.cli.launch.isolation import Imports
from interprobe.cli.launch.program import Program
from interprobe.numpy_arrival import NumpyArrival

if TYPE_CHECKING:
    from interprobe.contracts import Contracts
    from interprobe.lines import LineTimer
    from interprobe.memory import ResidentSampler
    from interprobe.process_ledgers import LedgerFolder
    from interprobe.recorder import GuardedSide, Recorder
    from interprobe.trace import Trace
    from interprobe.what_if import WhatIf

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
        boundary: Sequence[str] = (),
        no_boundary: Sequence[str] = (),
        contracts: Contracts = "sampled",
        what_if: WhatIf = "auto",
        headers: Sequence[str] = (),
        guard: GuardedSide | None = None,
    ) -> None:
        """Prepare to record.

        Args:
            program: What will run.
            imports: Keeps interprobe's imports apart from the program's.
            deliver: Is given the analysed trace after the program's end.
            fail: Is given a sentence instead, where recording was impossible.
            timer: Times lines meanwhile.
            sampler: Samples resident memory meanwhile.
            boundary: As for :class:`~interprobe.recorder.Recorder`, for children as well.
            no_boundary: As ``boundary``.
            contracts: As ``boundary``.
            what_if: As ``boundary``.
            guard: As ``boundary``.
            headers: Paths of headers that declare functions of libraries.
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
        self._boundary = list(boundary)
        self._no_boundary = list(no_boundary)
        self._contracts: Contracts = contracts
        self._what_if: WhatIf = what_if
        self._guard = guard
        self._headers = list(headers)
        self._arrival = NumpyArrival(self._start)
        self._recorder: Recorder | None = None
        self._failure: Exception | None = None
        self._folder: LedgerFolder | None = None
        self._began = 0.0
        self._ended = 0.0

    def begin(self) -> None:
        """Wait for the program to import NumPy; time and sample from now on."""
        with self._imports.own():
            from interprobe import bootstrap
            from interprobe.child_processes import ChildEndings, RunAddress, announce
            from interprobe.process_ledgers import LedgerFolder

            bootstrap.cancel()  # this recording is the outer program's no longer
            # Nowhere to keep a file: the ledger stays in memory, and children go unrecorded.
            with contextlib.suppress(OSError):
                self._folder = LedgerFolder.make()
        if self._folder is not None:
            announce(
                RunAddress(
                    self._folder.path,
                    self._own_paths,
                    self._boundary,
                    self._no_boundary,
                    self._contracts,
                    self._guard,
                    self._what_if,
                )
            )
            ChildEndings(self._end_in_child).watch()
            watchdog.start(self._after_death)
        self._began = time.perf_counter()
        if self._sampler is not None:
            self._sampler.start()
        self._arrival.watch()
        if self._timer is not None:
            self._timer.start()

    def end(self, status: int) -> None:
        """Seal, analyse and deliver the trace."""
        self._ended = time.perf_counter()  # what follows is none of the program's time
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
            trace = self._recorder.stop()
            trace = self._with_outcome(trace, status, without_numpy)
            if self._timer is not None:
                from msgspec.structs import replace

                trace = replace(trace, lines=self._timer.functions(trace))
            if peak is not None:
                from interprobe.memory import add_resident_peak

                trace = add_resident_peak(trace, peak)
            from interprobe.analysis import analyse
            from interprobe.this_machine import with_machine

            self._deliver(analyse(with_machine(trace)))
        if self._folder is not None:
            self._folder.remove()  # the watchdog takes this for the word that all is delivered

    def _with_outcome(self, trace: Trace, status: int, without_numpy: bool) -> Trace:
        """Add what the launch alone knows: the exit status and the whole program's wall time."""
        from msgspec.structs import replace

        from interprobe.recorder import own_seconds

        # The recording began at the import of NumPy; a share is one of the whole program's time.
        own = own_seconds()
        seconds = max(self._ended - self._began - own, trace.meta.seconds)
        first = replace(trace.processes[0], exit_status=status, seconds=seconds)
        blind_spots = [_NO_NUMPY] if without_numpy else trace.meta.blind_spots
        meta = replace(trace.meta, exit_status=status, seconds=seconds, blind_spots=blind_spots)
        return replace(trace, meta=meta, processes=[first, *trace.processes[1:]])

    def _end_in_child(self) -> None:
        """Mark the ledger of a forked child as ended in good order."""
        if self._recorder is not None:
            self._recorder.end_in_child()

    def _after_death(self) -> None:
        """Deliver, from the watching process, what the program did not live to deliver."""
        folder = self._folder
        if folder is None or not os.path.isdir(folder.path):
            return
        with self._imports.own():
            from interprobe import sealing, sites
            from interprobe.analysis import analyse
            from interprobe.this_machine import with_machine

            ledgers = folder.contents()
            if ledgers:
                sites.apply_ownership(self._own_paths)
                trace = sealing.seal(ledgers)
            else:
                trace = self._trace_of_nothing()
            self._deliver(analyse(with_machine(trace)))
        folder.remove()

    def _trace_of_nothing(self) -> Trace:
        """The trace of a program that died before it imported NumPy."""
        from msgspec.structs import replace

        self._folder = None
        self._start()
        if self._recorder is None:
            raise RuntimeError(f"nothing was recorded: {self._failure}")
        trace = self._recorder.stop()
        meta = replace(trace.meta, complete=False, blind_spots=[_NO_NUMPY])
        return replace(trace, meta=meta, processes=[replace(trace.processes[0], complete=False)])

    def _start(self) -> None:
        """Start the recorder; a failure must not become one of the program's import of NumPy."""
        try:
            with self._imports.own():
                from interprobe.recorder import Recorder

                self._register_source()
            recorder = Recorder(
                argv=self._words,
                own_paths=self._own_paths,
                folder=self._folder,
                boundary=self._boundary,
                no_boundary=self._no_boundary,
                contracts=self._contracts,
                what_if=self._what_if,
                guard=self._guard,
                headers=self._headers,
            )
            recorder.start()
        except Exception as error:
            self._failure = error
        else:
            self._recorder = recorder

    def _register_source(self) -> None:
        if self._program.kind == "command":
            from interprobe.sites import register_source

            register_source("<string>", self._program.value)
