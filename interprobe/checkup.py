"""Finds out what can be recorded here: each probe is tried, and counts a known piece of work."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from dataclasses import dataclass

import numpy as np

from interprobe import native, probes
from interprobe.process_ledgers import LedgerFolder
from interprobe.recorder import Recorder
from interprobe.trace import Trace


@dataclass(frozen=True)
class ProbeState:
    """One probe on this machine."""

    name: str
    sees: str
    cannot_see: str
    left_out: str
    """Why this Python or NumPy does not allow it; "" where it is in place."""
    miscount: str
    """How what it saw of the known work differs from that; "" where it does not."""

    @property
    def works(self) -> bool:
        """Whether it is in place and counts right."""
        return not self.left_out and not self.miscount


@dataclass(frozen=True)
class Checkup:
    """What can be recorded here; each ``*_failure`` is "" where there is none."""

    python: str
    numpy: str
    platform: str
    probes: list[ProbeState]
    blind_spots: list[str]
    ledger_folder: str
    ledger_failure: str
    """Why no ledger file can be made."""
    watching_failure: str
    """Why no process can watch over a run's death."""
    children_failure: str
    """Why interpreters that a program starts go unrecorded."""
    guard_failure: str
    """Why array data cannot be guarded."""
    guarded_at_most: int
    """Blocks of array data that can be guarded at one time."""
    repeating_failure: str
    """Why no call can be repeated to measure what other arrays would gain."""

    @property
    def works(self) -> bool:
        """Whether nothing is left out."""
        failures = (
            self.ledger_failure,
            self.watching_failure,
            self.children_failure,
            self.guard_failure,
            self.repeating_failure,
        )
        return all(probe.works for probe in self.probes) and not any(failures)


def examine() -> Checkup:
    """Try everything that a recording relies on; what it changes is put back."""
    recorder = Recorder(what_if="off")
    recorder.start()
    try:
        left_out = probes.left_out()
        states = [_state(probe, left_out) for probe in probes.discover()]
    finally:
        trace = recorder.stop()
    folder, ledger_failure = _ledger()
    guarded_at_most, guard_failure = _guard()
    return Checkup(
        python=platform.python_version(),
        numpy=np.__version__,
        platform=platform.platform(),
        probes=states,
        blind_spots=[
            sentence for sentence in trace.meta.blind_spots if " is left out: " not in sentence
        ],
        ledger_folder=folder,
        ledger_failure=ledger_failure,
        watching_failure=_watching(),
        children_failure=_children(),
        guard_failure=guard_failure,
        guarded_at_most=guarded_at_most,
        repeating_failure=_repeating(),
    )


def _state(probe: probes.Probe, left_out: dict[str, str]) -> ProbeState:
    name = probes.name_of(probe)
    return ProbeState(
        name,
        probe.SEES,
        probe.CANNOT_SEE,
        left_out.get(name, ""),
        "" if name in left_out else _miscount(probe.KNOWN_WORK),
    )


def _miscount(work: probes.KnownWork | None) -> str:
    """How what is recorded of known work differs from it; "" where it does not."""
    if work is None:
        return ""
    values = np.ones((30, 40))
    # Code of interprobe's own would not be recorded.
    code = compile(work.code, "<known work>", "exec")
    recorder = Recorder(what_if="off")
    recorder.start()
    try:
        exec(code, {"__name__": "__known_work__", "np": np, "values": values})
    except Exception as error:
        return f"a known piece of work failed with {type(error).__name__}: {error}"
    finally:
        trace = recorder.stop()
    seen = _seen(work, trace)
    if seen == (work.count, work.bytes):
        return ""
    return (
        f"of {work.count:,} events with {work.bytes:,} bytes "
        f"it counted {seen[0]:,} with {seen[1]:,} bytes"
    )


def _seen(work: probes.KnownWork, trace: Trace) -> tuple[int, int]:
    """Events of that work in the trace, and their bytes."""
    match work.records:
        case "allocations":
            return trace.memory.allocations, trace.memory.allocated_bytes
        case "borrows":
            found = [(each.requested, each.count, each.bytes) for each in trace.borrows]
        case "calls":
            found = [(each.function, each.count, each.bytes_borrowed) for each in trace.calls]
        case "copies":
            found = [(each.mechanism, each.count, each.bytes) for each in trace.copies]
    of_name = [(count, size) for name, count, size in found if name == work.name]
    return sum(count for count, _ in of_name), sum(size for _, size in of_name)


def _ledger() -> tuple[str, str]:
    """Where ledger files are kept, and why none can be made there."""
    import tempfile

    try:
        folder = LedgerFolder.make()
    except OSError as error:
        return "", error.strerror or str(error)
    try:
        native.Ledger(folder.new_file())
    except OSError as error:
        return tempfile.gettempdir(), error.strerror or str(error)
    finally:
        folder.remove()
    return os.path.dirname(folder.path), ""


def _guard() -> tuple[int, str]:
    """How many blocks can be guarded at one time, and why none can."""
    book = native.Ledger()
    try:
        return book.begin_guard(), ""
    except RuntimeError as error:
        return 0, str(error)
    finally:
        book.end_guard()


def _repeating() -> str:
    if native.calls_can_be_repeated():
        return ""
    return "the kernel cannot keep a repeated call from changing anything outside of its process"


def _watching() -> str:
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError as error:
        return f"the kernel refuses pidfd_open: {error.strerror}"
    return ""


def _children() -> str:
    """Why an interpreter that is started does not look for the run that it belongs to."""
    from interprobe.bootstrap import VARIABLE

    code = "import sys; sys.exit('interprobe.bootstrap' not in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, VARIABLE: "{}"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    return "" if done.returncode == 0 else "interprobe.pth is in no folder that Python reads"
