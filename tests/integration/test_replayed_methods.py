"""Methods of compiled classes are repeated with their object, constructors with a new one."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from extension_builder import build_cython, build_pybind11
from numpy.typing import NDArray

from interprobe.recorder import Recorder
from interprobe.replays import Replay

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="calls are repeated in children of Linux's kind"
)


def load(path: Path) -> Iterator[ModuleType]:
    name = path.name.partition(".")[0]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[name]


@pytest.fixture(scope="module")
def methods(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    yield from load(build_cython("column_methods", tmp_path_factory.mktemp("cython")))


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    yield from load(build_pybind11("replayed_calls", tmp_path_factory.mktemp("pybind11")))


def replays(work: Callable[[], object], boundary: str) -> dict[str, Replay]:
    recorder = Recorder(own_paths=[__file__], boundary=[boundary], what_if="all")
    recorder.start()
    try:
        work()
    finally:
        trace = recorder.stop()
    return {each.change: each for call in trace.calls for each in call.replays}


def column(rows: int = 60_000) -> NDArray[np.float64]:
    return np.arange(16.0 * rows).reshape(rows, 16)[:, 3]


@pytest.mark.parametrize("name", ["Fixed.total", "Fixed.sum", "Plain.total"])
def test_a_method_in_cython_is_measured(methods: ModuleType, name: str) -> None:
    class_name, method = name.split(".")
    target = getattr(getattr(methods, class_name)(), method)
    values, totals = column(), []
    tried = replays(lambda: totals.append(target(values)), "column_methods")
    assert totals == [target(values)]
    assert tried["contiguous"].reason is None
    assert tried["contiguous"].passes >= 3
    # A call without its object would fail, and one of another kind would take no time.
    assert tried["contiguous"].changed > 60_000 * 0.1e-9


def test_a_method_in_pybind11_is_measured(calls: ModuleType) -> None:
    made = []
    # While it is recorded: pybind11 looks NumPy's functions up once in a process.
    replays(lambda: made.append(calls.Summer(column(10))), "replayed_calls")
    values = column()
    assert replays(lambda: made[0].total(values), "replayed_calls")["conforming"].reason is None
    by_name = replays(lambda: made[0].total(values=values), "replayed_calls")["conforming"]
    assert by_name.reason is None


LOOKED_UP_BEFORE = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np, replayed_calls
from interprobe.recorder import Recorder
summer = replayed_calls.Summer(np.zeros(1))
values = np.arange(960_000.0).reshape(60_000, 16)[:, 3]
recorder = Recorder(own_paths=["<string>"], boundary=["replayed_calls"], what_if="all")
recorder.start()
summer.total(values)
for call in recorder.stop().calls:
    print([(each.change, each.reason) for each in call.replays])
"""


def test_functions_that_were_looked_up_before_the_recording_are_no_hindrance(
    calls: ModuleType,
) -> None:
    assert calls.__file__ is not None
    done = subprocess.run(
        [sys.executable, "-c", LOOKED_UP_BEFORE, str(Path(calls.__file__).parent)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[('conforming', None)]\n"


def test_a_constructor_makes_an_object_each_time(calls: ModuleType) -> None:
    values = column(200_000)
    tried = replays(lambda: calls.Summer(values), "replayed_calls")["conforming"]
    assert tried.reason is None
    # An object that exists already would be left as it is, in no time at all.
    assert tried.changed > 200_000 * 0.1e-9
    assert tried.speedup is not None
    assert tried.speedup > 1.05
