"""What a program finds around it is what it finds under plain python."""

from __future__ import annotations

from pathlib import Path

import pytest
from plain_and_probed import assert_same, write

PROGRAMS = {
    "output": """
        import sys
        print("to stdout", "ünïcode")
        print("to stderr", file=sys.stderr)
        sys.stdout.buffer.write(b"\\xff\\x00bytes")
    """,
    "argv": """
        import sys
        print(sys.argv, sys.orig_argv[1:])
    """,
    "stdin": """
        import sys
        print(input("name? "))
        print(sys.stdin.read())
    """,
    "main_module": """
        import sys
        for name, value in globals().copy().items():
            print(name, type(value), value if isinstance(value, (str, dict)) else "")
        main = sys.modules["__main__"]
        print(vars(main) is globals(), main, __loader__.name, __loader__.path)
        print(main.__spec__, main.__cached__, main.__annotations__)
    """,
    "path": """
        import sys
        print(sys.path, sys.flags, sys.executable, sys.prefix)
    """,
    "recursion_depth": """
        depth = 0
        def again():
            global depth
            depth += 1
            again()
        try:
            again()
        except RecursionError:
            print(depth)
    """,
    "threads": """
        import threading, time
        def work():
            time.sleep(0.2)
            print("thread", threading.current_thread().name, threading.active_count())
        threading.Thread(target=work).start()
        print("end of script", threading.main_thread().name, threading.enumerate()[1:])
    """,
    "warnings": """
        import warnings
        warnings.warn("here")
        warnings.warn("above", stacklevel=2)
        warnings.warn("deprecated", DeprecationWarning)
        def function(): warnings.warn("caller", stacklevel=2)
        function(); function()
        "\\\\d".encode()
        print(len(warnings.filters))
    """,
    "stack": """
        import inspect, logging, sys, traceback
        print(sys._getframe().f_back, len(inspect.stack()))
        def function():
            traceback.print_stack()
            logging.warning("logged", stack_info=True)
        function()
    """,
    "faulthandler": """
        import faulthandler, re, tempfile
        with tempfile.TemporaryFile("w+") as file:
            faulthandler.dump_traceback(file)
            file.seek(0)
            print(re.sub("0x[0-9a-f]+", "address", file.read()))
    """,
    "pickle": """
        import pickle
        class Point:
            def __init__(self, x): self.x = x
        print(pickle.dumps(Point(3)), pickle.loads(pickle.dumps(Point(3))).x)
    """,
    "fork": """
        import os, sys
        pid = os.fork()
        if pid == 0:
            print("child")
            raise SystemExit(3)
        print("status", os.waitpid(pid, 0)[1])
    """,
    "fork_to_the_end": """
        import atexit, os
        atexit.register(lambda: print("callback of", "child" if pid == 0 else "parent"))
        pid = os.fork()
        if pid:
            print("status", os.waitpid(pid, 0)[1])
    """,
    "multiprocessing_fork": """
        import multiprocessing
        def square(x): return x * x
        if __name__ == "__main__":
            with multiprocessing.get_context("fork").Pool(2) as pool:
                print(pool.map(square, range(5)))
    """,
    "multiprocessing_spawn": """
        import multiprocessing
        print("imported as", __name__)
        def square(x): return x * x
        if __name__ == "__main__":
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                print(pool.map(square, range(5)))
    """,
    "multiprocessing_forkserver": """
        import multiprocessing
        def square(x): return x * x
        if __name__ == "__main__":
            with multiprocessing.get_context("forkserver").Pool(1) as pool:
                print(pool.map(square, range(5)))
    """,
    "process_pool": """
        from concurrent.futures import ProcessPoolExecutor
        import numpy
        def total(n): return float(numpy.ones(n).sum())
        if __name__ == "__main__":
            with ProcessPoolExecutor(2) as pool:
                print(list(pool.map(total, [1, 2, 3])))
    """,
    "subprocess_of_itself": """
        import subprocess, sys
        if len(sys.argv) < 3:
            print(subprocess.run([*sys.orig_argv, "again"], capture_output=True))
        print(sys.argv[1:])
    """,
    "closed_streams": """
        import sys
        print("before")
        sys.stdout.close()
        sys.stderr.close()
    """,
    "replaced_streams": """
        import io, sys
        print("before")
        sys.stdout = io.StringIO()
        sys.stderr = io.StringIO()
        print("lost")
    """,
    "streams_are_none": """
        import sys
        sys.stdout = sys.stderr = None
        raise ValueError
    """,
    "settrace": """
        import sys
        events = []
        def trace(frame, event, argument):
            events.append((frame.f_code.co_filename.endswith("program.py"), event))
            return trace
        def function(): return 1
        sys.settrace(trace); function(); sys.settrace(None)
        print(sys.gettrace(), sys.getprofile(), events)
    """,
    "descriptors": """
        import os
        print(os.open(os.devnull, os.O_RDONLY), sorted(os.listdir("/proc/self/fd")))
    """,
    "environment": """
        import os
        print(sorted(os.environ.items()), os.getcwd(), os.getppid() > 0)
    """,
    "signals": """
        import signal
        print({name: signal.getsignal(name) for name in signal.valid_signals()})
    """,
    "meta_path_after_numpy": """
        import sys
        import numpy
        print(sys.meta_path, sys.path_hooks, numpy.__spec__, vars(numpy.__loader__))
    """,
    "numpy_results": """
        import numpy as np
        generator = np.random.default_rng(1)
        x = generator.random((300, 200))
        print(np.linalg.svd(x)[1].sum().hex(), (x.T @ x).sum().hex())
        print(np.ascontiguousarray(x.T).tobytes()[:32], np.float32(x).astype(">f8").sum())
        np.log(np.zeros(1))
        print(np.array([1, 2])[5])
    """,
    "numpy_from_thread": """
        import threading
        def work():
            import numpy
            print(numpy.asfortranarray(numpy.ones((3, 4))).flags.f_contiguous)
        thread = threading.Thread(target=work); thread.start(); thread.join()
    """,
    "numpy_only_in_child": """
        import os
        pid = os.fork()
        if pid == 0:
            import numpy
            print(numpy.arange(3).sum())
        else:
            os.waitpid(pid, 0)
            print("parent")
    """,
    "numpy_threads_set_late": """
        import os
        print("numpy" in __import__("sys").modules)
        os.environ["OPENBLAS_NUM_THREADS"] = "1"
        import numpy
        numpy.ones((600, 600)) @ numpy.ones((600, 600))
        print(len(os.listdir("/proc/self/task")))
    """,
    "main_is_replaced": """
        import sys, types
        sys.modules["__main__"] = types.ModuleType("other")
    """,
    "main_is_deleted": """
        import sys
        del sys.modules["__main__"]
        print("on")
    """,
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_script_behaves_as_under_plain_python(name: str, tmp_path: Path) -> None:
    write(tmp_path / "program.py", PROGRAMS[name])
    assert_same(["program.py", "-x", "--json", "two words"], tmp_path, stdin=b"Ada\nrest\n")


def test_the_order_of_modules_in_a_folder(tmp_path: Path) -> None:
    """Modules beside a script come before the standard library's, and never reach interprobe."""
    for name in ("argparse", "queue", "random", "rich", "msgspec", "json", "ast", "string"):
        write(tmp_path / f"{name}.py", f"print('imported {name}')\nVALUE = 1\n")
    write(
        tmp_path / "program.py",
        """
        import argparse, json, msgspec, queue, rich, string, sys
        print(argparse.VALUE, json.VALUE, rich.__file__)
        import ast
        """,
    )
    assert_same(["program.py"], tmp_path)


def test_a_module_beside_a_script_that_numpy_uses(tmp_path: Path) -> None:
    write(tmp_path / "secrets.py", "print('imported secrets')\ndef randbits(n): return 4\n")
    write(tmp_path / "program.py", "import numpy.random\nprint(numpy.random.secrets.__file__)\n")
    assert_same(["program.py"], tmp_path)


@pytest.mark.parametrize(
    "flags", [[], ["-P"], ["-u"], ["-O", "-W", "error"], ["-X", "dev"], ["-B"]]
)
def test_options_of_the_interpreter(flags: list[str], tmp_path: Path) -> None:
    write(
        tmp_path / "program.py",
        """
        import sys
        print(sys.flags, sys.warnoptions, sys._xoptions, sys.orig_argv, sys.path, __debug__)
        print(open(__file__).encoding)
        """,
    )
    assert_same(["program.py", "argument"], tmp_path, flags=flags)


@pytest.mark.parametrize(
    "variables",
    [{"PYTHONSAFEPATH": "1"}, {"PYTHONPATH": "elsewhere"}, {"PYTHONWARNINGS": "error"}],
    ids=lambda variables: next(iter(variables)),
)
def test_variables_of_the_interpreter(variables: dict[str, str], tmp_path: Path) -> None:
    write(tmp_path / "elsewhere" / "found.py", "print('found elsewhere')\n")
    write(tmp_path / "beside.py", "print('found beside')\n")
    write(
        tmp_path / "program.py",
        """
        import sys, os
        print(sys.path, sorted(os.environ.items()))
        for name in ("found", "beside"):
            try:
                __import__(name)
            except ImportError as error:
                print(error)
        import warnings
        warnings.warn("a warning")
        """,
    )
    assert_same(["program.py"], tmp_path, env=variables)


@pytest.mark.parametrize(
    "encoding", ["ascii", "latin-1:replace", "utf-8"], ids=lambda name: name.partition(":")[0]
)
def test_encodings_of_the_streams(encoding: str, tmp_path: Path) -> None:
    write(tmp_path / "program.py", "print('ä €')\nraise ValueError('ä €')\n")
    assert_same(["program.py"], tmp_path, env={"PYTHONIOENCODING": encoding})
