"""Guard mode stops what touches memory beside an array, and names all that is known of it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from extension_builder import SOURCES, build_c_library, build_cython

from interprobe.findings import Finding
from interprobe.trace import Trace, Violation, load

SEGFAULT = -signal.SIGSEGV
PROGRAM = "guarded.py"


@dataclass(frozen=True)
class Outcome:
    """What became of a run in guard mode."""

    status: int
    stdout: str
    stderr: str
    trace: Trace

    @property
    def violation(self) -> Violation:
        """The only one."""
        (violation,) = self.trace.violations
        return violation

    @property
    def finding(self) -> Finding:
        """The only finding of guard mode."""
        (finding,) = (each for each in self.trace.findings if each.rule in ("IP402", "IP403"))
        return finding


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the program and the kernels that it calls."""
    build_c_library("beside_arrays", tmp_path)
    build_cython("beside_memoryviews", tmp_path)
    shutil.copy(SOURCES / PROGRAM, tmp_path)
    return tmp_path


def guarded(
    folder: Path,
    what: str,
    binding: str = "ctypes",
    option: str = "--guard",
    *flags: str,
    preloaded: Path | None = None,
) -> Outcome:
    trace = folder / "trace.json"
    program = [PROGRAM, str(folder / "libbeside_arrays.so"), what, binding]
    # The watching process keeps standard error open: its end is the end of the delivery.
    done = subprocess.run(
        [sys.executable, *flags, "-m", "interprobe", "run", option, "--json", trace, *program],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **({} if preloaded is None else {"LD_PRELOAD": str(preloaded)})},
    )
    return Outcome(done.returncode, done.stdout, done.stderr, load(trace))


def plain(folder: Path, what: str, *flags: str) -> subprocess.CompletedProcess[str]:
    program = [PROGRAM, str(folder / "libbeside_arrays.so"), what, "ctypes"]
    return subprocess.run(
        [sys.executable, *flags, *program], cwd=folder, capture_output=True, text=True, check=False
    )


def line_of(file: str, text: str) -> int:
    lines = (SOURCES / file).read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


KERNELS = {"ctypes": "beside_arrays.c", "cython": "beside_memoryviews.pyx"}


@pytest.mark.parametrize("binding", ["ctypes", "cython"])
def test_nothing_is_found_where_kernels_stay_inside(binding: str, folder: Path) -> None:
    outcome = guarded(folder, "nothing", binding)
    assert (outcome.status, outcome.stdout) == (0, "4950.0 None\n")
    assert outcome.trace.violations == []
    assert not {"IP402", "IP403"} & {finding.rule for finding in outcome.trace.findings}
    guard = outcome.trace.processes[0].guard
    assert guard is not None
    assert (guard.guarded, guard.unguarded) == (2, 0)
    assert "guard mode: all 2 blocks of array data guarded" in outcome.stderr.replace("\n", " ")


@pytest.mark.parametrize("binding", ["ctypes", "cython"])
@pytest.mark.parametrize("access", ["read", "write"])
def test_one_element_past_the_end_is_stopped_at_its_line_of_c(
    access: str, binding: str, folder: Path
) -> None:
    function = {"read": "sum_of", "write": "set_element"}[access]
    outcome = guarded(folder, f"{access} past", binding)
    assert outcome.status == SEGFAULT
    found = outcome.violation
    assert (found.kind, found.access, found.discovery) == ("past-end", access, "refused")
    assert (found.distance, found.nbytes, found.position) == (0, 800, 0)
    assert found.array is not None
    assert (found.array.dtype, found.array.shape) == ("float64", [100])
    assert found.allocated is not None
    assert found.allocated.expression == "np.arange(100.0)"
    assert found.call is not None
    assert found.call.function == function
    assert found.native is not None
    assert found.native.file is not None
    assert Path(found.native.file).name == KERNELS[binding]
    comment = {"read": "read past the end", "write": "written beside"}[access]
    line = line_of(KERNELS[binding], comment)
    assert found.native.line == line
    finding = outcome.finding
    assert (finding.rule, finding.severity, finding.subject) == ("IP402", "error", function)
    assert "right behind the end of argument 1" in finding.cause
    assert "Element 100 would be there" in finding.cause
    assert f"{KERNELS[binding]}:{line}" in finding.evidence
    assert "IP402" in outcome.stderr


