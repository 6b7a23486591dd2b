"""``interprobe check``: what it finds, what it writes, and how it ends."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from plain_and_probed import interprobe, run

from interprobe.cli import main

HEADER = """
#include <stddef.h>
struct point { int id; double x; };
double total(const double *x, size_t n);
void scale(double *x, size_t n, double by);
double x_of(const struct point *p);
const char *name_of(int number);
int raise(int number);
"""

SOURCE = """
#include "fit.h"
double total(const double *x, size_t n) { double s = 0; while (n--) s += x[n]; return s; }
void scale(double *x, size_t n, double by) { while (n--) x[n] *= by; }
double x_of(const struct point *p) { return p->x; }
const char *name_of(int number) { return number ? "one" : "none"; }
int raise(int number) { return number; }
"""

GOOD = """
import ctypes
import numpy as np

class Point(ctypes.Structure):
    _fields_ = [("id", ctypes.c_int), ("x", ctypes.c_double)]

lib = ctypes.CDLL("./libfit.so")
lib.total.argtypes = [np.ctypeslib.ndpointer(np.float64), ctypes.c_size_t]
lib.total.restype = ctypes.c_double
lib.scale.argtypes = [ctypes.POINTER(ctypes.c_double), ctypes.c_size_t, ctypes.c_double]
lib.scale.restype = None
lib.x_of.argtypes = [ctypes.POINTER(Point)]
lib.x_of.restype = ctypes.c_double
lib.name_of.argtypes = [ctypes.c_int]
lib.name_of.restype = ctypes.c_char_p
"""

BAD = """
import ctypes as ct

class Point(ct.Structure):
    _pack_ = 1
    _fields_ = [("id", ct.c_int), ("x", ct.c_double)]

lib = ct.CDLL("./libfit.so")
lib.total.argtypes = [ct.POINTER(ct.c_float), ct.c_int]
lib.scale.argtypes = [ct.POINTER(ct.c_double), ct.c_size_t]
lib.x_of.argtypes = [ct.POINTER(Point)]
lib.x_of.restype = ct.c_float
print(lib.name_of(3))
raise SystemExit("this module was run")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fit")
    (folder / "fit.h").write_text(HEADER)
    (folder / "fit.c").write_text(SOURCE)
    (folder / "good.py").write_text(GOOD)
    (folder / "bad.py").write_text(BAD)
    for name, flag in (("libfit.so", "-g"), ("libstripped.so", "-s")):
        command = ["cc", "-O2", flag, "-shared", "-fPIC", "-o", name, "fit.c"]
        subprocess.run(command, cwd=folder, check=True)
    return folder


