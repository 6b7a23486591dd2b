"""However a program ends, it ends under interprobe as under plain python."""

from __future__ import annotations

import os
import signal
import sys
import sysconfig
from pathlib import Path

import pytest
from plain_and_probed import Ending, assert_same, interprobe, run, write

PROGRAMS = {
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
        # A process that is started in the background ignores the signal.
        signal.signal(signal.SIGINT, signal.default_int_handler)
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
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(10)
        except KeyboardInterrupt:
            print("caught")
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
    "asyncio": """
        import asyncio
        async def main():
            await asyncio.gather(asyncio.sleep(0.01), asyncio.to_thread(print, "in a thread"))
            raise ValueError("asynchronous")
        asyncio.run(main())
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
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_script_behaves_as_under_plain_python(name: str, tmp_path: Path) -> None:
    write(tmp_path / "program.py", PROGRAMS[name])
    assert_same(["program.py", "-x", "--json", "two words"], tmp_path, stdin=b"Ada\nrest\n")


@pytest.mark.parametrize("name", ["exception", "exception_order", "exit_text", "recursion"])
def test_both_streams_keep_their_order(name: str, tmp_path: Path) -> None:
    write(tmp_path / "program.py", PROGRAMS[name])
    assert_same(["program.py"], tmp_path, joined=True)


def test_a_signal_ends_the_program(tmp_path: Path) -> None:
    write(tmp_path / "program.py", "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\n")
    ending = run(interprobe("run", "program.py"), tmp_path)
    assert ending == Ending(b"", b"", -signal.SIGTERM)


@pytest.mark.parametrize("name", ["interrupt", "exit_text", "exception", "recursion", "atexit"])
def test_the_installed_command_does_the_same(name: str, tmp_path: Path) -> None:
    write(tmp_path / "program.py", PROGRAMS[name])
    command = os.path.join(sysconfig.get_path("scripts"), "interprobe")
    ending = run([command, "run", "-o", os.devnull, "program.py"], tmp_path)
    assert ending == run([sys.executable, "program.py"], tmp_path)
