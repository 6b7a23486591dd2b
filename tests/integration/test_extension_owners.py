"""Whose a function is: of which extension module, where several objects and files are involved."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from textwrap import dedent
from types import ModuleType

import pytest
from extension_builder import build_pybind11, build_shared_cython
from plain_and_probed import interprobe, run, write

from interprobe.probes import extension_calls
from interprobe.recorder import Recorder
from interprobe.trace import Trace, load


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("owners")


@pytest.fixture
def vector_tools(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    build_pybind11("vector_tools", folder)
    monkeypatch.syspath_prepend(str(folder))
    module = import_module("vector_tools")
    yield module
    for name in ("whole", "again", "__file__"):
        vars(module.part).pop(name, None)


def record(function: Callable[[], object]) -> Trace:
    recorder = Recorder(own_paths=[__file__])
    recorder.start()
    try:
        function()
    finally:
        trace = recorder.stop()
    return trace


def counts(trace: Trace) -> dict[tuple[str, str], int]:
    """How often each function was called, by the name of the module that its library is."""
    found: Counter[tuple[str, str]] = Counter()
    for call in trace.calls:
        found[Path(call.library).name.partition(".")[0], call.function] += call.count
    return dict(found)


def call_part() -> None:
    import vector_tools

    for _ in range(3):
        vector_tools.part.twice(2.0)


def test_a_submodule_may_say_that_it_lies_in_the_file_it_is_part_of(
    vector_tools: ModuleType,
) -> None:
    vector_tools.part.__file__ = vector_tools.__file__
    assert counts(record(call_part)) == {("vector_tools", "twice"): 3}


def test_modules_that_hold_one_another_are_looked_at_once(vector_tools: ModuleType) -> None:
    part = vector_tools.part
    part.__file__ = vector_tools.__file__
    part.whole, part.again = vector_tools, part
    assert counts(record(call_part)) == {("vector_tools", "twice"): 3}


def test_a_submodule_with_another_file_is_no_part(vector_tools: ModuleType) -> None:
    vector_tools.part.__file__ = "elsewhere.so"
    assert counts(record(call_part)) == {}


def test_a_submodule_is_left_alone_by_its_own_name(vector_tools: ModuleType) -> None:
    vector_tools.part.__file__ = vector_tools.__file__
    extension_calls.configure([], ["vector_tools.part"])
    try:
        assert counts(record(call_part)) == {}
    finally:
        extension_calls.configure([], [])


@pytest.fixture(scope="module")
def shared_folder(folder: Path) -> Path:
    build_shared_cython(["shared_tools", "shared_users"], folder)
    return folder


def run_shared(program: str, folder: Path) -> Trace:
    """The trace of a program beside the Cython modules, which alone says what is imported."""
    write(folder / "program.py", "import numpy as np\nvalues = np.ones(3)\n" + dedent(program))
    command = interprobe("run", "--json", "t.json", "-o", "r.txt", "program.py")
    ending = run(command, folder)
    assert (ending.status, ending.stderr) == (0, b"")
    return load(folder / "t.json")


def test_cython_functions_belong_to_the_module_that_has_their_code(shared_folder: Path) -> None:
    program = """
        from importlib import import_module
        import shared_tools

        field = shared_tools.Field()
        for _ in range(2):
            shared_tools.total(values)
            shared_tools.first(values)
            shared_tools.first["double"](values)
            field.scaled(values)
            field.fused(values)
        # Of the same types, but no import statement of the program names these:
        behind = import_module("shared_users")
        behind.second(values)
        behind.second["double"](values)
        behind.last(values)
    """
    trace = run_shared(program, shared_folder)
    names = ("total", "first", "__pyx_fuse_1first", "Field.scaled", "fused")
    assert counts(trace) == {("shared_tools", name): 2 for name in names}
    assert {call.binding for call in trace.calls} == {"Cython"}


def test_what_a_cython_module_passes_on_is_not_its_own(shared_folder: Path) -> None:
    program = """
        import shared_users

        for function in (shared_users.total, shared_users.first, shared_users.last):
            function(values)
        shared_users.second(values)
    """
    own = {("shared_users", "last"): 1, ("shared_users", "second"): 1}
    assert counts(run_shared(program, shared_folder)) == own


def test_a_cython_function_imported_by_its_name_is_of_its_own_module(shared_folder: Path) -> None:
    program = """
        from shared_users import first, total

        for _ in range(4):
            first(values)
            total(values)
    """
    passed_on = {("shared_tools", "first"): 4, ("shared_tools", "total"): 4}
    assert counts(run_shared(program, shared_folder)) == passed_on


def test_types_that_modules_share_are_patched_again(shared_folder: Path) -> None:
    program = """
        import interprobe
        import shared_tools
        import shared_users

        for module in (shared_tools, shared_users):
            function = module.first if module is shared_tools else module.second
            with interprobe.record() as seen:
                function(values)
            print([(call.function, call.count) for call in seen.trace.calls])
            function(values)
    """
    write(
        shared_folder / "blocks.py", "import numpy as np\nvalues = np.ones(3)\n" + dedent(program)
    )
    ending = run([sys.executable, "blocks.py"], shared_folder)
    assert (ending.status, ending.stderr) == (0, b"")
    assert ending.stdout == b"[('first', 1)]\n[('second', 1)]\n"
