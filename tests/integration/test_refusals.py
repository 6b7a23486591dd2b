"""Exceptions about arrays, of every binding: explained, cured, and left as they are."""

from __future__ import annotations

import ctypes
import gc
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from extension_builder import (
    build_c_module,
    build_cffi,
    build_cython,
    build_f2py,
    build_nanobind,
    build_pybind11,
)
from test_borrows import load

from interprobe.analysis import analyse
from interprobe.recorder import Recorder
from interprobe.trace import Trace

PROLOGUE = """\
import ctypes, sys
import numpy as np
from numpy.ctypeslib import ndpointer
d, m, s = np.ones(12), np.ones((3, 4)), np.ones(12, np.float32)
i, big, gap = np.ones(12, np.int64), np.ones(12, ">f8"), np.ones((3, 8))[:, ::2]
f, e = np.ones((4, 3)).T, np.ones((4, 3)).T
cube, times = np.ones((2, 2, 2)), np.zeros(3, "M8[s]")
fixed = np.ones(12)
fixed.flags.writeable = False
m4 = m.astype("f4")
f4, bigm = f.astype("f4"), m.astype(">f8")
"""

CTYPES_PROLOGUE = """\
kernel = ctypes.CDLL(None)["labs"]
def taking(*types):
    function = ctypes.CDLL(None)["labs"]
    function.argtypes = types or None
    return function
vector = taking(ndpointer(np.float64, ndim=1, flags="C_CONTIGUOUS"))
pair = taking(ctypes.c_long, ndpointer(np.float64))
written = taking(ndpointer(np.float64, flags="WRITEABLE"))
pointer_to_double = taking(ctypes.POINTER(ctypes.c_double))
raw = taking(ctypes.c_void_p)
bare = taking()
DP, FP = ctypes.POINTER(ctypes.c_double), ctypes.POINTER(ctypes.c_float)
"""


@dataclass(frozen=True)
class Kind:
    """A binding: what its functions refuse, and what they take or fail at on their own account."""

    build: Callable[[Path], Path] | None
    prologue: str
    refused: dict[str, str]
    """Call -> what its finding's cause says."""
    no_finding: list[str]


