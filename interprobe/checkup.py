"""Finds out what can be recorded here: each probe is tried, and counts a known piece of work."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from interprobe import native, probes
from interprobe.process_ledgers import LedgerFolder
from interprobe.recorder import Recorder
from interprobe.trace import Trace

# Work whose every event is known. It runs as code of the user's own: interprobe's is not recorded.
_WORK = """
import ctypes
import numpy as np
from interprobe.cdemo import cykernels

block = np.empty(12345, np.uint8)
values = np.empty((30, 40), np.float64)
values.fill(1.0)
columns = np.asfortranarray(values)
values[...] = columns
memoryview(values).release()
cykernels.sum(values[0])
for number in range(3):
    ctypes.CDLL(None).abs(number)
python = ctypes.pythonapi
python.PyCapsule_GetPointer.restype = ctypes.POINTER(ctypes.c_void_p)
python.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
table = python.PyCapsule_GetPointer(np._core._multiarray_umath._ARRAY_API, None)
new_copy = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object, ctypes.c_int)(table[85])
new_copy(values, 0)
"""
_BYTES = 30 * 40 * 8


def _copies(mechanism: str) -> Callable[[Trace], tuple[int, int]]:
    def count(trace: Trace) -> tuple[int, int]:
        made = [copy for copy in trace.copies if copy.mechanism == mechanism]
        return sum(copy.count for copy in made), sum(copy.bytes for copy in made)

    return count


def _calls(function: str) -> Callable[[Trace], tuple[int, int]]:
    def count(trace: Trace) -> tuple[int, int]:
        made = [call for call in trace.calls if call.function == function]
        return sum(call.count for call in made), sum(call.bytes_borrowed for call in made)

    return count


def _memoryviews(trace: Trace) -> tuple[int, int]:
    made = [borrow for borrow in trace.borrows if borrow.requested == "INDIRECT|FORMAT"]
    return sum(borrow.count for borrow in made), sum(borrow.bytes for borrow in made)


# By a probe's name: how often, and how many bytes, it saw of that work; and what is right.
_COUNTS: dict[str, tuple[Callable[[Trace], tuple[int, int]], tuple[int, int]]] = {
    "array allocations": (
        lambda trace: (trace.memory.allocations, trace.memory.allocated_bytes),
        (4, 12345 + 3 * _BYTES),
    ),
    "array borrows": (_memoryviews, (1, _BYTES)),
    "ctypes calls": (_calls("abs"), (3, 0)),
    "element transfers": (_copies("ndarray.__setitem__"), (1, _BYTES)),
    "extension calls": (_calls("sum"), (1, 40 * 8)),
    "numpy c api": (_copies("PyArray_NewCopy"), (1, _BYTES)),
    "python conversions": (_copies("numpy.asfortranarray"), (1, _BYTES)),
}


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

    @property
    def works(self) -> bool:
        """Whether nothing is left out."""
        failures = (self.ledger_failure, self.watching_failure, self.children_failure)
        return all(probe.works for probe in self.probes) and not any(failures)


def examine() -> Checkup:
    """Try everything that a recording relies on; what it changes is put back."""
    recorder = Recorder()
    recorder.start()
    failure = ""
    try:
        left_out = probes.left_out()
        exec(compile(_WORK, "<checkup>", "exec"), {"__name__": "__checkup__"})
    except Exception as error:
        failure = f"the known work failed with {type(error).__name__}: {error}"
    finally:
        trace = recorder.stop()
    folder, ledger_failure = _ledger()
    return Checkup(
        python=platform.python_version(),
        numpy=np.__version__,
        platform=platform.platform(),
        probes=[_state(probe, left_out, failure, trace) for probe in probes.discover()],
        blind_spots=[
            sentence for sentence in trace.meta.blind_spots if " is left out: " not in sentence
        ],
        ledger_folder=folder,
        ledger_failure=ledger_failure,
        watching_failure=_watching(),
        children_failure=_children(),
    )


def _state(probe: probes.Probe, left_out: dict[str, str], failure: str, trace: Trace) -> ProbeState:
    name = probes.name_of(probe)
    miscount = ""
    if name not in left_out and name in _COUNTS:
        count, right = _COUNTS[name]
        seen = count(trace)
        if failure:
            miscount = failure
        elif seen != right:
            miscount = (
                f"of {right[0]} events with {right[1]:,} bytes "
                f"it counted {seen[0]} with {seen[1]:,} bytes"
            )
    return ProbeState(name, probe.SEES, probe.CANNOT_SEE, left_out.get(name, ""), miscount)


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


def _watching() -> str:
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError as error:
        return f"the kernel refuses pidfd_open: {error.strerror}"
    return ""


def _children() -> str:
    """Why an interpreter that is started does not look for the run that it belongs to."""
    from interprobe.child_processes import VARIABLE

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
