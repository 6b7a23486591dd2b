"""What the words after the options of ``interprobe run`` stand for."""

from __future__ import annotations

import os
import sys
import zipfile
from pathlib import Path

import pytest

from interprobe.cli.console.arguments import UsageError
from interprobe.cli.launch.main_module import interpreter_words
from interprobe.cli.launch.program import Program, program


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = Path(os.path.realpath(tmp_path))
    monkeypatch.chdir(folder)
    (folder / "program.py").write_text("VALUE = 1\n")
    (folder / "package").mkdir()
    (folder / "package" / "__init__.py").write_text("raise SystemExit('imported')\n")
    (folder / "package" / "__main__.py").write_text("MAIN = 1\n")
    (folder / "package" / "part.py").write_text("PART = 1\n")
    with zipfile.ZipFile(folder / "archive.zip", "w") as archive:
        archive.writestr("__main__.py", "ZIPPED = 1\n")
    return folder


@pytest.mark.parametrize(
    ("words", "expected", "argv"),
    [
        (["program.py", "-x", "-m"], Program("script", "program.py", ["-x", "-m"]), None),
        (["archive.zip"], Program("archive", "archive.zip", []), None),
        (["package"], Program("archive", "package", []), None),
        (["-m", "package", "-c"], Program("module", "package", ["-c"]), ["-m", "-c"]),
        (["-mpackage", "x"], Program("module", "package", ["x"]), ["-m", "x"]),
        (["-c", "pass", "-m"], Program("command", "pass", ["-m"]), ["-c", "-m"]),
        (["-cpass"], Program("command", "pass", []), ["-c"]),
        (["-c", ""], Program("command", "", []), ["-c"]),
    ],
)
def test_words(words: list[str], expected: Program, argv: list[str] | None) -> None:
    found = program(words)
    assert found == expected
    assert found.argv == (words if argv is None else argv)


@pytest.mark.parametrize("flag", ["-m", "-c"])
def test_a_flag_without_its_value(flag: str) -> None:
    with pytest.raises(UsageError, match=f"{flag} needs"):
        program([flag])


def test_own_paths(folder: Path) -> None:
    (folder / "link.py").symlink_to("program.py")
    assert program(["link.py"]).own_paths == [str(folder / "link.py"), str(folder / "program.py")]
    assert str(folder / "package") in program(["-m", "package"]).own_paths
    assert str(folder / "package") in program(["-m", "package.part"]).own_paths
    assert program(["-m", "program"]).own_paths == [str(folder / "program.py")]
    assert program(["-m", "no_such_module"]).own_paths == []
    assert program(["-c", "pass"]).own_paths == ["<string>"]


@pytest.mark.parametrize(
    ("words", "source", "file"),
    [
        (["program.py"], b"VALUE = 1\n", "program.py"),
        (["./program.py"], b"VALUE = 1\n", "./program.py"),
        (["package"], "MAIN = 1\n", "package/__main__.py"),
        (["archive.zip"], "ZIPPED = 1\n", "archive.zip/__main__.py"),
        (["-m", "package"], "MAIN = 1\n", "package/__main__.py"),
        (["-m", "package.part"], "PART = 1\n", "package/part.py"),
        (["-m", "program"], "VALUE = 1\n", "program.py"),
    ],
)
def test_source(words: list[str], source: bytes | str, file: str, folder: Path) -> None:
    assert program(words).source() == (source, f"{folder}/{file}")


def test_source_of_code() -> None:
    assert program(["-c", "pass"]).source() == ("pass", "<string>")


@pytest.mark.parametrize("name", ["no_such_module", "package.no_such_part", "program.part", "sys"])
def test_no_source(name: str) -> None:
    assert program(["-m", name]).source() is None


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["python", "-m", "interprobe", "run"], ["python"]),
        (["python", "-minterprobe", "run"], ["python"]),
        (["python", "-um", "interprobe"], ["python", "-u"]),
        (["python", "-X", "dev", "-Wd", "interprobe", "-x"], ["python", "-X", "dev", "-Wd"]),
        (["python", "-uXdev", "-BW", "error", "cli"], ["python", "-uXdev", "-BW", "error"]),
        (
            ["python", "--check-hash-based-pycs", "never", "-c", "main()"],
            ["python", "--check-hash-based-pycs", "never"],
        ),
        (["python", "/bin/interprobe", "-X", "run"], ["python"]),
        (["python", "-"], ["python"]),
        (["python"], ["python"]),
        ([], []),
    ],
)
def test_options_of_the_interpreter(
    words: list[str], expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "orig_argv", words)
    assert interpreter_words() == expected
