"""A program under interprobe does, byte for byte, what it does under plain python."""

from __future__ import annotations

import re
import sys
import textwrap
import zipfile
from pathlib import Path

import pytest
from plain_and_probed import Ending, plain, probed

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
    "exit_none": "import sys; sys.exit()",
    "exit_number": "import sys; sys.exit(3)",
    "exit_large_number": "import sys; sys.exit(258)",
    "exit_negative_number": "import sys; sys.exit(-1)",
    "exit_text": "import sys; sys.exit('a reason')",
    "exit_object": "raise SystemExit([1, 2])",
    "exit_in_thread": """
        import sys, threading
        thread = threading.Thread(target=lambda: sys.exit(5))
        thread.start(); thread.join()
        print("still here")
    """,
    "exit_at_once": """
        import sys
        class Loud:
            def __del__(self): print("deleted")
        def function():
            loud = Loud()
            sys.exit(4)
        import atexit; atexit.register(print, "callback")
        function()
    """,
    "exception": """
        def function(x):
            return 1 / x
        print("before")
        function(0)
    """,
    "exception_chain": """
        try:
            {}["missing"]
        except KeyError as error:
            raise ValueError("chained") from error
    """,
    "exception_group": """
        def fail():
            raise ExceptionGroup("several", [ValueError(1), TypeError(2)])
        fail()
    """,
    "exception_with_note": """
        error = ValueError("noted")
        error.add_note("a note")
        raise error
    """,
    "exception_reraised": """
        error = None
        try:
            raise KeyError("first")
        except KeyError as caught:
            error = caught
        raise error
    """,
    "exception_order": """
        import atexit, sys, threading, time
        atexit.register(lambda: print("callback", sys.last_type, file=sys.stderr))
        threading.Thread(target=lambda: (time.sleep(0.2), print("thread", file=sys.stderr))).start()
        print("no newline", end="")
        raise RuntimeError("unhandled")
    """,
    "recursion": """
        def again(): again()
        again()
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
    "excepthook": """
        import sys, traceback
        def hook(kind, error, trace):
            print("hook", kind, error, traceback.format_tb(trace), sys._getframe().f_back)
            print(sys.exc_info(), sys.last_type, sys.last_value is error)
        sys.excepthook = hook
        def function():
            raise ValueError("hooked")
        function()
    """,
    "excepthook_fails": """
        import sys
        def hook(kind, error, trace):
            raise KeyError("in the hook")
        sys.excepthook = hook
        raise ValueError("original")
    """,
    "excepthook_exits": """
        import sys
        sys.excepthook = lambda *details: sys.exit(9)
        raise ValueError("original")
    """,
    "excepthook_missing": """
        import sys
        del sys.excepthook
        raise ValueError("original")
    """,
    "interrupt": """
        import atexit, os, signal, time
        atexit.register(print, "callback")
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(10)
    """,
    "interrupt_raised": "raise KeyboardInterrupt('by hand')",
    "interrupt_subclass": """
        class Interrupt(KeyboardInterrupt): pass
        raise Interrupt
    """,
    "interrupt_caught": """
        import os, signal, time
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(10)
        except KeyboardInterrupt:
            print("caught")
    """,
    "threads": """
        import threading, time
        def work():
            time.sleep(0.2)
            print("thread", threading.current_thread().name, threading.active_count())
        threading.Thread(target=work).start()
        print("end of script", threading.main_thread().name, threading.enumerate()[1:])
    """,
    "atexit": """
        import atexit, sys
        class Loud:
            def __del__(self): print("deleted at the end", sys is not None)
        loud = Loud()
        atexit.register(lambda: print("callback", "__file__" in globals(), "__name__" in globals()))
        atexit.register(print, "first", atexit._ncallbacks() > 0)
    """,
    "atexit_fails": """
        import atexit
        atexit.register(lambda: 1 / 0)
        atexit.register(print, "runs before")
    """,
    "atexit_exits": """
        import atexit, sys
        atexit.register(sys.exit, 7)
    """,
    "destructors": """
        class Loud:
            def __init__(self, name): self.name = name
            def __del__(self): print("deleted", self.name)
        a = Loud("a"); b = Loud("b")
        cycle = Loud("cycle"); cycle.self = cycle
        def function(): loud = Loud("local"); raise ValueError
        try: function()
        except ValueError: pass
        print("end")
    """,
    "destructor_of_failed_frame": """
        class Loud:
            def __del__(self): print("deleted")
        def function():
            loud = Loud()
            raise ValueError
        import atexit; atexit.register(print, "callback")
        function()
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
    "warning_of_compiler": 'print("\\d", 1 is 1)',
    "warning_of_compiler_then_error": 'print("\\d")\nreturn 3',
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
    "exec_of_itself": """
        import os, sys
        print(sys.argv[1:], flush=True)
        if "again" not in sys.argv:
            os.write(1, b"no report is written by this process\\n")
    """,
    "asyncio": """
        import asyncio
        async def main():
            await asyncio.gather(asyncio.sleep(0.01), asyncio.to_thread(print, "in a thread"))
            raise ValueError("asynchronous")
        asyncio.run(main())
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
    "future_annotations": """
        from __future__ import annotations
        x: undefined_name = 3
        print(__annotations__)
        exec("y: int = 1"); print(__annotations__)
    """,
    "no_future_inherited": """
        x: int = 3
        print(__annotations__)
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
    "inspect_source": """
        import inspect
        def function():
            return 1
        print(inspect.getsource(function), inspect.getfile(function))
    """,
    "resource_warning": """
        import warnings
        warnings.simplefilter("always")
        open(__file__)
        print("end")
    """,
    "unraisable": """
        class Broken:
            def __del__(self): raise ValueError("in a destructor")
        Broken()
        broken = Broken()
    """,
    "traceback_limit": """
        import sys
        sys.tracebacklimit = 1
        def function(): raise ValueError
        function()
    """,
    "syntax_error": "def f(:\n    pass\n",
    "syntax_error_of_compiler": "x = 1\nreturn x\n",
    "indentation_error": "if True:\nprint(1)\n",
    "tab_error": "if True:\n        x = 1\n\tx = 2\n",
    "unterminated": "print('abc\n",
    "empty": "",
    "no_newline": "print('no newline at the end')",
    "carriage_returns": "print('one')\r\nprint('two')\r\n",
    "form_feed_and_bom": "\ufeff\x0cprint('bom')\n",
    "shebang": "#!/usr/bin/env python\nprint('shebang')\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "program"
    folder.mkdir()
    return folder