KINDS = {
    "cython": Kind(
        lambda folder: build_cython("refusing_views", folder),
        "import refusing_views as v\nmesh = v.Mesh()\n",
        {
            "v.of_double(s)": "takes float64 (`double`), but `s` (argument 1) holds float32",
            "v.of_double(m)": "1 dimension, but `m`",
            "v.of_double(fixed)": "`fixed` (argument 1) is read-only",
            "v.of_double(big)": "big-endian",
            "v.of_long(times)": "datetime64[s]",
            "v.of_c_rows(f)": "`f` (argument 1) has them column after column",
            "v.of_c_rows(gap)": "every 2nd element of each row",
            "v.of_constant_rows(e)": "C order",
            "v.of_fortran_columns(m)": "Fortran order",
            "v.of_buffer(m4)": "but `m4` (argument 1) holds float32",
            "v.of_real(i)": "`i` (argument 1): int64 with 1 dimension",
            "v.of_two(d, right=gap[0])": "`gap[0]` (argument 2, `right`)",
            "v.of_array(memoryview(d))": "takes the array itself",
            "v.inside(gap)": "every 2nd element",
            "mesh.load(s, level=1)": "Mesh.load takes float64",
        },
        [
            "v.of_double(d)", "v.of_two(d, d[:3])", "v.of_text(d, 3)", "v.settle(-d)",
            "v.of_number(d, d)", "v.of_c_rows(m)", "v.of_array([1.0])",
        ],
    ),
    "C API": Kind(
        lambda folder: build_c_module("refusing_capi", folder),
        "import refusing_capi as c\n",
        {
            "c.safely(d)": "takes float32, but `d` (argument 1) holds float64",
            "c.in_place(fixed)": "is read-only",
            "c.of_depth(cube)": "fewer dimensions than the 3 of `cube`",
            "c.fill(fixed)": "is read-only",
            "c.fill(gap)": "every 2nd element",
            "c.checked(m4)": "takes float64",
            "c.checked(bigm)": "big-endian",
            "c.checked(d)": "2 dimensions",
            "c.checked(gap)": "every 2nd element",
        },
        ["c.checked(m)", "c.of_array([1], 2.0)", "c.of_array(d, d)", "c.safely(s)"],
    ),
    "f2py": Kind(
        lambda folder: build_f2py("refusing_fortran", folder),
        "import refusing_fortran as t\n",
        {
            "t.triple(d)": "takes an array of shape (3,)",
            "t.double_in_place(m)": "Fortran order",
            "t.double_in_place(f4)": "takes elements of 8 bytes, but those of `f4` (argument 1)",
            "t.double_in_place(m4)": "it also takes elements that lie in one block",
        },
        ["t.total(s)", "t.total(d, 99)", "t.table(m)", "t.double_in_place(f)"],
    ),
    "pybind11": Kind(
        lambda folder: build_pybind11("refusing_pybind", folder),
        "import refusing_pybind as p\n",
        {
            "p.rows(s)": "takes float64, but `s` (argument 1, `values`) holds float32",
            "p.rows(gap)": "every 2nd element",
            "p.columns(m)": "Fortran order",
            "p.scale(s, factor=2.0)": "but `s` (argument 1, `values`) holds float32",
            "p.scale(d, i)": "takes a single number, but was given `i` (argument 2, `factor`)",
            "p.either(i)": "holds int64",
            "p.grid(d)": "2 dimensions",
            "p.fill(fixed)": "is read-only",
        },
        ["p.rows(d)", "p.text(d, 3)", "p.fail(d)", "p.safe(s)", "p.scale(d, 2.0)"],
    ),
    "nanobind": Kind(
        lambda folder: build_nanobind("refusing_nano", folder),
        "import refusing_nano as n\n",
        {
            "n.rows(d)": "2 dimensions",
            "n.rows(f)": "C order",
            "n.rows(m4)": "takes float64",
            "n.columns(m)": "Fortran order",
            "n.triples(m)": "takes an array of shape (any, 3)",
        },
        ["n.rows(m)", "n.vector(d, 3)", "n.fail(m)"],
    ),
    "ctypes": Kind(
        None,
        CTYPES_PROLOGUE,
        {
            "vector(s)": "takes float64, but `s` (argument 1) holds float32",
            "vector(m)": "1 dimension",
            "vector(gap[0])": "every 2nd element",
            "pair(1, i)": "`i` (argument 2) holds int64",
            "written(fixed)": "is read-only",
            "pointer_to_double(d)": "takes a pointer to `c_double`, and nothing turns an array",
            "pointer_to_double(s.ctypes.data_as(FP))": "but was given `POINTER(c_float)`",
            "pointer_to_double(i.ctypes)": "which holds int64",
            "raw(big)": "takes a pointer",
            "bare(m)": "takes a pointer",
        },
        ["vector(d)", "bare(d.ctypes.data_as(DP))", "pair('one', d)", "raw(d.ctypes)"],
    ),
    "cffi": Kind(
        build_cffi,
        "from _kernel_api import ffi, lib\n",
        {
            "lib.kernel_sum(d, 1)": "takes a pointer to `double`",
            "lib.kernel_sum(ffi.from_buffer('float[]', s), 1)": "`float[]`, which leads to `s`",
            "lib.kernel_half(i)": "takes a single number",
        },
        ["lib.kernel_sum(ffi.from_buffer('double[]', d), 12)", "lib.kernel_sum(d[0], 1)"],
    ),
}  # fmt: skip


def program(kind: Kind, calls: dict[str, str]) -> str:
    """A script that makes each call after its cure, and prints how it ended."""
    lines = [PROLOGUE, kind.prologue]
    for expression, cure in calls.items():
        indented = "".join(f"    {line}\n" for line in cure.splitlines())
        lines += [
            PROLOGUE if cure else "",
            f"try:\n{indented}    {expression}\nexcept Exception as error:\n",
            "    print(error.__traceback__.tb_lineno, type(error), error, error.__context__)\n",
            "else:\n    print('taken')\n",
        ]
    return "".join(lines)


