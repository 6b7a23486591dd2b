"""Whatever is wrong with a command line is said in one sentence, with the nearest valid choice."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from interprobe.cli import main
from interprobe.scenarios import __path__ as scenario_path

MISTAKES = {
    "rnu": "There is no command 'rnu'; did you mean 'run'?",
    "frobnicate": "There is no command 'frobnicate'; the commands are check, doctor, explain, ",
    "program.py": "There is no command 'program.py'; did you mean 'interprobe run program.py'?",
    "--verson": "'interprobe' has no option '--verson'; did you mean '--version'?",
    "run": "TARGET is missing: a script, -m module, -c code or a scenario; ",
    "run fortran-oder": "no scenario or file 'fortran-oder'; did you mean 'fortran-order'?",
    "run Fortran_Order": "There is no scenario or file 'Fortran_Order'; did you mean",
    "run nothing-like-it": "There is no scenario or file 'nothing-like-it'; the scenarios are ",
    "run progam.py": "There is no file 'progam.py'; did you mean 'program.py'?",
    "run progam": "There is no scenario or file 'progam'; did you mean 'program.py'?",
    "run ./fortran-order": "There is no file './fortran-order'.",
    "run folder/x.py": "There is no file 'folder/x.py'.",
    "run nowhere/x.py": "There is no file 'nowhere/x.py'.",
    "run folder": "The directory 'folder' has no __main__.py: it cannot be run.",
    "run -": "A program cannot be read from standard input; give a file or -c code.",
    "run -m": "-m needs the name of a module after it; see 'interprobe run --help'.",
    "run -c": "-c needs code after it; see 'interprobe run --help'.",
    "run --jsno t.json program.py": "'interprobe run' has no option '--jsno'; did you mean",
    "run --xyzzy program.py": "'interprobe run' has no option '--xyzzy'; see ",
    "run -x program.py": "'interprobe run' has no option '-x'",
    "run --json": "--json: expected one argument; see 'interprobe run --help'.",
    "run --width 0 program.py": "--width: '0' is not a whole number above 0; see ",
    "run --width wide program.py": "--width: 'wide' is not a whole number above 0; see ",
    "run --color red program.py": "--color: invalid choice: 'red' (choose from ",
    "run --format termnal program.py": "There is no format 'termnal'; did you mean 'terminal'?",
    "run --format jpeg program.py": "There is no format 'jpeg'; the formats are svg and terminal.",
    "run --size 8 program.py": "--size is for scenarios: a program sizes its own data.",
    "run --json nowhere/t.json program.py": "Cannot write 'nowhere/t.json': there is no directory",
    "run --json folder program.py": "Cannot write 'folder': it is a directory.",
    "run --json /dev/null program.py": "Cannot write '/dev/null': it is not a regular file.",
    "run -o nowhere/r.txt program.py": "Cannot write 'nowhere/r.txt': there is no directory",
    "run -o folder program.py": "Cannot write 'folder': it is a directory.",
    "run --lines man program.py": "has no function 'man': did you mean 'main'?",
    "run --lines main -c pass": "<string> has no function 'main': it defines none.",
    "run --lines man -m program": "has no function 'man': did you mean 'main'?",
    "run --lines nothing:main program.py": "No module named 'nothing'",
    "run --all fortran-order": "--all runs every scenario and takes no TARGET, not 'fortran",
    "run fortran-order --all": "--all runs every scenario and takes no TARGET, not 'fortran",
    "run fortran-order more": "'interprobe run' takes no 'more' here; see ",
    "run fortran-order --sise 3": "'interprobe run' has no option '--sise'; did you mean '--size'?",
    "run fortran-order --lines f": "--lines is for programs: a scenario's functions are not yours.",
    "run --memory fortran-order": "--memory is for programs: a scenario's functions are not yours.",
    "run --boundary nmpy program.py": "There is no package 'nmpy'; did you mean 'numpy'?",
    "run --no-boundary nmpy -m program": "There is no package 'nmpy'; did you mean 'numpy'?",
    "run --boundary numpy.linlg program.py": "in 'numpy'; did you mean 'numpy.linalg'?",
    "run --boundary numpy. program.py": "There is no module 'numpy.' in 'numpy'.",
    "run --boundary xyzzy-frobnicate program.py": "There is no package 'xyzzy-frobnicate'.",
    "run --boundary pyelftools -c pass": "no package 'pyelftools'; did you mean 'elftools'?",
    "run --boundary programm -c pass": "There is no package 'programm'; did you mean 'program'?",
    "run --boundary numpy --no-boundary numpy -c pass": "'numpy' cannot be watched and left alone",
    "run --boundary numpy.fft --no-boundary numpy -c pass": "'numpy.fft', which is inside 'numpy',",
    "run --boundary": "--boundary: expected one argument; see 'interprobe run --help'.",
    "run --contracts most -c pass": "--contracts: invalid choice: 'most'",
    "run --what-if perhaps -c pass": "--what-if: invalid choice: 'perhaps'",
    "run --what-if": "--what-if: expected one argument; see 'interprobe run --help'.",
    "run --what-if off fortran-order": "--what-if is for programs: a scenario's functions",
    "run --contracts full fortran-order": "--contracts is for programs: a scenario's functions",
    "run --boundary numpy fortran-order": "--boundary is for programs: a scenario's functions",
    "run fortran-order --no-boundary numpy": "--no-boundary is for programs: a scenario's",
    "doctor house": "'interprobe doctor' takes no 'house' here; see 'interprobe doctor --help'.",
    "doctor --widht 80": "'interprobe doctor' has no option '--widht'; did you mean '--width'?",
    "run --all --json t.json": "--json saves one trace: name one scenario instead of --all.",
    "run --all --format svg": "--all ends in a table for the terminal: it takes no other --format.",
    "report": "The following arguments are required: TRACE; see 'interprobe report --help'.",
    "report nothing.json": "Cannot read 'nothing.json': No such file or directory.",
    "report program.py": "'program.py' is not JSON: ",
    "report wrong.json": "'wrong.json' is not a trace of schema interprobe.trace/1: ",
    "report a b": "'interprobe report' takes no 'b' here; see 'interprobe report --help'.",
    "explain IP1002": "There is no rule 'IP1002': did you mean IP102 order-mismatch? ",
    "explain order-mismatsh": "did you mean IP102 order-mismatch?",
    "explain IP101 IP102": "'interprobe explain' takes no 'IP102' here; ",
    "list all": "'interprobe list' takes no 'all' here; ",
    "list --verbos": "'interprobe list' has no option '--verbos'; did you mean '--verbose'?",
    "schema x": "'interprobe schema' takes no 'x' here; ",
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("program.py").write_text("def main(): pass\nprint('it was run')\n")
    Path("wrong.json").write_text('{"schema": "interprobe.trace/1"}')
    Path("folder").mkdir()
    return tmp_path


@pytest.mark.parametrize("words", MISTAKES)
def test_a_mistake(words: str, capfd: pytest.CaptureFixture[str], folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    assert main(words.split()) == 2
    output, errors = capfd.readouterr()
    assert output == ""
    assert errors.startswith("interprobe: ")
    assert MISTAKES[words] in errors
    assert errors.count("\n") == 1
    assert errors[-2] in ".?"
    assert "Traceback" not in errors
    assert sorted(folder.rglob("*")) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is write-protected for root")
@pytest.mark.parametrize("option", ["--json", "-o"])
def test_a_protected_file(option: str, capfd: pytest.CaptureFixture[str], folder: Path) -> None:
    Path("kept.txt").write_text("kept")
    Path("kept.txt").chmod(0o400)
    assert main(["run", option, "kept.txt", "program.py"]) == 2
    assert "it is write-protected" in capfd.readouterr().err
    assert Path("kept.txt").read_text() == "kept"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_program_that_may_not_be_read(capfd: pytest.CaptureFixture[str]) -> None:
    Path("program.py").chmod(0)
    assert main(["run", "program.py"]) == 2
    assert capfd.readouterr().err == "interprobe: Cannot read 'program.py': permission denied.\n"


def test_a_file_hides_a_scenario_and_a_folder_does_not(
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert any(Path(entry, "fortran_order.py").exists() for entry in scenario_path)
    Path("fortran-order").write_text("print('it was run')\n")
    # A file is a program, for which --size is refused; nothing needs to run to see that.
    assert main(["run", "--size", "2", "fortran-order"]) == 2
    assert "a program sizes its own data" in capfd.readouterr().err
    Path("fortran-order").unlink()
    Path("fortran-order").mkdir()
    assert main(["run", "--memory", "fortran-order"]) == 2
    assert "a scenario's functions" in capfd.readouterr().err
