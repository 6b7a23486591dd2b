"""Hooks keep nothing alive and look at nothing that is gone, whatever the program does."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from extension_builder import build_c_module
from plain_and_probed import assert_same

from interprobe.trace import Trace, load


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lifetimes")
    build_c_module("lifetimes", folder)
    return folder


def record(source: str, folder: Path, **variables: str) -> tuple[Trace, str]:
    """The trace and the standard output of a program that is recorded and must succeed."""
    program = folder / "program.py"
    program.write_text(textwrap.dedent(source))
    path = folder / "trace.json"
    done = subprocess.run(
        [sys.executable, "-m", "interprobe", "run", "--json", str(path), str(program)],
        capture_output=True,
        check=False,
        text=True,
        env=os.environ | variables,
    )
    assert done.returncode == 0, done.stderr
    return load(path), done.stdout


def test_a_released_memoryview_of_a_dead_array_is_passed_on_unread(folder: Path) -> None:
    source = """
        import numpy as np
        from lifetimes import take

        for _ in range(20):
            array = np.ones(100)
            view = memoryview(array)
            view.release()
            del array
            take(view)
        print("alive")
        """
    # The debug allocator overwrites the dead array's object.
    _, output = record(source, folder, PYTHONMALLOC="debug")
    assert output == "alive\n"


def test_callable_objects_die_when_the_program_drops_them_and_share_one_record(
    folder: Path,
) -> None:
    source = """
        import numpy as np
        import lifetimes
        first = lifetimes.Caller()
        from __main__ import first  # an import that names an object of the type

        for _ in range(1000):
            lifetimes.Caller()(1, 2)
        print(lifetimes.alive())
        """
    trace, output = record(source, folder)
    assert output == "1\n"
    calls = [call for call in trace.calls if call.function == "Caller.__call__"]
    assert [(call.count, call.binding) for call in calls] == [(1000, "C API")]


def test_an_exception_on_its_way_passes_a_borrow(folder: Path) -> None:
    source = """
        import numpy as np
        from lifetimes import look_and_fail

        array = np.ones(10)
        for _ in range(3):
            try:
                look_and_fail(array)
            except KeyError as error:
                print(error)
        """
    trace, output = record(source, folder)
    assert output == "'on its way'\n" * 3
    assert sum(borrow.count for borrow in trace.borrows) == 3


GREENLETS = """
    import numpy as np
    from greenlet import greenlet

    class Switching:
        def __init__(self, data, order):
            self.data, self.order = data, order

        def __array__(self, dtype=None, copy=None):
            turn(self.order)
            return self.data

    def join(mine, order):
        for _ in range(3):
            np.concatenate([Switching(ones, order), mine.T.ravel()])

    ones = np.ones(50)
    grids = [np.ones((30, 20), np.float32), np.ones((30, 20), np.float32)]
    """


def test_an_operation_keeps_its_transfers_when_greenlets_end_in_another_order(
    folder: Path,
) -> None:
    pytest.importorskip("greenlet")
    tangled = """
    def turn(order):
        other = runners[1 - order]
        if not other.dead:
            other.switch()

    runners = [greenlet(lambda: join(grids[0], 0)), greenlet(lambda: join(grids[1], 1))]
    while not all(runner.dead for runner in runners):
        for runner in runners:
            if not runner.dead:
                runner.switch()
    """
    one_by_one = """
    def turn(order):
        pass

    join(grids[0], 0)
    join(grids[1], 1)
    """

    def copies(rest: str) -> dict[tuple[str, str], tuple[int, int]]:
        trace, _ = record(textwrap.dedent(GREENLETS) + textwrap.dedent(rest), folder)
        found: dict[tuple[str, str], tuple[int, int]] = {}
        for copy in trace.copies:
            count, size = found.get((copy.mechanism, copy.kind), (0, 0))
            found[copy.mechanism, copy.kind] = count + copy.count, size + copy.bytes
        return found

    expected = copies(one_by_one)
    assert any(mechanism == "numpy.concatenate" for mechanism, _ in expected)
    assert copies(tangled) == expected


def test_no_crossing_is_in_flight_once_all_greenlets_are_done(folder: Path) -> None:
    pytest.importorskip("greenlet")
    source = """
        import os
        import numpy as np
        from greenlet import greenlet, getcurrent
        from lifetimes import call_back

        main = getcurrent()
        first = greenlet(lambda: call_back(lambda: second.switch()))
        second = greenlet(lambda: call_back(lambda: main.switch()))
        first.switch()   # first is inside call_back, then second
        first.switch()   # first ends
        second.switch()  # second ends
        print(first.dead, second.dead, flush=True)
        os._exit(0)
        """
    trace, output = record(source, folder)
    assert output == "True True\n"
    assert trace.processes[0].in_flight is None
    assert [call.count for call in trace.calls if call.function == "call_back"] == [1, 1]


def test_c_code_that_forks_behind_pythons_back_changes_nothing(folder: Path) -> None:
    source = """
        import threading
        import numpy as np
        from lifetimes import fork_behind_python

        array = np.ones((64, 64), np.float32)
        stop = threading.Event()

        def work():
            while not stop.is_set():
                for size in range(1, 60):
                    np.ascontiguousarray(array[:size, :size].T, np.float64)

        worker = threading.Thread(target=work)
        worker.start()
        print([fork_behind_python() for _ in range(20)])
        stop.set()
        worker.join()
        """
    trace, output = record(source, folder)
    assert output == f"{[0] * 20}\n"
    calls = [call for call in trace.calls if call.function == "fork_behind_python"]
    assert [call.count for call in calls] == [20]
    assert {copy.process for copy in trace.copies} == {0}


@pytest.mark.parametrize("leave", ["pass", "os._exit(0)", "sys.exit(0)"])
def test_array_data_may_come_and_go_while_the_interpreter_goes(leave: str, folder: Path) -> None:
    source = f"""
        import atexit, os, sys
        import numpy as np
        from lifetimes import keep_allocating, outlive_python

        outlive_python()
        keep_allocating()
        atexit.register(lambda: np.ones((30, 20), np.float32).T.astype(np.float64))
        print(np.ones((30, 20), np.float32).T.astype(np.float64).sum(), flush=True)
        {leave}
        """
    trace, output = record(source, folder)
    assert output == "600.0\n"
    assert sum(copy.count for copy in trace.copies) == (1 if "_exit" in leave else 2)


def test_a_recording_may_end_and_begin_while_native_threads_allocate(folder: Path) -> None:
    (folder / "again.py").write_text(
        textwrap.dedent(
            """
            import numpy as np
            from lifetimes import keep_allocating
            from interprobe.recorder import Recorder

            keep_allocating()
            for _ in range(20):
                recorder = Recorder(own_paths=[__file__])
                recorder.start()
                np.ones((30, 20), np.float32).T.astype(np.float64)
                assert recorder.stop().copy_count == 1
            print("alive")
            """
        )
    )
    done = subprocess.run(
        [sys.executable, "again.py"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "alive\n", "")


@pytest.mark.parametrize("own_gil", [True, False])
def test_subinterpreters_run_as_without_a_recording(own_gil: bool, folder: Path) -> None:
    (folder / "interpreters_program.py").write_text(
        textwrap.dedent(
            f"""
            import sys
            import numpy as np

            code = '''
            import ctypes, math, hashlib
            libc = ctypes.CDLL(None)
            assert libc.abs(-3) == 3
            assert {{len: 1}}[len] == 1 and hash(len) == hash(len)
            import json.decoder, os, sqlite3
            assert not [name for name in os.environ if name.startswith("INTERPROBE_R")]
            assert bytes(memoryview(b"abc")) == b"abc"
            '''
            code = code.replace("\\n            ", "\\n")
            if sys.version_info >= (3, 13):
                import _interpreters as module
                one = module.create("isolated" if {own_gil} else "legacy")
            else:
                import _xxsubinterpreters as module
                one = module.create(isolated={own_gil})
            for _ in range(3):
                try:
                    failure = module.run_string(one, code)
                except Exception as error:
                    failure = type(error)
                if failure is not None:
                    print(getattr(failure, "formatted", failure))
            array = np.ones((30, 20), np.float32)
            print(np.ascontiguousarray(array.T, np.float64).sum())
            module.destroy(one)
            """
        )
    )
    assert_same(["interpreters_program.py"], folder)