def interprobe_run(script: Path, *options: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "interprobe", "run", *options, str(script)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def explained(folder: Path, name: str, text: str) -> tuple[list[Any], list[str], str]:
    """The findings of IP315 in a script, its output, and its output without interprobe."""
    script, saved = folder / f"{name}.py", folder / f"{name}.json"
    script.write_text(text)
    plain = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert plain.returncode == 0, plain.stderr
    report = str(folder / "report.txt")
    probed = interprobe_run(script, "--json", str(saved), "-o", report)
    assert (probed.returncode, probed.stdout) == (0, plain.stdout), probed.stderr
    found = json.loads(saved.read_text())["findings"]
    ours = [finding for finding in found if finding["rule"] == "IP315"]
    return ours, probed.stdout.splitlines(), report


@pytest.mark.parametrize("name", list(KINDS))
def test_refused_arrays_are_explained_and_the_cure_is_taken(name: str, tmp_path: Path) -> None:
    kind = KINDS[name]
    if kind.build is not None:
        kind.build(tmp_path)
    calls = dict.fromkeys([*kind.refused, *kind.no_finding], "")
    findings, ended, _ = explained(tmp_path, "bad", program(kind, calls))
    assert all("taken" not in line for line in ended[: len(kind.refused)])
    causes = {found["user_site"]["expression"]: found["cause"] for found in findings}
    assert set(causes) == set(kind.refused)
    for expression, said in kind.refused.items():
        assert said in causes[expression]
    assert {found["severity"] for found in findings} == {"note"}

    cured = {}
    for found in findings:
        expression, code = found["user_site"]["expression"], found["fix"]["code"]
        target, _, _ = code.splitlines()[-1].partition(" = ") if code else ("", "", "")
        array = expression.partition("(")[2].rstrip(")").split(",")[-1].split("=")[-1].strip()
        if target == "pointer":
            call = expression.partition("(")[0]
            rest = ", 12" if name == "cffi" else ""
            cured[f"{call}({target}{rest})"] = code
        elif target == array:
            cured[expression] = code
    assert cured
    findings, ended, _ = explained(tmp_path, "good", program(kind, cured))
    assert ended == ["taken"] * len(cured)
    assert findings == []


UNHANDLED = """
import sys
import numpy as np
import refusing_views
{rest}
"""


@pytest.mark.parametrize(
    ("rest", "severity", "status"),
    [
        ("refusing_views.of_double(np.ones(3, np.float32))", "error", 1),
        (
            "try:\n    refusing_views.of_double(np.ones(3, np.float32))\n"
            "except ValueError as error:\n    raise RuntimeError('no luck') from error",
            "error",
            1,
        ),
        (
            "try:\n    refusing_views.of_double(np.ones(3, np.float32))\n"
            "except ValueError:\n    raise RuntimeError('another way failed as well')",
            "note",
            1,
        ),
        (
            "try:\n    refusing_views.of_double(np.ones(3, np.float32))\n"
            "except ValueError:\n    sys.exit(3)",
            "note",
            3,
        ),
        (
            "try:\n    refusing_views.of_double(np.ones(3, np.float32))\n"
            "except ValueError:\n    pass\n"
            "refusing_views.settle(-np.ones(3))",
            "note",
            1,
        ),
        (
            "import atexit\natexit.register(refusing_views.of_double, np.ones(3))\n"
            "try:\n    refusing_views.of_double(np.ones(3, np.float32))\n"
            "finally:\n    refusing_views.of_double(np.ones(3))",
            "error",
            1,
        ),
    ],
)
def test_only_an_exception_that_ends_the_program_is_an_error(
    rest: str, severity: str, status: int, tmp_path: Path
) -> None:
    build_cython("refusing_views", tmp_path)
    script, saved = tmp_path / "script.py", tmp_path / "trace.json"
    script.write_text(UNHANDLED.format(rest=rest))
    plain = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    report = str(tmp_path / "report.txt")
    probed = interprobe_run(script, "--json", str(saved), "-o", report)
    assert (plain.returncode, probed.returncode) == (status, status)
    assert probed.stderr == plain.stderr
    (found,) = json.loads(saved.read_text())["findings"]
    assert (found["rule"], found["severity"]) == ("IP315", severity)
    assert ("Nothing handled" in found["cause"]) is (severity == "error")
    assert "went on" not in found["cause"]


def test_in_a_child_process_an_exception_that_ends_it_is_an_error(tmp_path: Path) -> None:
    build_cython("refusing_views", tmp_path)
    child = tmp_path / "child.py"
    child.write_text(UNHANDLED.format(rest="refusing_views.of_double(np.ones(3, np.float32))"))
    script, saved = tmp_path / "script.py", tmp_path / "trace.json"
    script.write_text(
        "import subprocess, sys\nimport numpy\n"
        f"subprocess.run([sys.executable, {os.fspath(child)!r}], stderr=subprocess.DEVNULL)\n"
    )
    assert interprobe_run(script, "--json", str(saved)).returncode == 0
    (found,) = json.loads(saved.read_text())["findings"]
    assert (found["rule"], found["severity"]) == ("IP315", "error")


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    return load(build_cython("refusing_views", tmp_path_factory.mktemp("views")))


@pytest.fixture(scope="module")
def capi(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    return load(build_c_module("refusing_capi", tmp_path_factory.mktemp("capi")))


def record(function: Callable[[], object], *modules: ModuleType) -> Trace:
    names = {module.__name__: module for module in modules}
    sys.modules.update(names)
    recorder = Recorder(own_paths=[__file__])
    recorder.start()
    try:
        import refusing_capi  # type: ignore[import-not-found]  # noqa: F401
        import refusing_views  # type: ignore[import-not-found]  # noqa: F401

        function()
    finally:
        trace = recorder.stop()
        for name in names:
            sys.modules.pop(name, None)
    return analyse(trace)


def test_refused_calls_are_counted_by_place(views: ModuleType, capi: ModuleType) -> None:
    single = np.ones(3, np.float32)

    def work() -> None:
        for _ in range(1000):
            with pytest.raises(ValueError, match="Buffer dtype mismatch"):
                views.of_double(single)

    trace = record(work, views, capi)
    (call,) = [call for call in trace.calls if call.function == "of_double"]
    assert [(fact.kind, fact.count) for fact in call.facts] == [("raised", 1000)]
    (found,) = trace.findings
    assert found.evidence.startswith("1,000 calls of of_double")


def test_the_exception_is_the_callees_own(views: ModuleType, capi: ModuleType) -> None:
    array = np.ones(3, np.float32)

    def seen(function: Callable[[Any], object]) -> list[object]:
        caught = []
        try:
            raise KeyError("outer")
        except KeyError as outer:
            try:
                function(array)
            except Exception as error:
                depth, traceback = 0, error.__traceback__
                while traceback is not None:
                    depth, traceback = depth + 1, traceback.tb_next
                caught = [type(error), error.args, depth, error.__context__ is outer]
                caught += [error.__cause__, sys.getrefcount(error), sys.getrefcount(error.args)]
                caught += [sys.getsizeof(error.args[0])]
        return caught

    functions = [views.of_double, views.of_real, capi.fill, capi.checked, capi.of_array]
    bare = ctypes.CDLL(None)["labs"]
    plain = [seen(function) for function in [*functions, bare]]
    probed: list[Any] = []
    record(lambda: probed.extend(seen(function) for function in [*functions, bare]), views, capi)
    assert probed == plain


def test_exceptions_of_any_class_are_read_without_their_own_code(
    views: ModuleType, capi: ModuleType
) -> None:
    ran = []

    class LoudError(ValueError):
        def __str__(self) -> str:
            ran.append("str")
            return "buffer source array is read-only"

        @property
        def args(self) -> Any:  # type: ignore[override]
            ran.append("args")
            return ("ndarray is not C-contiguous",)

    class Text(str):
        def __len__(self) -> int:
            ran.append("len")
            return super().__len__()

    def convert(error: BaseException) -> Callable[[object], object]:
        class Declared:
            @classmethod
            def from_param(cls, value: object) -> object:
                raise error

        function = ctypes.CDLL(None)["labs"]
        function.argtypes = [Declared]
        return function

    errors = [
        LoudError("x"),
        ValueError(Text("y")),
        ValueError(),
        ValueError(3),
        ValueError("\ud800\xe9"),
    ]
    errors += [KeyboardInterrupt(), StopIteration(4), ValueError("a\0b\x1b[31m" * 9999)]

    def work() -> None:
        for error in errors:
            function = convert(error)
            with pytest.raises((ctypes.ArgumentError, KeyboardInterrupt, StopIteration)):
                function(np.ones(3))

    ran.clear()
    trace = record(work, views, capi)
    # ctypes itself wraps what a parameter's type raises, with the exception's text.
    assert ran in ([], ["str"])
    assert trace.findings == []


def test_a_refusal_in_a_loop_leaves_nothing_behind(views: ModuleType, capi: ModuleType) -> None:
    array = np.ones(3, np.float32)

    def refuse() -> None:
        for _ in range(20_000):
            with suppress(ValueError):
                views.of_double(array)

    def work() -> None:
        refuse()
        gc.collect()
        before = sys.getallocatedblocks()
        refuse()
        gc.collect()
        assert abs(sys.getallocatedblocks() - before) < 200

    record(work, views, capi)
