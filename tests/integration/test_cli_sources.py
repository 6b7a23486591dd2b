"""Whatever form a program comes in, it runs as under plain python."""

from __future__ import annotations

import py_compile
import zipfile
from pathlib import Path

import pytest
from plain_and_probed import assert_same, write

PROGRAMS = {
    "warning_of_compiler": 'print("\\d", 1 is 1)',
    "warning_of_compiler_then_error": 'print("\\d")\nreturn 3',
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
    "inspect_source": """
        import inspect
        def function():
            return 1
        print(inspect.getsource(function), inspect.getfile(function))
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


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_script_behaves_as_under_plain_python(name: str, tmp_path: Path) -> None:
    write(tmp_path / "program.py", PROGRAMS[name])
    assert_same(["program.py", "-x", "--json", "two words"], tmp_path, stdin=b"Ada\nrest\n")


@pytest.mark.parametrize("path", ["./program.py", "sub/../program.py", "link.py", "sub/link.py"])
def test_spellings_of_a_path(path: str, tmp_path: Path) -> None:
    write(tmp_path / "program.py", "import sys\nprint(sys.argv, sys.path[0], __file__)\n1/0\n")
    (tmp_path / "sub").mkdir()
    (tmp_path / "link.py").symlink_to("program.py")
    (tmp_path / "sub" / "link.py").symlink_to("../program.py")
    assert_same([path], tmp_path)
    assert_same([str(tmp_path / path)], tmp_path)


def test_a_script_without_an_extension(tmp_path: Path) -> None:
    write(tmp_path / "program", "print(__file__)\n")
    assert_same(["program"], tmp_path)


def test_compiled_scripts(tmp_path: Path) -> None:
    source = write(
        tmp_path / "program.py", "import sys\nprint(__file__, __loader__, sys.path[0])\n1/0"
    )
    py_compile.compile(str(source), cfile=str(tmp_path / "compiled.pyc"))
    (tmp_path / "disguised").write_bytes((tmp_path / "compiled.pyc").read_bytes())
    (tmp_path / "broken.pyc").write_bytes(b"no bytecode at all")
    for name in ("compiled.pyc", "disguised", "broken.pyc"):
        assert_same([name], tmp_path)


@pytest.mark.parametrize(
    "source",
    [
        b"# coding: latin-1\nprint('\xe4')\n1 / 0  # \xe4\n",
        b"# -*- coding: utf-8 -*-\nprint('\xc3\xa4')\n",
        b"print('\xe4')\n",
        b"# coding: no-such-encoding\nprint(1)\n",
        b"# coding: utf-8\nprint('\xe4')\n",
        b"\xef\xbb\xbf# coding: latin-1\nprint(1)\n",
        b"print(1)\nx = '\0'\n",
        b"print('" + b"x" * 100_000 + b"')\n",
    ],
    ids=["latin-1", "utf-8", "undeclared", "unknown", "wrong", "contradicted", "null", "long"],
)
def test_encodings_of_a_source(source: bytes, tmp_path: Path) -> None:
    write(tmp_path / "program.py", source)
    assert_same(["program.py"], tmp_path)


MAIN = """
import sys
print(sys.argv, sys.path[0], __name__, __package__, __file__, __spec__ and __spec__.name)
print(sorted(name for name in globals()), sys._getframe().f_back is None)
def function(): raise ValueError("failed")
if "fail" in sys.argv: function()
"""


@pytest.mark.parametrize("arguments", [[], ["fail"], ["-m", "--all"]])
def test_directories_and_zip_files(arguments: list[str], tmp_path: Path) -> None:
    write(tmp_path / "program" / "__main__.py", MAIN)
    with zipfile.ZipFile(tmp_path / "program.zip", "w") as archive:
        archive.writestr("__main__.py", MAIN)
    for name in ("program", "./program", "program.zip", str(tmp_path / "program")):
        assert_same([name, *arguments], tmp_path)


@pytest.mark.parametrize("arguments", [[], ["fail"], ["-m", "--all"]])
def test_modules_and_packages(arguments: list[str], tmp_path: Path) -> None:
    write(tmp_path / "module.py", MAIN)
    write(tmp_path / "package" / "__init__.py", "print('package', __name__)\n")
    write(tmp_path / "package" / "__main__.py", MAIN)
    write(tmp_path / "package" / "module.py", MAIN)
    for name in ("module", "package", "package.module", "package.__main__"):
        assert_same(["-m", name, *arguments], tmp_path)
    assert_same(["-mmodule", *arguments], tmp_path)


@pytest.mark.parametrize("name", ["missing", "package.missing", "package", "broken", "stops"])
def test_modules_that_cannot_run(name: str, tmp_path: Path) -> None:
    write(tmp_path / "package" / "__init__.py", "")
    write(tmp_path / "broken.py", "def f(:\n")
    write(tmp_path / "stops.py", "import sys\nsys.exit('stop')\n")
    assert_same(["-m", name], tmp_path)


def test_modules_of_the_standard_library(tmp_path: Path) -> None:
    write(
        tmp_path / "test_it.py",
        "import unittest\nclass T(unittest.TestCase):\n  def test(self): 1/0",
    )
    assert_same(["-m", "json.tool"], tmp_path, stdin=b'{"a": 1}')
    assert_same(["-m", "compileall", "-q", "."], tmp_path)
    assert_same(["-m", "json.tool", "missing.json"], tmp_path)


@pytest.mark.parametrize(
    "code",
    [
        "import sys; print(sys.argv, sys.path[0] == '', __name__, sorted(globals()))",
        "print(1)\ndef f():\n    raise ValueError('x')\nf()",
        "1 +",
        "",
        "import sys; sys.exit('text')",
        "raise KeyboardInterrupt",
        "import warnings; warnings.warn('here')",
        "x = 'ä €'; print(x); 1 / 0",
        "import beside",
    ],
)
def test_code(code: str, tmp_path: Path) -> None:
    write(tmp_path / "beside.py", "print('found')\n")
    assert_same(["-c", code, "-c", "--json"], tmp_path)