@pytest.mark.parametrize("binding", ["ctypes", "cython"])
def test_a_write_before_the_start_is_found_when_the_call_returns(
    binding: str, folder: Path
) -> None:
    outcome = guarded(folder, "write before", binding)
    assert (outcome.status, outcome.stdout) == (0, "0.0\n")
    found = outcome.violation
    assert (found.kind, found.access, found.discovery) == ("before-start", "write", "after-call")
    assert (found.distance, found.extent, found.position) == (8, 8, 0)
    assert found.call is not None
    assert found.call.function == "set_element"
    assert "overwrote 8 bytes before the start of argument 1" in outcome.finding.cause
    assert "Element -1 would be there" in outcome.finding.cause
    assert "--guard-start" in outcome.finding.fix.text


@pytest.mark.parametrize("binding", ["ctypes", "cython"])
def test_with_the_start_guarded_it_is_stopped_at_its_line_of_c(binding: str, folder: Path) -> None:
    outcome = guarded(folder, "write before", binding, "--guard-start")
    assert outcome.status == SEGFAULT
    found = outcome.violation
    assert (found.kind, found.access, found.discovery) == ("before-start", "write", "refused")
    assert (found.distance, found.position) == (8, 0)
    line = line_of(KERNELS[binding], "written beside")
    assert f"{KERNELS[binding]}:{line}" in outcome.finding.evidence
    assert "8 bytes before the start of argument 1" in outcome.finding.cause


@pytest.mark.parametrize("binding", ["ctypes", "cython"])
def test_a_write_through_a_pointer_that_c_has_kept(binding: str, folder: Path) -> None:
    outcome = guarded(folder, "stale write", binding)
    assert outcome.status == SEGFAULT
    found = outcome.violation
    assert (found.kind, found.access, found.discovery) == ("after-free", "write", "refused")
    assert (found.distance, found.nbytes, found.position) == (16, 800, None)
    assert found.array is not None
    assert found.array.shape == [100]
    assert found.call is not None
    assert found.call.function == "set_remembered"
    assert found.last_call is not None
    assert (found.last_call.function, found.last_position) == ("remember", 0)
    assert found.freed is not None
    assert found.freed.line == line_of(PROGRAM, "samples = None")
    line = line_of(KERNELS[binding], "through a stale pointer")
    finding = outcome.finding
    assert (finding.rule, finding.severity) == ("IP403", "error")
    assert f"{KERNELS[binding]}:{line}" in finding.evidence
    assert "No argument of `set_remembered` leads there" in finding.cause
    assert "last given to `remember`" in finding.cause


@pytest.mark.parametrize(
    ("what", "kind"),
    [("read past", "past-end"), ("write before", "before-start"), ("stale write", "after-free")],
)
def test_an_older_kernel_finds_the_same(what: str, kind: str, folder: Path) -> None:
    preloaded = build_c_library("older_kernel", folder)
    outcome = guarded(folder, what, preloaded=preloaded)
    guard = outcome.trace.processes[0].guard
    assert guard is not None
    assert guard.most <= 65530 // 4 or guard.most == 65536  # where vm.max_map_count was raised
    assert (outcome.violation.kind, outcome.violation.call is None) == (kind, False)


def test_a_read_of_a_freed_array_by_cython(folder: Path) -> None:
    outcome = guarded(folder, "stale read", "cython")
    assert outcome.status == SEGFAULT
    found = outcome.violation
    assert (found.kind, found.access, found.distance) == ("after-free", "read", 24)
    assert outcome.finding.subject == "get_remembered"


def test_the_address_of_a_freed_array_as_an_argument(folder: Path) -> None:
    outcome = guarded(folder, "freed address")
    assert outcome.status == SEGFAULT
    found = outcome.violation
    assert (found.kind, found.access, found.position) == ("after-free", "read", 0)
    assert "The address that it had is argument 1" in outcome.finding.cause


def test_a_write_into_the_padding_behind_an_odd_number_of_bytes(folder: Path) -> None:
    outcome = guarded(folder, "padding")
    assert outcome.status == 0
    found = outcome.violation
    # A double at 8 ends at 16, the array at 13.
    assert (found.kind, found.discovery) == ("past-end", "after-call")
    assert (found.distance, found.extent, found.nbytes) == (0, 3, 13)


def test_a_write_by_nobody_known_is_found_at_the_next_call(folder: Path) -> None:
    outcome = guarded(folder, "written between")
    assert (outcome.status, outcome.stdout) == (0, "4950.0\n")
    found = outcome.violation
    assert (found.kind, found.discovery) == ("before-start", "before-call")
    assert found.call is None
    assert "who did it was not seen" in outcome.finding.cause


