"""Lines of named functions: found in a script, timed by line_profiler, joined with copies."""

from __future__ import annotations
import __future__

import asyncio
import cProfile
import functools
import subprocess
import sys
import threading
import time
import traceback
import warnings
from pathlib import Path
from types import CodeType
from typing import Any

import pytest
from msgspec.structs import replace
from trace_builder import site, trace_of, transposed

from interprobe.line_records import FunctionLines
from interprobe.lines import LineTimer
from interprobe.trace import (
    Trace,
)

SCRIPT = "/home/ada/solve.py"

SOURCE = '''\
"""A script."""
from __future__ import annotations

class Solver:
    def step(self, n):
        total = 0
        for i in range(n):
            total += i
        return total

    @property
    def size(self):
        return 3

def outer(start):
    def inner(n):
        return start + n
    return inner

def unused(x: Unknown) -> "text":
    return x

async def wait(n):
    return n

lazy = lambda n: n
numbers = [n for n in range(3)]
result = Solver().step(4) + outer(10)(1)
'''

NOTHING = trace_of()


def timed(timer: LineTimer, code: CodeType) -> dict[str, Any]:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    timer.start()
    try:
        exec(code, namespace)
    finally:
        timer.stop()
    return namespace


def hits(function: FunctionLines) -> dict[int, int]:
    return {line.line: line.hits for line in function.lines if line.hits}


def one(timer: LineTimer, trace: Trace = NOTHING) -> FunctionLines:
    (function,) = timer.functions(trace)
    return function


def test_a_method_of_the_script_is_timed() -> None:
    timer = LineTimer(["Solver.step"])
    assert timed(timer, timer.compile(SOURCE, SCRIPT))["result"] == 17
    function = one(timer)
    assert (function.file, function.function, function.first_line) == (SCRIPT, "Solver.step", 5)
    assert hits(function) == {6: 1, 7: 5, 8: 4, 9: 1}
    assert [line.line for line in function.lines] == [5, 6, 7, 8, 9]
    assert function.lines[1].source == "        total = 0"
    assert all(line.seconds > 0 for line in function.lines[1:])


def test_a_nested_function_is_named_as_it_is_written() -> None:
    timer = LineTimer(["outer.inner"])
    timed(timer, timer.compile(SOURCE, SCRIPT))
    assert one(timer).function == "outer.<locals>.inner"
    assert hits(one(timer)) == {17: 1}


def test_a_function_and_the_one_inside_it_are_timed_together() -> None:
    timer = LineTimer(["outer", "outer.inner"])
    timed(timer, timer.compile(SOURCE, SCRIPT))
    assert [hits(function) for function in timer.functions(NOTHING)] == [{17: 1}, {16: 1, 18: 1}]


def test_a_function_that_never_ran_is_listed_with_its_source() -> None:
    timer = LineTimer(["unused"])
    timed(timer, timer.compile(SOURCE, SCRIPT))
    assert hits(one(timer)) == {}
    assert [line.source for line in one(timer).lines] == [
        'def unused(x: Unknown) -> "text":',
        "    return x",
    ]


def test_the_script_finds_nothing_changed() -> None:
    timer = LineTimer(["Solver.step", "outer", "outer.inner", "unused", "wait"])
    plain: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(SOURCE, SCRIPT, "exec", dont_inherit=True), plain)
    namespace = timed(timer, timer.compile(SOURCE, SCRIPT))
    assert list(namespace) == list(plain)
    assert namespace["unused"].__annotations__ == {"x": "Unknown", "return": "'text'"}
    for name in ("outer", "unused", "wait"):
        code, original = namespace[name].__code__, plain[name].__code__
        assert code.co_flags == original.co_flags
        assert {line for *_, line in code.co_lines()} == {line for *_, line in original.co_lines()}
        assert (code.co_firstlineno, code.co_qualname) == (
            original.co_firstlineno,
            original.co_qualname,
        )
    assert namespace["wait"].__code__.co_flags & __future__.annotations.compiler_flag
    assert asyncio.run(namespace["wait"](5)) == 5


