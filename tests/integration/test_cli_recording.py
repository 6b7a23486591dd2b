"""What ``interprobe run`` records of a program, and where it puts that."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest
from plain_and_probed import Ending, interprobe, run, write

from interprobe.trace import Trace, load

COPYING = """
    import numpy as np

    def copy(field):
        return np.ascontiguousarray(field)

    def main():
        field = np.ones((300, 200), order="F")
        for _ in range(3):
            rows = copy(field)
        return rows.sum()

    print(main())
"""
COPIED = 3 * 300 * 200 * 8


def record(folder: Path, *words: str) -> tuple[Trace, Ending]:
    """Run a program with its report in a file, and load its trace."""
    ending = run(interprobe("run", "--json", "trace.json", "-o", "report.txt", *words), folder)
    return load(folder / "trace.json"), ending


def test_the_copies_of_a_script(tmp_path: Path) -> None:
    script = write(tmp_path / "copying.py", COPYING)
    trace, ending = record(tmp_path, "copying.py", "--flag")
    assert ending == Ending(b"60000.0\n", b"", 0)
    (copy,) = trace.copies
    assert (copy.count, copy.bytes, copy.unmet) == (3, COPIED, ["C_CONTIGUOUS"])
    assert copy.user_site.file == str(script)
    assert (copy.user_site.line, copy.user_site.function) == (4, "copy")
    assert copy.user_site.expression == "np.ascontiguousarray(field)"
    assert "IP102" in {finding.rule for finding in trace.findings}
    assert trace.meta.argv == ["copying.py", "--flag"]
    assert trace.meta.exit_status == 0
    assert "IP102" in (tmp_path / "report.txt").read_text()


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        ("", 0),
        ("sys.exit()", 0),
        ("sys.exit(3)", 3),
        ("sys.exit(-1)", 255),
        ("sys.exit('why')", 1),
        ("raise ValueError", 1),
        ("raise KeyboardInterrupt", -2),
        ("sys.excepthook = lambda *_: sys.exit(9); raise ValueError", 9),
        ("x = (", 1),
    ],
)
def test_the_exit_status(ending: str, status: int, tmp_path: Path) -> None:
    write(tmp_path / "program.py", f"import sys, numpy\n{ending}\n")
    trace, done = record(tmp_path, "program.py")
    assert trace.meta.exit_status == status == done.status
    assert trace.processes[0].exit_status == status
    assert trace.meta.complete


def test_the_report_follows_the_output(tmp_path: Path) -> None:
    write(
        tmp_path / "program.py",
        """
        import atexit, numpy, threading, time
        atexit.register(print, "callback")
        threading.Thread(target=lambda: (time.sleep(0.3), print("thread"))).start()
        print("main")
        """,
    )
    ending = run(interprobe("run", "program.py"), tmp_path, joined=True)
    assert ending.stdout.startswith(b"main\nthread\ncallback\nNothing to judge")
    apart = run(interprobe("run", "program.py"), tmp_path)
    assert apart.stdout == b"main\nthread\ncallback\n"
    assert apart.stderr.startswith(b"Nothing to judge")


def test_copies_of_threads_and_exit_callbacks_are_recorded(tmp_path: Path) -> None:
    write(
        tmp_path / "program.py",
        """
        import atexit, threading, time
        import numpy as np
        def copy(seconds):
            time.sleep(seconds)
            np.ascontiguousarray(np.ones((50, 60)).T)
        atexit.register(copy, 0)
        threading.Thread(target=copy, args=(0.2,)).start()
        """,
    )
    trace, _ = record(tmp_path, "program.py")
    assert [(copy.count, copy.bytes) for copy in trace.copies] == [(2, 2 * 50 * 60 * 8)]


def test_a_forked_child_is_part_of_the_one_report(tmp_path: Path) -> None:
    write(
        tmp_path / "program.py",
        """
        import os
        import numpy as np
        pid = os.fork()
        np.ascontiguousarray(np.ones((50, 60)).T)
        if pid:
            os.waitpid(pid, 0)
        """,
    )
    ending = run(interprobe("run", "--json", "trace.json", "program.py"), tmp_path)
    assert ending.stderr.count(b"interprobe 0.") == 1
    trace = load(tmp_path / "trace.json")
    assert [process.complete for process in trace.processes] == [True, True]
    assert [(copy.process, copy.count) for copy in trace.copies] == [(0, 1), (1, 1)]


def test_programs_of_every_kind(tmp_path: Path) -> None:
    write(tmp_path / "package" / "__init__.py", "")
    write(tmp_path / "package" / "__main__.py", COPYING)
    for words in (["package"], ["-m", "package"], ["-m", "package.__main__"]):
        trace, _ = record(tmp_path, *words)
        (copy,) = trace.copies
        assert copy.user_site.file == str(tmp_path / "package" / "__main__.py")
        assert copy.user_site.source == "    return np.ascontiguousarray(field)"


def test_a_library_s_generated_code_is_not_the_user_s(tmp_path: Path) -> None:
    packages = tmp_path / "site-packages"
    generated = "import numpy as np; np.ascontiguousarray(np.ones((50, 60)).T)"
    write(packages / "generating.py", f"def convert():\n    exec({generated!r})\n")
    source = (
        f"import sys; sys.path.append({str(packages)!r})\nimport generating\ngenerating.convert()\n"
    )
    script = write(tmp_path / "script.py", source)
    trace, _ = record(tmp_path, str(script))
    (copy,) = trace.copies
    assert (copy.user_site.file, copy.user_site.line) == (str(script), 3)
    assert copy.site.file == "<string>"


def test_code_on_the_command_line_has_a_source(tmp_path: Path) -> None:
    code = "import numpy as np\nx = np.ascontiguousarray(np.ones((50, 60)).T)"
    trace, _ = record(tmp_path, "-c", code)
    (copy,) = trace.copies
    assert copy.user_site.file == "<string>"
    assert copy.user_site.source == code.splitlines()[1]
    assert trace.meta.argv == ["-c", code]


def test_a_package_that_is_run_is_the_user_s_own(tmp_path: Path) -> None:
    """Also where it lies among the installed packages."""
    source = """
        import numpy as np, sysconfig
        sysconfig.get_path("purelib")
        np.ascontiguousarray(np.ones((50, 60)).T)
    """
    site_packages = tmp_path / "lib" / "python" / "site-packages"
    write(site_packages / "tool" / "__init__.py", "")
    module = write(site_packages / "tool" / "__main__.py", source)
    ending = run(
        interprobe("run", "--json", "trace.json", "-o", "report.txt", "-m", "tool"),
        tmp_path,
        env={"PYTHONPATH": str(site_packages)},
    )
    assert ending.status == 0
    (copy,) = load(tmp_path / "trace.json").copies
    assert copy.user_site.file == str(module)


def test_words_that_are_no_text(tmp_path: Path) -> None:
    write(tmp_path / "program.py", "import numpy, os, sys\nprint(os.fsencode(sys.argv[1]))\n")
    trace, ending = record(tmp_path, "program.py", os.fsdecode(b"caf\xe9"))
    assert ending == Ending(b"b'caf\\xe9'\n", b"", 0)
    assert trace.meta.argv == ["program.py", "caf\N{REPLACEMENT CHARACTER}"]


def test_warnings_that_are_errors_stop_no_recording(tmp_path: Path) -> None:
    write(tmp_path / "copying.py", COPYING)
    words = ["run", "--json", "trace.json", "-o", "report.txt", "copying.py"]
    ending = run(interprobe(*words), tmp_path, env={"PYTHONWARNINGS": "error"})
    assert ending == Ending(b"60000.0\n", b"", 0)
    assert load(tmp_path / "trace.json").bytes_copied == COPIED


def test_the_look_of_a_report_is_decided_before_the_program_runs(tmp_path: Path) -> None:
    source = "import numpy, os\nos.environ.update(FORCE_COLOR='1', COLUMNS='200')\n"
    write(tmp_path / "program.py", source)
    report = run(interprobe("run", "program.py"), tmp_path, env={"COLUMNS": "60"}).stderr
    assert b"\x1b" not in report
    assert max(len(line) for line in report.decode().splitlines()) <= 60


def test_paths_are_those_of_the_start(tmp_path: Path) -> None:
    source = "import numpy, os\nos.mkdir('elsewhere')\nos.chdir('elsewhere')\n"
    write(tmp_path / "program.py", source)
    record(tmp_path, "program.py")
    assert (tmp_path / "report.txt").exists()
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_program_without_numpy(tmp_path: Path) -> None:
    write(tmp_path / "program.py", "print('no arrays')\n")
    trace, ending = record(tmp_path, "program.py")
    assert ending.stdout == b"no arrays\n"
    assert trace.copies == []
    assert trace.calls == []
    assert any("did not import NumPy" in spot for spot in trace.meta.blind_spots)


def test_a_program_whose_numpy_fails(tmp_path: Path) -> None:
    write(tmp_path / "numpy.py", "raise RuntimeError('not the real one')\n")
    write(
        tmp_path / "program.py",
        """
        try:
            import numpy
        except RuntimeError as error:
            print(error)
        print("on")
        """,
    )
    ending = run(interprobe("run", "program.py"), tmp_path)
    assert ending.stdout == b"not the real one\non\n"
    assert b"Traceback" not in ending.stderr


def test_a_trace_that_cannot_be_saved_is_kept_elsewhere(tmp_path: Path) -> None:
    source = "import numpy, shutil\nshutil.rmtree('results')\nprint('done')\n"
    write(tmp_path / "program.py", source)
    (tmp_path / "results").mkdir()
    words = ["run", "--json", "results/trace.json", "-o", "results/report.txt", "program.py"]
    ending = run(interprobe(*words), tmp_path, env={"TMPDIR": str(tmp_path)})
    assert (ending.stdout, ending.status) == (b"done\n", 0)
    errors = ending.stderr.decode()
    spare = re.search(r"the trace is in '(.*?)' instead", errors)
    assert spare is not None
    assert load(spare[1]).meta.exit_status == 0
    assert "Cannot write" in errors
    assert "Nothing to judge" in errors
    assert "Traceback" not in errors


def test_an_old_trace_is_replaced_as_a_whole(tmp_path: Path) -> None:
    write(tmp_path / "copying.py", COPYING)
    write(tmp_path / "trace.json", "x" * 1_000_000)
    trace, _ = record(tmp_path, "copying.py")
    assert trace.bytes_copied == COPIED
    assert sorted(os.listdir(tmp_path)) == ["copying.py", "report.txt", "trace.json"]


def test_a_picture_instead_of_text(tmp_path: Path) -> None:
    write(tmp_path / "copying.py", COPYING)
    command = interprobe("run", "--format", "svg", "-o", "report.svg", "copying.py")
    assert run(command, tmp_path) == Ending(b"60000.0\n", b"", 0)
    assert (tmp_path / "report.svg").read_text().startswith("<svg")


def test_the_width_and_colour_of_a_report(tmp_path: Path) -> None:
    write(tmp_path / "copying.py", COPYING)
    command = interprobe("run", "--width", "70", "--color", "always", "copying.py")
    report = run(command, tmp_path).stderr.decode()
    assert "\x1b[" in report
    lines = re.sub(r"\x1b\[[0-9;]*m", "", report).splitlines()
    assert max(map(len, lines)) <= 70


@pytest.mark.parametrize("words", [["copying.py"], ["-m", "copying"], ["package"]])
def test_lines_of_functions(words: list[str], tmp_path: Path) -> None:
    write(tmp_path / "copying.py", COPYING)
    write(tmp_path / "package" / "__main__.py", COPYING)
    trace, ending = record(tmp_path, "--lines", "main", "--lines=copy", *words)
    assert ending == Ending(b"60000.0\n", b"", 0)
    timed = {function.function: function for function in trace.lines}
    assert set(timed) == {"main", "copy"}
    hits = {line.line: (line.hits, line.copies, line.bytes_copied) for line in timed["copy"].lines}
    assert hits[4] == (3, 3, COPIED)
    assert "Lines of copy" in (tmp_path / "report.txt").read_text()


def test_lines_of_a_function_in_another_module(tmp_path: Path) -> None:
    write(tmp_path / "tools.py", "def double(x):\n    return x * 2\n")
    write(tmp_path / "program.py", "import sys, tools\nprint(tools.double(4), sys.argv)\n")
    trace, ending = record(tmp_path, "--lines", "tools:double", "program.py", "-v")
    assert ending == Ending(b"8 ['program.py', '-v']\n", b"", 0)
    (function,) = trace.lines
    assert [line.hits for line in function.lines] == [0, 1]


def test_lines_of_a_script_that_does_not_compile(tmp_path: Path) -> None:
    write(tmp_path / "program.py", "def f(:\n")
    ending = run(interprobe("run", "-o", "report.txt", "--lines", "f", "program.py"), tmp_path)
    assert ending == run([sys.executable, "program.py"], tmp_path)


def test_resident_memory(tmp_path: Path) -> None:
    write(
        tmp_path / "program.py",
        """
        import time
        import numpy as np
        def fill():
            block = np.ones(8_000_000)
            time.sleep(0.3)
            return block.sum()
        print(fill())
        """,
    )
    trace, ending = record(tmp_path, "--memory", "program.py")
    assert ending == Ending(b"8000000.0\n", b"", 0)
    assert trace.memory.rss_sampled_peak_bytes is not None
    assert trace.memory.rss_sampled_peak_bytes > 64_000_000
    assert trace.memory.rss_sampled_peak_site is not None
    assert trace.memory.rss_sampled_peak_site.function == "fill"


def test_an_interrupted_program_is_reported(tmp_path: Path) -> None:
    write(
        tmp_path / "program.py",
        """
        import os, signal, time
        import numpy as np
        np.ascontiguousarray(np.ones((50, 60)).T)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(10)
        """,
    )
    trace, ending = record(tmp_path, "program.py")
    assert trace.copy_count == 1
    assert ending.status == -2
    assert b"KeyboardInterrupt" in ending.stderr
