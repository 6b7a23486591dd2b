"""Waiting for the program's import of NumPy, shown on a module of that name that is none."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

WATCH = """
import os, sys
sys.path.insert(0, os.getcwd())
from interprobe.numpy_arrival import NumpyArrival
arrival = NumpyArrival(lambda: print("arrived", sys.modules["numpy"].READY))
arrival.watch()
finders = len(sys.meta_path)
"""


def run(folder: Path, source: str, numpy: str = "print('loading')\nREADY = True\n") -> list[str]:
    """Run code that waits for a NumPy of the given source."""
    (folder / "numpy.py").write_text(numpy)
    done = subprocess.run(
        [sys.executable, "-P", "-c", WATCH + textwrap.dedent(source)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_numpy_arrives_once(tmp_path: Path) -> None:
    lines = run(
        tmp_path,
        """
        import json
        print("numpy" in sys.modules)
        import numpy
        import numpy
        print(len(sys.meta_path) - finders, vars(numpy.__loader__).keys())
        """,
    )
    assert lines == ["False", "loading", "arrived True", "-1 dict_keys(['name', 'path'])"]


def test_numpy_that_is_there_already(tmp_path: Path) -> None:
    lines = run(
        tmp_path,
        """
        import numpy
        NumpyArrival(lambda: print("at once")).watch()
        print(len(sys.meta_path) - finders)
        """,
    )
    assert lines == ["loading", "arrived True", "at once", "-1"]


def test_an_import_that_fails_looks_as_ever(tmp_path: Path) -> None:
    lines = run(
        tmp_path,
        """
        import traceback
        try:
            import numpy
        except ZeroDivisionError as error:
            print([frame.filename for frame in traceback.extract_tb(error.__traceback__)])
        print(len(sys.meta_path) - finders, "numpy" in sys.modules)
        """,
        numpy="1 / 0\n",
    )
    assert lines == [f"['<string>', '{tmp_path / 'numpy.py'}']", "-1 False"]


def test_numpy_that_is_not_installed(tmp_path: Path) -> None:
    lines = run(
        tmp_path,
        """
        os.remove("numpy.py")
        sys.path = [os.getcwd()]
        try:
            import numpy
        except ModuleNotFoundError as error:
            print(error)
        """,
    )
    assert lines == ["No module named 'numpy'"]


def test_a_forked_child_waits_for_a_numpy_of_its_own(tmp_path: Path) -> None:
    lines = run(
        tmp_path,
        """
        if os.fork() == 0:
            import numpy
            print(len(sys.meta_path) - finders)
        else:
            os.wait()
            arrival.forget()
            arrival.forget()
            print(len(sys.meta_path) - finders)
        """,
    )
    assert lines == ["loading", "arrived True", "-1", "-1"]