def test_a_traceback_is_that_of_the_plain_script() -> None:
    source = "def fail(x):\n    y = x\n    return (y +\n            y / 0)\n\nfail(1)\n"

    def shown(code: CodeType) -> list[traceback.FrameSummary]:
        try:
            exec(code, {})
        except ZeroDivisionError as error:
            return list(traceback.extract_tb(error.__traceback__))[1:]
        raise AssertionError("it should have failed")

    timer = LineTimer(["fail"])
    marked, plain = (
        [(at.lineno, at.colno, at.end_lineno, at.end_colno, at.name) for at in shown(code)]
        for code in (timer.compile(source, SCRIPT), compile(source, SCRIPT, "exec"))
    )
    assert marked == plain


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8", "utf-8-sig", "cp1252"])
def test_the_encoding_of_the_source_is_honoured(encoding: str) -> None:
    declared = encoding.removesuffix("-sig")
    text = f"# -*- coding: {declared} -*-\ndef greet():\n    return 'Grüße'\nword = greet()\n"
    timer = LineTimer(["greet"])
    source = text.encode(encoding)
    timer.check(source, SCRIPT)
    assert timed(timer, timer.compile(source, SCRIPT))["word"] == "Grüße"
    assert one(timer).lines[1].source == "    return 'Grüße'"


def test_form_feeds_and_carriage_returns_do_not_shift_the_lines() -> None:
    source = b"x = '\x0c\x1c'\r\ndef f():\r\n    return x\r\nf()\r\n"
    timer = LineTimer(["f"])
    timed(timer, timer.compile(source, SCRIPT))
    assert [line.source for line in one(timer).lines] == ["def f():", "    return x"]


def test_a_script_that_does_not_compile_fails_as_under_python() -> None:
    timer = LineTimer(["f"])
    for attempt in (timer.check, timer.compile):
        with pytest.raises(SyntaxError) as caught:
            attempt("def f(:\n", SCRIPT)
        assert (caught.value.filename, caught.value.lineno) == (SCRIPT, 1)


def test_a_warning_of_the_compiler_is_given_once() -> None:
    source = "def f():\n    return 1 is 1\n"
    timer = LineTimer(["f"])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        timer.check(source, SCRIPT)
        timer.compile(source, SCRIPT)
    assert [warning.category for warning in caught] == [SyntaxWarning]


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("step", "Solver.step"),
        ("Solver.stepp", "Solver.step"),
        ("inner", "outer.inner"),
        ("solver.step", "Solver.step"),
        ("unusd", "unused"),
    ],
)
def test_an_unknown_function_is_one_sentence_with_the_nearest_name(name: str, near: str) -> None:
    with pytest.raises(LookupError) as caught:
        LineTimer([name]).check(SOURCE, "solve.py")
    assert str(caught.value) == f"solve.py has no function {name!r}: did you mean {near!r}?"


def test_a_script_without_functions_says_so() -> None:
    with pytest.raises(LookupError) as caught:
        LineTimer(["main"]).check("x = 1\n", "solve.py")
    assert str(caught.value) == "solve.py has no function 'main': it defines none"


@pytest.mark.parametrize("name", ["Solver.step", "outer", "outer.inner", "wait", "Solver.size"])
def test_every_function_can_be_asked_for(name: str) -> None:
    LineTimer([name]).check(SOURCE, "solve.py")