@pytest.fixture(autouse=True)
def _inside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def check(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = main(["check", *words])
    out, err = capsys.readouterr()
    return status, out, err


def test_right_declarations_end_with_status_0(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = check(capsys, "libfit.so", "good.py")
    assert status == 0
    assert out == "4 functions of libfit.so compared with good.py: no mismatch.\n"
    assert err == ""


def test_each_mismatch_has_its_line_and_the_right_declaration(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status, out, _ = check(capsys, "libfit.so", "bad.py", "--width", "120")
    assert status == 1
    assert re.findall(r"┌─ bad\.py:(\d+)", out) == ["6", "9", "10", "12", "13"]
    told, out = out, " ".join(out.replace("│", " ").split())
    assert "x lies at byte 4, and C's x at byte 8; it has 12 bytes, and C's has 16" in out
    assert "Argument 1 (x) is `const double *`, and is declared as POINTER(c_float)" in out
    assert "Argument 2 (n) is `size_t`, and is declared as c_int" in out
    assert "It returns `double`, and no restype is declared" in out
    assert "scale takes 3 arguments, and 2 are declared" in out
    assert "It returns `double`, and is declared to return c_float" in out
    assert "name_of is called without any declaration" in out
    assert "lib.total.argtypes = [ct.POINTER(ct.c_double), ct.c_size_t]" in out
    assert "class Point(ct.Structure):" in out
    assert "lib.name_of.restype = ct.c_char_p" in out
    assert told.endswith("3 functions of libfit.so compared with bad.py: 5 errors.\n")


def test_following_the_advice_leaves_nothing_to_find(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = check(capsys, "libfit.so")
    assert status == 0
    (folder / "written.py").write_text(out)
    status, out, _ = check(capsys, "libfit.so", "written.py")
    assert (status, out) == (0, "5 functions of libfit.so compared with written.py: no mismatch.\n")
    code = (
        "import runpy; lib = runpy.run_path('written.py')['lib']; import ctypes;"
        "print(lib.total((ctypes.c_double * 2)(1.5, 2.0), 2), lib.name_of(1),"
        " getattr(lib, 'raise')(4))"
    )
    assert run([sys.executable, "-c", code], folder).stdout == b"3.5 b'one' 4\n"


def test_a_header_stands_in_for_debug_information(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = check(capsys, "libstripped.so", "bad.py")
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert "compile it with -g, or name its header with --header" in err
    words = ("libstripped.so", "good.py", "--header", "fit.h")
    (Path("good.py")).write_text(GOOD.replace("libfit", "libstripped"))
    status, out, _ = check(capsys, *words)
    assert status == 0
    assert "4 functions of libstripped.so" in out
    Path("good.py").write_text(GOOD)


def test_declarations_of_another_library_are_left_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("other.py").write_text(
        "import ctypes\nlibm = ctypes.CDLL('libm.so.6')\nlibm.scale.argtypes = []\n"
        "lib = ctypes.CDLL('libfit.so')\nlib.missing.argtypes = []\n"
    )
    status, out, _ = check(capsys, "libfit.so", "other.py")
    assert status == 0
    assert "line 5: missing is declared, and libfit.so does not export it" in out
    assert "line 3" not in out


def test_what_is_not_followed_is_said_and_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    Path("dark.py").write_text(
        "import ctypes, other\nlib = ctypes.CDLL('libfit.so')\n"
        "lib.total.argtypes = other.types()\nlib.total.restype = ctypes.c_double\n"
    )
    status, out, _ = check(capsys, "libfit.so", "dark.py")
    assert status == 0
    assert "line 3: the argtypes of total are not listed here" in out


def test_cdefs_of_cffi_are_compared(capsys: pytest.CaptureFixture[str]) -> None:
    Path("c.py").write_text(
        "import cffi\nffi = cffi.FFI()\nffi.cdef('''\n  double total(const float *x, size_t n);\n"
        "  void scale(double *x, size_t n, double by);\n''')\nlib = ffi.dlopen('./libfit.so')\n"
    )
    status, out, _ = check(capsys, "libfit.so", "c.py", "--width", "120")
    assert status == 1
    assert re.findall(r"┌─ c\.py:(\d+)", out) == ["4"]
    assert 'ffi.cdef("double total(const double *x, size_t n);")' in out


def test_the_demonstration_library_is_declared_rightly(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = check(capsys, "interprobe.cdemo")
    assert status == 0
    said = " ".join(out.split())  # a long path goes on in the next line
    assert re.fullmatch(
        r"\d+ functions of libcdemo_kernels\.so compared with .*: no mismatch\.", said
    )


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nothere.so"], "There is no library 'nothere.so'"),
        (["nothere"], "There is neither a library nor a module 'nothere'"),
        (["fit.c"], "'fit.c' is no shared object for 64-bit Linux (ELF)"),
        (["."], "'.' is a directory: name the shared object in it"),
        (["json"], "The module 'json' has no shared object beside it"),
        (["libfit.so", "nothere.py"], "Cannot read 'nothere.py': No such file or directory"),
        (["libfit.so", "fit.c"], "'fit.c' is no Python"),
        (["libfit.so", "--header", "no.h"], "There is no header 'no.h'"),
        (["libstripped.so", "--header", "empty.h"], "'empty.h' declares no function"),
        (["libstripped.so", "--header", "alien.h"], "declare no function that 'libstripped.so'"),
        ([], "required: LIBRARY"),
    ],
)
def test_bad_input_is_one_sentence_and_status_2(
    words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("empty.h").write_text("#define NOTHING 1\n")
    Path("alien.h").write_text("int alien(int x);\n")
    status, out, err = check(capsys, *words)
    assert (status, out) == (2, "")
    assert sentence in err
    assert err.count("\n") == 1


def test_run_takes_headers(folder: Path) -> None:
    (folder / "program.py").write_text(
        "import ctypes\nimport numpy as np\nlib = ctypes.CDLL('./libstripped.so')\n"
        "x = np.ones(3)\n"
        "total = lib.total(x.ctypes.data_as(ctypes.POINTER(ctypes.c_double)), 3)\n"
    )
    without = run(interprobe("run", "program.py"), folder)
    assert b"IP304" not in without.stderr
    ending = run(interprobe("run", "--header", "fit.h", "program.py"), folder)
    assert ending.status == 0
    assert b"IP304 missing-prototype" in ending.stderr
    assert run(interprobe("run", "--header", "no.h", "program.py"), folder).status == 2


def test_complex_numbers_in_memory_are_declared_as_pairs(tmp_path: Path) -> None:
    (tmp_path / "turn.c").write_text(
        "#include <complex.h>\n"
        "struct wave { int id; double complex height; float complex both[2]; };\n"
        "void turn(double complex *z, int n) { while (n--) z[n] *= I; }\n"
        "int id_of(const struct wave *w) { return w->id; }\n"
        "double complex by_value(double complex z) { return z * I; }\n"
    )
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-g", "turn.c", "-o", "libturn.so"], cwd=tmp_path, check=True
    )
    written = run(interprobe("check", "./libturn.so"), tmp_path).stdout.decode()
    assert "ctypes.POINTER(ctypes.c_double), ctypes.c_int" in written
    assert '("height", ctypes.c_double * 2)' in written
    assert '("both", ctypes.c_float * 4)' in written
    (tmp_path / "turn.py").write_text(written)
    assert run([sys.executable, "turn.py"], tmp_path).status == 0
    again = run(interprobe("check", "libturn.so", "turn.py"), tmp_path)
    assert (again.status, b"no mismatch" in again.stdout) == (0, True)
