"""Binding modules read without being run: what declares what, and what is not followed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from interprobe.binding_values import Bindings, Listed, TypeValue
from interprobe.bindings import read_bindings

HEAD = "import ctypes\nimport ctypes as ct\nfrom ctypes import *\nimport numpy as np\n"
HEAD += "lib = CDLL('libfit.so')\n"
HEAD_LINES = HEAD.count("\n")


def shown(value: Any) -> Any:
    if isinstance(value, Listed):
        return [shown(each) for each in value]
    if isinstance(value, TypeValue):
        return " or ".join(type_.spelling for type_ in value.types)
    return None if value is None else "?"


def found(source: str) -> dict[str, dict[str, Any]]:
    table: dict[str, dict[str, Any]] = {}
    for each in read_bindings(HEAD + source, "bindings.py").declarations:
        table.setdefault(each.function, {})[each.aspect] = shown(each.value)
    return table


def lines(source: str) -> dict[str, int]:
    read = read_bindings(HEAD + source, "bindings.py")
    return {each.function: each.line - HEAD_LINES for each in read.declarations}


WHOLE = {"f": {"argtypes": ["double *", "unsigned long"], "restype": "double"}}


@pytest.mark.parametrize(
    "source",
    [
        "lib.f.argtypes = [POINTER(c_double), c_size_t]\nlib.f.restype = c_double",
        "dp = ct.POINTER(ct.c_double)\nf = lib.f\nf.argtypes, f.restype = (dp, c_size_t), c_double",
        "f = lib['f']\nf.argtypes = [POINTER(c_double)] + [c_size_t]\nf.restype = c_double",
        "for n, a, r in (('f', [POINTER(c_double), c_size_t], c_double),):\n"
        "    g = getattr(lib, n)\n    g.argtypes = a\n    g.restype = r",
        "T = {'f': (c_double, [POINTER(c_double), c_size_t])}\nfor n, (r, a) in T.items():\n"
        "    setattr(getattr(lib, n), 'argtypes', a)\n    setattr(getattr(lib, n), 'restype', r)",
        "def declare(l, name, *args, ret=None):\n    g = getattr(l, name)\n"
        "    g.argtypes = list(args)\n    g.restype = ret\n    return g\n"
        "f = declare(lib, 'f', POINTER(c_double), c_size_t, ret=c_double)",
        "f = CFUNCTYPE(c_double, POINTER(c_double), c_size_t)(('f', lib))",
        "class Lib:\n    _lib = ctypes.cdll.LoadLibrary('libfit.so')\n    _dp = POINTER(c_double)\n"
        "    _lib.f.argtypes = [_dp, c_size_t]\n    _lib.f.restype = c_double",
        "class Lib:\n    def __init__(self, path):\n        self._lib = CDLL(path)\n"
        "        self._lib.f.argtypes = [POINTER(c_double), c_size_t]\n        self._declare()\n"
        "    def _declare(self):\n        self._lib.f.restype = c_double",
        "def load():\n    import ctypes as c\n    l = c.CDLL('x')\n"
        "    l.f.argtypes = [c.POINTER(c.c_double), c.c_size_t]\n    l.f.restype = c.c_double\n"
        "    return l",
        "l = np.ctypeslib.load_library('libfit', '.')\n"
        "l.f.argtypes = [np.ctypeslib.ndpointer(dtype=np.float64, ndim=1), c_size_t]\n"
        "l.f.restype = ctypes.c_double",
        "from numpy.ctypeslib import ndpointer as nd\n"
        "lib.f.argtypes = [nd('f8'), c_size_t]\nlib.f.restype = c_double",
        "def setup(anything):\n    anything.f.argtypes = [nd(float), c_size_t]\n"
        "    anything.f.restype = c_double\nfrom numpy.ctypeslib import ndpointer as nd",
        "try:\n    lib = CDLL('a')\nexcept OSError:\n    lib = CDLL('b')\n"
        "lib.f.argtypes = [POINTER(c_double), c_size_t]\nlib.f.restype = c_double",
        "with open('x') as handle:\n"
        "    lib.f.argtypes = [POINTER(c_double * 3), c_size_t]; lib.f.restype = c_double",
    ],
)
def test_the_usual_ways_to_declare_are_followed(source: str) -> None:
    expected = WHOLE
    if "c_double * 3" in source:
        expected = {"f": {**WHOLE["f"], "argtypes": ["double (*)[3]", "unsigned long"]}}
    assert found(source) == expected


def test_both_branches_of_a_condition_are_read() -> None:
    source = (
        "import sys\nif sys.maxsize > 2**32:\n    real = c_double\nelse:\n    real = c_float\n"
        "lib.f.argtypes = [POINTER(real)]\n"
        "if DEBUG:\n    lib.g.restype = None\nelse:\n    lib.h.restype = c_int"
    )
    assert found(source) == {
        "f": {"argtypes": ["double * or float *"]},
        "g": {"restype": None},
        "h": {"restype": "int"},
    }


def test_a_row_of_a_table_is_where_its_function_is_declared() -> None:
    table = "for n, a in (\n    ('f', [c_int]),\n    ('g', [c_int]),\n):\n"
    table += "    getattr(lib, n).argtypes = a"
    assert lines(table) == {"f": 2, "g": 3}
    helper = "def d(n, a):\n    getattr(lib, n).argtypes = a\nd('f', [c_int])\nd('g', [c_int])"
    assert lines(helper) == {"f": 3, "g": 4}
    mapping = "T = {\n  'f': [c_int],\n}\nfor n, a in T.items():\n    getattr(lib, n).argtypes = a"
    assert lines(mapping) == {"f": 2}


@pytest.mark.parametrize(
    ("source", "line", "words"),
    [
        ("for n in names():\n    getattr(lib, n).argtypes = [c_int]", 1, "not listed"),
        ("getattr(lib, name()).argtypes = [c_int]", 1, "not written here"),
        ("class S(Structure):\n    _fields_ = fields()", 2, "not all written"),
        ("import cffi\nffi = cffi.FFI()\nffi.cdef(open('x').read())", 3, "cdef"),
        ("import cffi\nffi = cffi.FFI()\nffi.cdef('int f(')", 3, "cannot be read"),
    ],
)
def test_what_is_not_followed_is_said(source: str, line: int, words: str) -> None:
    read = read_bindings(HEAD + source, "bindings.py")
    assert not read.declarations
    number, sentence = read.notes[0] if words in read.notes[0][1] else read.notes[-1]
    assert number == line + HEAD_LINES
    assert words in sentence


def test_unknown_types_stay_unknown() -> None:
    source = "lib.f.argtypes = [c_int, mystery(), helpers.T]\nlib.g.argtypes = make()"
    assert found(source) == {"f": {"argtypes": ["int", "?", "?"]}, "g": {"argtypes": "?"}}


def layouts(source: str) -> Bindings:
    return read_bindings(HEAD + source, "bindings.py")


@pytest.mark.parametrize(
    ("fields", "pack"),
    [
        ("[('a', c_int32), ('b', c_double)]", ""),
        ("[('a', c_int8), ('b', c_int16 * 3), ('c', c_void_p), ('d', c_char)]", ""),
        ("[('a', c_char), ('b', c_double)]", "_pack_ = 1"),
        ("(('a', c_float), ('b', POINTER(c_int)), ('c', c_bool))", ""),
    ],
)
def test_structures_have_the_layout_that_ctypes_gives_them(fields: str, pack: str) -> None:
    source = f"class S(Structure):\n    {pack}\n    _fields_ = {fields}\n"
    layout = layouts(source).layouts["S"]
    scope: dict[str, Any] = {}
    exec(HEAD.replace("lib = CDLL('libfit.so')", "") + source, scope)
    real = scope["S"]
    import ctypes

    assert layout.size == ctypes.sizeof(real)
    assert [(m.name, m.offset) for m in layout.members] == [
        (name, getattr(real, name).offset) for name, _ in real._fields_
    ]


def test_nested_derived_and_late_structures() -> None:
    source = (
        "class A(Structure):\n    _fields_ = [('x', c_int)]\n"
        "class B(A):\n    _fields_ = [('y', c_double), ('a', A * 2)]\n"
        "class N(Structure):\n    pass\n"
        "N._fields_ = [('next', POINTER(N)), ('v', c_int)]\n"
        "class Bits(Structure):\n    _fields_ = [('b', c_int, 3)]\n"
    )
    read = layouts(source)
    assert [(m.name, m.offset) for m in read.layouts["B"].members] == [
        ("x", 0),
        ("y", 8),
        ("a", 16),
    ]
    assert (read.layouts["B"].size, read.layouts["N"].size) == (24, 16)
    assert "Bits" not in read.layouts


def test_calls_are_uses_and_say_whether_the_result_is_read() -> None:
    source = "lib.f(1)\ny = lib.g(2)\ndef h():\n    return [lib.k(3) for _ in range(2)]"
    uses = {use.function: use.is_read for use in layouts(source).uses}
    assert uses == {"f": False, "g": True, "k": True}


def test_names_from_a_module_of_the_same_package(tmp_path: Path) -> None:
    (tmp_path / "_types.py").write_text("from ctypes import *\ndp = POINTER(c_double)\n")
    (tmp_path / "loop.py").write_text("from ._types import dp\nfrom .api import lib\n")
    text = "import ctypes\nfrom ._types import dp as p\nfrom . import loop\nfrom .loop import dp\n"
    text += "lib = ctypes.CDLL('x')\nlib.f.argtypes = [p]\nlib.g.argtypes = [dp]\n"
    (tmp_path / "api.py").write_text(text)
    read = read_bindings(text, str(tmp_path / "api.py"))
    assert [shown(each.value) for each in read.declarations] == [["double *"], ["double *"]]


def test_cdefs_of_cffi_are_prototypes_with_their_lines() -> None:
    source = (
        "from cffi import FFI\nffi = FFI()\nffi.cdef('''\n"
        "/* of fit.h */\ntypedef struct { int a; ...; } rec;\n"
        "double f(const double *x, size_t n);\n\nint g(rec *r, ...);''')"
    )
    read = layouts(source)
    assert [each.value.declaration for each in read.declarations] == [
        "double f(const double *x, size_t n)",
        "int g(rec *r, ...)",
    ]
    assert lines(source) == {"f": 6, "g": 8}


def test_a_module_that_calls_itself_ends() -> None:
    source = "def f(n):\n    lib.g.argtypes = [c_int]\n    return f(n) + f(n)\nf(3)\n"
    source += "while True:\n    pass\n"
    assert found(source) == {"g": {"argtypes": ["int"]}}