def test_a_write_by_nobody_known_is_found_when_the_array_is_freed(folder: Path) -> None:
    outcome = guarded(folder, "written and freed")
    assert outcome.status == 0
    found = outcome.violation
    assert (found.kind, found.discovery, found.distance) == ("before-start", "when-freed", 8)


def test_an_overrun_inside_memcpy_is_the_kernels_that_called_it(folder: Path) -> None:
    outcome = guarded(folder, "memcpy")
    assert outcome.status == SEGFAULT
    found = outcome.violation
    assert (found.kind, found.access) == ("past-end", "read")
    assert found.call is not None
    assert found.call.function == "copy_bytes"
    assert found.native is not None
    assert found.native.symbol == "copy_bytes"
    assert found.instruction is not None
    assert "libc" in found.instruction.library


@pytest.mark.parametrize(
    ("what", "function", "position"),
    [
        ("thread", "get_in_thread", 0),  # a thread that C has started
        ("python thread", "sum_of", 0),
        ("nested", "call_back", 1),  # after a callback has called C again
    ],
)
def test_the_call_is_found_in_threads_and_around_callbacks(
    what: str, function: str, position: int, folder: Path
) -> None:
    outcome = guarded(folder, what)
    assert outcome.status == SEGFAULT
    found = outcome.violation
    assert found.kind == "past-end"
    assert found.call is not None
    assert (found.call.function, found.position) == (function, position)


def test_a_view_that_goes_too_far_is_shown_at_the_line_that_reads_it(folder: Path) -> None:
    outcome = guarded(folder, "view")
    assert outcome.status == SEGFAULT
    found = outcome.violation
    assert (found.kind, found.access, found.call) == ("past-end", "read", None)
    assert found.running is not None
    assert found.running.line == line_of(PROGRAM, "as_strided(samples, (101,))")
    assert outcome.finding.user_site.line == found.running.line
    assert "shape and the strides" in outcome.finding.fix.text


@pytest.mark.parametrize("what", ["read past", "faulthandler later"])
def test_faulthandler_says_what_it_says(what: str, folder: Path) -> None:
    flags = ["-X", "faulthandler"] if what == "read past" else []
    outcome = guarded(folder, what, "ctypes", "--guard", *flags)
    assert outcome.status == SEGFAULT
    assert outcome.violation.kind == "past-end"
    shown = outcome.stderr.partition("Extension modules")[0].splitlines()
    assert shown[0] == "Fatal Python error: Segmentation fault"
    assert f", line {line_of(PROGRAM, 'return c.sum_of')} in sum_of" in shown[3]
    assert "<module>" in shown[4]


def test_faulthandler_that_was_switched_off_is_silent(folder: Path) -> None:
    outcome = guarded(folder, "faulthandler on and off")
    assert outcome.status == SEGFAULT
    assert outcome.violation.kind == "past-end"
    assert "Fatal Python error" not in outcome.stderr


def test_the_programs_own_handler_has_the_last_word(folder: Path) -> None:
    outcome = guarded(folder, "own handler")
    assert (outcome.status, outcome.stdout) == (7, "the program's own handler\n")
    assert outcome.violation.kind == "past-end"


def test_a_program_that_recovers_goes_on(folder: Path) -> None:
    outcome = guarded(folder, "recovers")
    assert (outcome.status, outcome.stdout) == (0, "-1.0 1.0\n" * 3)
    assert outcome.violation.count == 3
    assert outcome.trace.meta.complete


@pytest.mark.parametrize("flags", [[], ["-X", "faulthandler"]])
@pytest.mark.parametrize("what", ["other fault", "signal sent", "stack overflow"])
def test_other_faults_end_the_program_as_without_guard_mode(
    what: str, flags: list[str], folder: Path
) -> None:
    expected = plain(folder, what, *flags)
    outcome = guarded(folder, what, "ctypes", "--guard", *flags)
    assert outcome.status == expected.returncode == SEGFAULT
    assert outcome.trace.violations == []
    assert ("Fatal Python error" in outcome.stderr) == ("Fatal Python error" in expected.stderr)


@pytest.mark.parametrize(("what", "words"), [("fork", "-11 4950.0\n"), ("subprocess", "-11\n")])
def test_a_child_is_guarded_as_well(what: str, words: str, folder: Path) -> None:
    outcome = guarded(folder, what)
    assert (outcome.status, outcome.stdout) == (0, words)
    assert outcome.violation.process == 1
    assert outcome.violation.kind == "past-end"
    assert [process.guard is not None for process in outcome.trace.processes] == [True, True]


def test_a_scenario_is_not_guarded() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "interprobe", "run", "--guard", "fortran-order"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "--guard is for programs" in done.stderr