MODULE = """\
import functools

class Grid:
    def row(self, n):
        return n + 1

    @staticmethod
    def column(n):
        return n + 2

    @property
    def size(self):
        return 5

@functools.lru_cache
def cached(n):
    return n * 2
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "lines_sample.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "lines_sample", raising=False)
    return "lines_sample"


@pytest.mark.parametrize(
    ("qualname", "expected"),
    [
        ("Grid.row", {5: 1}),
        ("Grid.column", {9: 1}),
        ("Grid.size", {13: 1}),
        ("cached", {17: 1}),
    ],
)
def test_a_function_of_a_module_is_timed(
    module: str, qualname: str, expected: dict[int, int]
) -> None:
    timer = LineTimer([f"{module}:{qualname}"])
    timer.check("", "solve.py")
    use = f"from {module} import *\ng = Grid()\ng.row(1), g.column(1), g.size, cached(1)\n"
    timed(timer, timer.compile(use, SCRIPT))
    assert hits(one(timer)) == expected
    assert one(timer).lines[-1].source.startswith("        return" if "." in qualname else "    ")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lines_sample:Grid.rwo", "did you mean 'Grid.row'?"),
        ("lines_sample:cach", "did you mean 'cached'?"),
        ("lines_sample:Grid", "cannot time 'lines_sample:Grid': it is no Python function"),
        (
            "no_such_module:f",
            "cannot time 'no_such_module:f': its import failed with ModuleNotFoundError: ",
        ),
        ("math:sqrt", "cannot time 'math:sqrt': it is no Python function"),
    ],
)
def test_an_unknown_function_of_a_module_is_one_sentence(
    module: str, name: str, message: str
) -> None:
    with pytest.raises(LookupError) as caught:
        LineTimer([name]).check("", "solve.py")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_copies_are_put_on_the_lines_that_made_them() -> None:
    timer = LineTimer(["Solver.step"])
    timed(timer, timer.compile(SOURCE, SCRIPT))
    elsewhere = transposed(line=8)
    trace = trace_of(
        replace(transposed(count=3), user_site=site("a", 8, SCRIPT)),
        replace(transposed(count=2), user_site=site("b", 8, SCRIPT)),
        replace(transposed(), user_site=site("c", 6, SCRIPT)),
        replace(transposed(count=7), user_site=site("d", 17, SCRIPT)),
        replace(elsewhere, user_site=site("e", 8, "/home/ada/other.py")),
    )
    lines = one(timer, trace).lines
    assert {line.line: line.copies for line in lines if line.copies} == {6: 1, 8: 5}
    assert {line.line: line.bytes_copied for line in lines if line.copies} == {6: 16000, 8: 80000}


def test_a_copy_is_on_the_line_that_line_profiler_times() -> None:
    # The call on line 3 is timed on its own line; line 4, a bracket, has no time of its own.
    source = "def f(x):\n    return max(\n        abs(x), 0\n        )\nf(1)\n"
    timer = LineTimer(["f"])
    timed(timer, timer.compile(source, SCRIPT))
    assert {2, 3} <= set(hits(one(timer)))
    trace = trace_of(
        replace(transposed(), user_site=site("abs(x)", 3, SCRIPT)),
        replace(transposed(), user_site=site(")", 4, SCRIPT)),
    )
    assert {line.line: line.copies for line in one(timer, trace).lines if line.copies} == {3: 2}


def test_a_relative_script_is_the_file_that_its_copies_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    timer = LineTimer(["f"])
    timed(timer, timer.compile("def f():\n    return 1\nf()\n", "./solve.py"))
    trace = trace_of(replace(transposed(), user_site=site("1", 2, str(tmp_path / "solve.py"))))
    assert [line.copies for line in one(timer, trace).lines] == [0, 1]


def busy(n: int) -> int:
    for _ in range(n):
        time.sleep(0.005)
    return n


def test_threads_that_end_in_another_order_are_all_timed() -> None:
    timer = LineTimer()
    timer.add(busy)
    failures = []

    def work(n: int) -> None:
        try:
            timer.enter()
            busy(n)
            timer.leave()
        except Exception as error:
            failures.append(error)

    # The first to begin is the first to end.
    threads = [threading.Thread(target=work, args=(n,)) for n in (2, 6, 4)]
    for thread in threads:
        thread.start()
        time.sleep(0.002)
    for thread in threads:
        thread.join()
    assert failures == []
    first = busy.__code__.co_firstlineno
    assert hits(one(timer)) == {first + 1: 15, first + 2: 12, first + 3: 3}


def test_every_thread_of_a_run_is_timed() -> None:
    source = (
        "import threading\n"
        "def work(n):\n"
        "    return n\n"
        "for n in range(5):\n"
        "    thread = threading.Thread(target=work, args=(n,))\n"
        "    thread.start()\n"
        "    thread.join()\n"
    )
    timer = LineTimer(["work"])
    before = threading.gettrace()
    timed(timer, timer.compile(source, SCRIPT))
    assert hits(one(timer)) == {3: 5}
    assert threading.gettrace() is before


def test_recursion_is_timed() -> None:
    source = "def f(n):\n    if n:\n        return f(n - 1)\n    return 0\nf(3)\n"
    timer = LineTimer(["f"])
    timed(timer, timer.compile(source, SCRIPT))
    assert hits(one(timer)) == {2: 4, 3: 3, 4: 1}


def test_time_is_counted_while_the_timer_runs_only() -> None:
    timer = LineTimer()
    timer.add(busy)
    busy(1)
    timer.enter()
    timer.enter()
    busy(2)
    timer.leave()
    busy(1)
    timer.leave()
    busy(5)
    first = busy.__code__.co_firstlineno
    assert hits(one(timer))[first + 2] == 3
    assert one(timer).lines[2].seconds >= 3 * 0.005


def test_two_timers_of_one_function_count_for_themselves() -> None:
    outer, inner = LineTimer(), LineTimer()
    outer.add(busy)
    inner.add(busy)
    outer.enter()
    busy(1)
    inner.enter()
    busy(1)
    inner.leave()
    outer.leave()
    first = busy.__code__.co_firstlineno
    assert (hits(one(outer))[first + 2], hits(one(inner))[first + 2]) == (2, 1)


def test_the_function_stays_the_same_object_and_without_a_tracer_afterwards() -> None:
    before = sys.gettrace()
    timer = LineTimer()

    def body() -> int:
        return 1

    same = body
    timer.add(body)
    timer.enter()
    body()
    timer.leave()
    assert body is same
    assert sys.gettrace() is before
    if sys.version_info >= (3, 12):
        assert [sys.monitoring.get_tool(tool) for tool in (2, 3, 4)] == [None] * 3


@pytest.mark.skipif(sys.version_info < (3, 12), reason="3.11 has one profiler hook for all")
def test_the_program_may_use_cprofile_meanwhile() -> None:
    timer = LineTimer()
    timer.add(busy)
    timer.enter()
    profiler = cProfile.Profile()
    profiler.enable()
    busy(1)
    profiler.disable()
    timer.leave()
    assert hits(one(timer))[busy.__code__.co_firstlineno + 2] == 1
    assert "busy" in {getattr(entry.code, "co_name", "") for entry in profiler.getstats()}


def test_a_forked_child_can_go_on() -> None:
    code = (
        "import os, threading\n"
        "from interprobe.lines import LineTimer\n"
        "def f(): return 1\n"
        "timer = LineTimer(); timer.add(f)\n"
        "timer.enter(); f()\n"
        "child = os.fork()\n"
        "f(); timer.leave(); timer.enter(); f(); timer.leave()\n"
        "if child == 0: os._exit(7)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "7\n"


def test_a_decorated_function_is_timed_below_its_decorator() -> None:
    @functools.lru_cache
    def body(n: int) -> int:
        return n

    timer = LineTimer()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        timer.add(body)
    timer.enter()
    body(1)
    timer.leave()
    assert sum(hits(one(timer)).values()) == 1
    with pytest.raises(TypeError, match="len has no Python lines to time"):
        timer.add(len)