def write(path: Path, source: str | bytes) -> Path:
    if isinstance(source, str):
        text = textwrap.dedent(source).lstrip("\n") if "\n    " in source[:9] else source
        source = text.encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(source)
    return path


def assert_same(words: list[str], folder: Path, **settings: object) -> None:
    expected = plain(words, folder, **settings)  # type: ignore[arg-type]
    assert without_addresses(probed(words, folder, **settings)) == without_addresses(expected)  # type: ignore[arg-type]


def without_addresses(ending: Ending) -> Ending:
    """Memory addresses and thread numbers differ from run to run of plain python as well."""
    pattern = rb"0x[0-9a-f]{6,}|(?<=started )\d{6,}"
    return ending._replace(
        stdout=re.sub(pattern, b"0x", ending.stdout), stderr=re.sub(pattern, b"0x", ending.stderr)
    )


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_script_behaves_as_under_plain_python(name: str, folder: Path) -> None:
    write(folder / "program.py", PROGRAMS[name])
    assert_same(["program.py", "-x", "--json", "two words"], folder, stdin=b"Ada\nrest\n")


@pytest.mark.parametrize("name", ["exception", "exception_order", "exit_text", "output", "stack"])
def test_both_streams_keep_their_order(name: str, folder: Path) -> None:
    write(folder / "program.py", PROGRAMS[name])
    assert_same(["program.py"], folder, joined=True)
