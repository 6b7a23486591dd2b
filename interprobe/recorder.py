"""Owns the probes for the length of a recording and seals what they saw into a trace."""

from __future__ import annotations

import os
import platform
import resource
import sys
import time
from collections.abc import Sequence

import numpy as np

from interprobe import ledger, native, probes, sealing, sites
from interprobe.blind_spots import modules_with_cached_table
from interprobe.trace import Trace


class Recorder:
    """Records what happens at the boundary, in all threads of this process.

    Recorders may overlap; each gets its own trace. A forked child records nothing: the recording
    goes on in the parent alone.
    """

    def __init__(self, argv: Sequence[str] | None = None, own_paths: Sequence[str] = ()) -> None:
        """Prepare a recording without starting it.

        Args:
            argv: What the trace says was run; ``sys.argv`` by default.
            own_paths: Files and folders that are the user's own code wherever they lie.
        """
        self._argv = list(sys.argv if argv is None else argv)
        self._own_paths = list(own_paths)
        self._ledger: native.Ledger | None = None
        self._blind_spots: list[str] = []
        self._started = 0.0

    def start(self) -> None:
        """Install the probes and begin to record.

        Raises:
            RuntimeError: The recorder was started before.
            MemoryError: 64 recordings are open already.
        """
        if self._ledger is not None:
            raise RuntimeError("this recorder was started before; make a new one")
        sites.apply_ownership(self._own_paths)
        cached = modules_with_cached_table()
        book = native.Ledger()
        self._blind_spots = probes.acquire() + cached
        self._ledger = book  # from here on there is something for stop() to put back
        self._started = time.time()
        book.resume()

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
        return self._seal(self._open_ledger(), complete=False)

    def stop(self) -> Trace:
        """End the recording and put every patched pointer back.

        Returns:
            The trace, without findings: those are for :func:`interprobe.analysis.analyse`.
        """
        book = self._open_ledger()
        book.pause()
        trace = self._seal(book, complete=True)
        if book.pid == os.getpid():
            probes.release()
        self._ledger = None
        return trace

    def _open_ledger(self) -> native.Ledger:
        if self._ledger is None:
            raise RuntimeError("this recorder is not recording")
        return self._ledger

    def _seal(self, book: native.Ledger, *, complete: bool) -> Trace:
        contents = ledger.read(book.snapshot())
        blind_spots = list(self._blind_spots)
        if contents.dropped:
            blind_spots.append(
                f"{contents.dropped} events found no room in the ledger: too many distinct places."
            )
        return sealing.seal(
            contents,
            argv=self._argv,
            started=self._started,
            versions=(platform.python_version(), np.__version__, platform.platform()),
            rss_peak_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            complete=complete,
            blind_spots=blind_spots,
        )
