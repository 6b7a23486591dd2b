"""The order of events around a program, with a recording that does nothing but take notes."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from interprobe.cli.launch.ending import exit_status

LAUNCHER = """
    import os, sys
    from interprobe.cli.launch.program import program
    from interprobe.cli.launch.session import run

    class Notes:
        def begin(self):
            os.write(1, b"begin\\n")

        def end(self, status):
            os.write(1, f"end {status} {'numpy' in sys.modules}\\n".encode())

    sys.exit(run(program(sys.argv[1:]), Notes()))
"""


def launch(folder: Path, source: str, *flags: str) -> tuple[list[str], int]:
    """Run a program around which notes are taken: what was written, and the status."""
    (folder / "launcher.py").write_text(textwrap.dedent(LAUNCHER))
    (folder / "program.py").write_text(textwrap.dedent(source))
    done = subprocess.run(
        [sys.executable, "-u", *flags, "launcher.py", "program.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout.splitlines(), done.returncode


def test_a_program_is_between_beginning_and_end(tmp_path: Path) -> None:
    lines, status = launch(
        tmp_path,
        """
        import atexit, threading, time
        atexit.register(print, "callback")
        threading.Thread(target=lambda: (time.sleep(0.2), print("thread"))).start()
        print("program")
        """,
    )
    assert lines == ["begin", "program", "thread", "callback", "end 0 False"]
    assert status == 0


@pytest.mark.parametrize(
    ("source", "noted", "status"),
    [
        ("raise SystemExit(3)", 3, 3),
        ("raise SystemExit('why')", 1, 1),
        ("1 / 0", 1, 1),
        ("import sys\ndel sys.excepthook\n1 / 0", 1, 1),
        ("import sys\nsys.excepthook = lambda *_: sys.exit(7)\n1 / 0", 7, 7),
        ("1 +", 1, 1),
    ],
)
def test_the_end_knows_the_status(source: str, noted: int, status: int, tmp_path: Path) -> None:
    lines, returned = launch(tmp_path, source)
    assert lines == ["begin", f"end {noted} False"]
    assert returned == status


def test_a_forked_child_has_no_end(tmp_path: Path) -> None:
    source = """
        import os, sys
        pid = os.fork()
        if pid:
            os.waitpid(pid, 0)
        print("parent" if pid else "child")
        """
    lines, _ = launch(tmp_path, source)
    assert lines == ["begin", "child", "parent", "end 0 False"]


def test_a_program_that_ends_at_once_has_no_end(tmp_path: Path) -> None:
    assert launch(tmp_path, "import os\nos._exit(5)\n") == (["begin"], 5)


def test_the_program_finds_a_main_module_of_its_own(tmp_path: Path) -> None:
    source = """
        import sys
        print("Notes" in globals(), sys.modules["__main__"].__dict__ is globals())
        print(sys.argv)
        """
    lines, _ = launch(tmp_path, source)
    assert lines[1:3] == ["False True", "['program.py']"]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (None, 0),
        (SystemExit(), 0),
        (SystemExit(None), 0),
        (SystemExit(True), 1),
        (SystemExit(7), 7),
        (SystemExit(256), 0),
        (SystemExit(-1), 255),
        (SystemExit("text"), 1),
        (SystemExit(1.5), 1),
        (ValueError(), 1),
        (KeyboardInterrupt(), -2),
        (type("Interrupt", (KeyboardInterrupt,), {})(), 1),
    ],
)
def test_exit_status(error: BaseException | None, status: int) -> None:
    assert exit_status(error) == status
