"""Owns the probes for the length of a recording and seals what they saw into a trace."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import msgspec

from interprobe import contracts as contract_checks
from interprobe import native, probes, sites
from interprobe import what_if as measurements
from interprobe.blind_spots import modules_with_cached_table
from interprobe.contracts import Contracts
from interprobe.description import describe_run, encode, with_resident_peak
from interprobe.probes import extension_calls
from interprobe.process_ledgers import LedgerFolder
from interprobe.what_if import WhatIf

if TYPE_CHECKING:
    from interprobe.trace import Trace

GuardedSide = Literal["end", "start"]


class Recorder:
    """Records what happens at the boundary, in all threads of this process.

    Recorders may overlap; each gets its own trace. A forked child goes on in a ledger of its own
    where the recorder has a folder for ledgers, and else records nothing.
    """

    def __init__(
        self,
        argv: Sequence[str] | None = None,
        own_paths: Sequence[str] = (),
        folder: LedgerFolder | None = None,
        *,
        boundary: Sequence[str] = (),
        no_boundary: Sequence[str] = (),
        contracts: Contracts = "sampled",
        what_if: WhatIf = "auto",
        headers: Sequence[str] = (),
        guard: GuardedSide | None = None,
    ) -> None:
        """Prepare a recording without starting it.

        Args:
            argv: What the trace says was run; ``sys.argv`` by default.
            own_paths: Files and folders that are the user's own code wherever they lie.
            folder: Where all processes of the run keep their ledgers; by default the ledger is kept
                in memory, and is lost when the process dies.
            boundary: Packages in which every call of a compiled function is a crossing, whoever
                imports it; of other packages those are that the user's own code imports by name.
            no_boundary: Packages whose functions are left alone.
            contracts: Whether the contents of arrays are compared around calls only as far as that
                costs next to nothing ("sampled"), or all of them, always ("full").
            what_if: Which calls are repeated with better arrays, in a forked child, to measure what
                these would gain: the costliest ones, within a budget of time ("auto"), all that can
                be ("all"), or none ("off").
            headers: Headers that declare functions of libraries without debug information.
            guard: Guard mode: which side of array data adjoins a page that nobody may touch, so
                that native code is stopped there, as by a segmentation fault. Freed data are
                closed as well. None: neither.
        """
        self._argv = list(sys.argv if argv is None else argv)
        self._own_paths = list(own_paths)
        self._folder = folder
        self._boundary = list(boundary)
        self._no_boundary = list(no_boundary)
        self._contracts = contract_checks.checked(contracts)
        self._what_if = measurements.checked(what_if)
        self._headers = [os.path.abspath(header) for header in headers]
        self._guard = guard
        self._ledger: native.Ledger | None = None

    def start(self) -> None:
        """Install the probes and begin to record.

        Raises:
            RuntimeError: The recorder was started before.
            OSError: There is no room for the ledger, or 64 recordings are open already.
        """
        if self._ledger is not None:
            raise RuntimeError("this recorder was started before; make a new one")
        sites.apply_ownership(self._own_paths)
        cached = modules_with_cached_table()
        book = native.Ledger(None if self._folder is None else self._folder.new_file())
        extension_calls.choose(self, self._boundary, self._no_boundary)
        contract_checks.choose(self, self._contracts)
        shared = None if self._folder is None else self._folder.shared_file()
        measurements.choose(self, self._what_if, shared)
        blind_spots = probes.acquire() + cached
        self._ledger = book  # from here on there is something for stop() to put back
        if self._guard:
            blind_spots += self._begin_guard(book)
        self._description = describe_run(
            self._argv, blind_spots, sites.registered_sources(), self._headers
        )
        book.describe(encode(self._description))
        book.resume()

    def _begin_guard(self, book: native.Ledger) -> list[str]:
        """Guard array data from now on; a sentence where that cannot be."""
        why = probes.left_out().get("array allocations")
        if why is None:
            try:
                book.begin_guard(self._guard == "start")
            except RuntimeError as error:
                why = str(error)
        return [] if why is None else [f"Guard mode is left out: {why}."]

    def pause(self) -> None:
        """Stop recording for a while; the wall time of the pause is not counted."""
        self._open_ledger().pause()

    def resume(self) -> None:
        """Record again after a pause."""
        self._open_ledger().resume()

    def snapshot(self) -> Trace:
        """Seal what was seen so far; the recording goes on.

        Returns:
            A trace without findings.
        """
        self._describe(self._open_ledger())
        return self._trace(self._open_ledger())

    def stop(self) -> Trace:
        """End the recording and put every patched pointer back.

        Returns:
            The trace, without findings: those are for :func:`interprobe.analysis.analyse`.
        """
        book = self._open_ledger()
        self._end(book)
        trace = self._trace(book)
        self._ledger = None
        return trace

    def end_in_child(self) -> None:
        """End the recording of a process that leaves the trace to another; its ledger stays."""
        self._end(self._open_ledger())
        self._ledger = None

    def _end(self, book: native.Ledger) -> None:
        book.end_guard()
        book.pause()
        # What Python shows when nothing has handled it; an excepthook may have taken it away.
        shown = getattr(sys, "last_value", None)
        if isinstance(shown, BaseException):
            native.note_unhandled(shown)
        self._describe(book)
        book.seal()
        probes.release()
        extension_calls.forget(self)
        contract_checks.forget(self)
        measurements.forget(self)

    def _describe(self, book: native.Ledger) -> None:
        """Write what is known of the run by now."""
        now = with_resident_peak(self._description)
        blind_spots = [*now.blind_spots, *probes.blind_spots()]
        book.describe(encode(msgspec.structs.replace(now, blind_spots=blind_spots)))

    def _open_ledger(self) -> native.Ledger:
        if self._ledger is None:
            raise RuntimeError("this recorder is not recording")
        return self._ledger

    def _trace(self, book: native.Ledger) -> Trace:
        from interprobe import ledger, sealing  # only now: the program runs without them

        own = ledger.read(book.snapshot())
        others = [] if self._folder is None else self._folder.contents()
        return sealing.seal([own, *(other for other in others if other.pid != os.getpid())])


def own_seconds() -> float:
    """Seconds for which interprobe kept the program waiting, for replays; they are in no figure."""
    return native.hidden_seconds()
