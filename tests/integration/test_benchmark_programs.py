"""The benchmark programs run, plain and under interprobe, and leave what the tables need."""

import importlib.util
from pathlib import Path

import benchmark_modules  # noqa: F401
import pytest

from benchmarks import extensions, targets
from benchmarks.parts import gains
from benchmarks.pitfalls import pitfalls
from benchmarks.processes import RunError, run_program
from benchmarks.profilers import INTERPROBE_WITH_TRACE, PLAIN

KINDS = ("pybind11", "nanobind", "f2py", "cython", "c-api", "ctypes", "cffi", "strided", "power")
BOTH = pytest.mark.parametrize("profiler", [PLAIN, INTERPROBE_WITH_TRACE], ids=lambda one: one.name)


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    if importlib.util.find_spec("Cython") is None:
        pytest.skip("needs Cython")
    return extensions.build(tmp_path_factory.mktemp("built"))[0]


@BOTH
def test_every_operation_is_timed(built, profiler):
    run = run_program(profiler, "operations", [built, 3, 2, "no", "timed"])
    assert set(targets.OPERATIONS) - set(run.result) <= {"call_pybind11"}
    assert {len(times) for times in run.result.values()} == {3}
    assert min(min(times) for times in run.result.values()) > 0.0


@BOTH
def test_the_marked_run_says_the_order_of_its_operations(built, profiler):
    run = run_program(profiler, "operations", [built, 0, 2, "no", "marked"])
    assert run.result == [name for name in targets.OPERATIONS if name in run.result]
    assert len(run.result) >= len(targets.OPERATIONS) - 1


@BOTH
def test_many_crossings_leave_a_trace_and_their_memory(built, profiler):
    run = run_program(profiler, "many_crossings", [built, 200, "no"])
    assert 0 < run.result["resident_bytes"] <= run.peak_bytes
    written = {} if profiler is PLAIN else {"run.trace", "run.txt"}
    assert run.written_bytes.keys() == set(written)
    assert all(size > 0 for size in run.written_bytes.values())


@BOTH
def test_the_script_with_twenty_places_ends_well(built, profiler):
    assert run_program(profiler, "twenty_places", [built, "no"]).seconds > 0.0


OWN = [case for case in pitfalls() if case.name.startswith(KINDS)]


@pytest.mark.parametrize("case", OWN, ids=lambda case: case.name)
def test_a_pitfall_and_its_cure_have_the_same_result(built, case):
    missing = [name for name in case.needs if not gains.is_there(built, name)]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    bad, good = (
        run_program(PLAIN, "pitfall", [built, case.name, side, 2, 0]) for side in ("bad", "good")
    )
    assert bad.said == good.said
    assert bad.said.count("\n") == 2
    assert bad.result["calls"] == good.result["calls"] == 2
    assert bad.result["seconds"] > 0.0


def test_a_run_that_fails_says_how():
    with pytest.raises(RunError, match="exit status 1: ValueError: not enough values"):
        run_program(PLAIN, "twenty_places", [])


def test_sources_that_were_compiled_are_not_compiled_again(built):
    before = {path: path.stat().st_mtime_ns for path in built.iterdir()}
    assert extensions.build(built.parent)[0] == built
    assert {path: path.stat().st_mtime_ns for path in built.iterdir()} == before
