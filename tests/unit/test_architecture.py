"""The house rules that a machine can check: who imports whom, who prints, one job per file."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from types import ModuleType

import pytest

import interprobe.scenarios
from interprobe import analysis, native, probes

ROOT = Path(__file__).resolve().parents[2]

# Each part of the house: its modules, the parts that these may import besides their own, and the
# packages from outside. A part stands below all that it may import. A new file in a folder (a
# probe, a rule, a renderer, a scenario, a subcommand) belongs to the folder's part by itself.
PARTS = {
    "values": (
        "_location _version allocation_records facts findings layout line_records machine"
        " prototypes replays trace turns",
        "",
        "msgspec",
    ),
    "native": (
        "native",
        "",
        "",
    ),
    "imports of the program": (
        "import_statements numpy_arrival packages",
        "",
        "",
    ),
    "probes": (
        "probes",
        "native imports_of_the_program",
        "numpy",
    ),
    "sites": (
        "sites",
        "values native",
        "",
    ),
    "types of C": (
        "declared_types element_types prototype_code prototype_differences",
        "values",
        "",
    ),
    "wording": (
        "traffic wording",
        "values",
        "",
    ),
    "recorder": (
        "called_prototypes callee_prototypes contracts what_if debug_entries debug_files"
        " debug_prototypes header_prototypes syntax_types recorder ledger ledger_records"
        " sealing symbols blind_spots borrowers description"
        " operations process_ledgers cython_sources line_tables native_callers symbol_tables"
        " call_turns empty_calls large_blocks ledger_allocations ledger_guard loops"
        " replay_choice replay_facts temporaries this_machine twin_records unseen violations",
        "native probes sites types_of_C values wording",
        "elftools msgspec numpy pycparser",
    ),
    "reading of bindings": (
        "binding_expressions binding_names binding_values bindings exported_functions"
        " library_check",
        "values types_of_C recorder",
        "",
    ),
    "child processes": (
        "bootstrap child_processes",
        "recorder imports_of_the_program",
        "msgspec",
    ),
    "checkup": (
        "checkup",
        "values native probes recorder child_processes",
        "numpy",
    ),
    "lines and memory": (
        "line_switch lines memory",
        "values sites",
        "line_profiler memory_profiler msgspec",
    ),
    "diagnosis": (
        "accesses cache_lines call_arguments call_words callee_parameters calling_code"
        " calling_costs consumers copy_groups cures declarations demands expressions"
        " fresh_memory layout_replays leading_dimensions length_evidence loop_text lost_writes"
        " operand_expressions operand_orders overload_messages passed_values"
        " pointer_declarations record_layouts refusal_cures refusal_messages refusals"
        " refused_arguments reused_outputs shares smaller_peaks true_records working_copies",
        "types_of_C values wording",
        "msgspec",
    ),
    "rules": (
        "rules",
        "values wording diagnosis types_of_C",
        "",
    ),
    "savings": (
        "gains savings",
        "values wording diagnosis",
        "msgspec",
    ),
    "analysis": (
        "analysis",
        "values diagnosis rules savings",
        "msgspec",
    ),
    "drawing": (
        "terminal renderers",
        "values wording",
        "msgspec rich",
    ),
    "recording from inside": (
        "decorator recording suspension",
        "values recorder imports_of_the_program lines_and_memory wording analysis drawing",
        "msgspec",
    ),
    "public names": (
        "interprobe",
        "values analysis recording_from_inside",
        "",
    ),
    "demonstration kernels": (
        "cdemo",
        "",
        "numpy",
    ),
    "scenarios": (
        "scenarios",
        "demonstration_kernels",
        "numpy",
    ),
    "command line": (
        "__main__ cli",
        "values sites recorder imports_of_the_program child_processes checkup lines_and_memory"
        " wording analysis drawing scenarios types_of_C reading_of_bindings",
        "msgspec rich",
    ),
}

# These neither read nor write anything: what they yield depends on their arguments alone.
PURE_PARTS = {"wording", "diagnosis", "rules", "savings", "analysis", "drawing"}
MODULES_OF_INPUT_AND_OUTPUT = {
    *("fileinput", "glob", "logging", "os", "shutil", "socket", "subprocess", "sys", "tempfile"),
    *("urllib", "warnings"),
}

# Outside the command line, only these touch a standard stream, where their caller asked for a
# report.
WRITERS = {"decorator", "recording"}

MOST_LINES = 400
MOST_LINES_OF_TESTS = 600
MOST_LINES_OF_C = 700  # C says less per line
NAMES_WITHOUT_A_JOB = re.compile(r"(^|_)(utils?|misc|helpers?|common|stuff)(_|$)")


class Source:
    """One Python file of the package, in the source tree."""

    def __init__(self, path: Path, module: str) -> None:
        self.path = path
        self.module = module
        """Without ``interprobe.``; ``interprobe`` for the package itself."""
        self.tree = ast.parse(path.read_text())

    @property
    def part(self) -> str:
        """Name of the part that the module belongs to."""
        first = self.module.partition(".")[0]
        found = [name for name, (modules, _, _) in PARTS.items() if first in modules.split()]
        assert len(found) == 1, (
            f"{self.module}: give it one place in PARTS of {Path(__file__).name}"
        )
        return found[0]


@lru_cache(maxsize=1)
def sources() -> dict[str, Source]:
    """Every Python file of the installed package, by module, read from the source tree."""
    found = {}
    for folder, package in (("interprobe", ""), ("cdemo", "cdemo"), ("scenarios", "scenarios")):
        for path in sorted((ROOT / folder).rglob("*.py")):
            names = [package, *path.relative_to(ROOT / folder).with_suffix("").parts]
            module = ".".join(name for name in names if name not in ("", "__init__"))
            found[module or "interprobe"] = Source(path, module or "interprobe")
    return found


def imports(source: Source) -> Iterator[str]:
    """Whatever a file imports, on any line, also for the type checker alone."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{source.module}:{node.lineno}: write the whole name"
            assert node.module is not None
            if node.module == "__future__":
                continue
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                # `from interprobe import sites` names a module, `import analyse` one of its names.
                is_module = inner.removeprefix("interprobe.") in sources()
                yield inner if is_module else node.module


def own_imports(source: Source) -> set[str]:
    """The modules of interprobe that a file imports, without the prefix."""
    return {
        name.removeprefix("interprobe.")
        for name in imports(source)
        if name.partition(".")[0] == "interprobe"
    }


def outside_imports(source: Source) -> set[str]:
    """The packages that a file imports, other than interprobe and the standard library."""
    packages = {name.partition(".")[0] for name in imports(source)}
    return packages - set(sys.stdlib_module_names) - {"interprobe"}


def part_of(module: str) -> str:
    """The part of a module, or of the compiled module in its folder."""
    parent = module.rpartition(".")[0]
    return sources()[module if module in sources() else parent].part


def each_source() -> list[object]:
    """All files, as parameters of a test."""
    return [pytest.param(source, id=source.module) for source in sources().values()]


def each_source_of(parts: set[str]) -> list[object]:
    """All files of some parts, as parameters of a test."""
    return [
        pytest.param(source, id=source.module)
        for source in sources().values()
        if source.part in parts
    ]


def dotted(node: ast.AST) -> str:
    """``sys.stdout.write`` of the expression that it is; "" of any other."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return ""


def test_the_parts_are_listed_from_the_bottom_up() -> None:
    below: set[str] = set()
    for name, (_, allowed, _) in PARTS.items():
        assert {part.replace("_", " ") for part in allowed.split()} <= below, name
        below.add(name)


def test_every_part_has_its_files() -> None:
    present = {source.module.partition(".")[0] for source in sources().values()}
    listed = {module for modules, _, _ in PARTS.values() for module in modules.split()}
    assert listed == present


@pytest.mark.parametrize("source", each_source())
def test_imports_point_down(source: Source) -> None:
    allowed = {part.replace("_", " ") for part in PARTS[source.part][1].split()} | {source.part}
    wrong = {
        module: part_of(module) for module in own_imports(source) if part_of(module) not in allowed
    }
    assert not wrong, f"{source.module} ({source.part}) imports {wrong}, allowed: {allowed}"


@pytest.mark.parametrize("source", each_source())
def test_packages_from_outside_stay_where_they_belong(source: Source) -> None:
    assert outside_imports(source) <= set(PARTS[source.part][2].split())


def test_every_declared_dependency_is_imported_and_no_other() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {re.split(r"[^\w.-]", line)[0] for line in project["dependencies"]}
    imported = {package for source in sources().values() for package in outside_imports(source)}
    distributions = {"elftools": "pyelftools"}
    assert declared == {distributions.get(package, package) for package in imported}


@pytest.mark.parametrize("source", each_source_of(PURE_PARTS))
def test_rules_and_renderers_read_and_write_nothing(source: Source) -> None:
    found = {name.partition(".")[0] for name in imports(source)} & MODULES_OF_INPUT_AND_OUTPUT
    assert not found
    called = {dotted(node.func) for node in ast.walk(source.tree) if isinstance(node, ast.Call)}
    assert not called & {"open", "input", "print", "exec", "eval", "Path", "pathlib.Path"}


@pytest.mark.parametrize("source", each_source_of({"drawing"}))
def test_a_console_outside_the_command_line_draws_into_memory(source: Source) -> None:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and dotted(node.func).rpartition(".")[2] == "Console":
            files = [word.value for word in node.keywords if word.arg == "file"]
            assert [ast.unparse(file) for file in files] == ["io.StringIO()"]


@pytest.mark.parametrize("source", each_source_of(set(PARTS) - {"command line"}))
def test_only_the_command_line_prints_or_exits(source: Source) -> None:
    nodes = list(ast.walk(source.tree))
    called = {dotted(node.func) for node in nodes if isinstance(node, ast.Call)}
    assert not called & {"print", "input", "exit", "quit"}
    named = {dotted(node) for node in nodes}
    assert not named & {"sys.exit", "os._exit", "os.abort", "SystemExit"}
    streams = {"sys.stdout", "sys.stderr", "sys.__stdout__", "sys.__stderr__"}
    assert not named & streams or source.module in WRITERS


def written_files() -> list[Path]:
    """Every source file that people write, in any language."""
    return sorted(
        path
        for folder in ("interprobe", "cdemo", "scenarios", "benchmarks", "docs", "tests")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".py", ".pyi", ".pyx", ".c", ".h", ".cpp"}
    )


def test_no_file_is_too_long_to_have_one_job() -> None:
    long = {}
    for path in written_files():
        name = path.relative_to(ROOT).as_posix()
        most = MOST_LINES_OF_C if path.suffix == ".c" else MOST_LINES
        most = MOST_LINES_OF_TESTS if name.startswith("tests/") else most
        lines = len(path.read_text().splitlines())
        if lines > most:
            long[name] = f"{lines} lines, at most {most}"
    assert not long


def test_every_file_says_first_what_its_job_is() -> None:
    silent = []
    for path in written_files():
        text = path.read_text()
        if path.suffix in {".c", ".h", ".cpp"}:
            found = re.match(r"/[*/] (?P<line>[^\n]+)", text)
        else:
            found = re.match(r'(?:#[^\n]*\n)*"""(?P<line>[^\n]+)', text)
        line = found["line"].removesuffix("*/").rstrip().removesuffix('"""') if found else ""
        # One sentence, on one line.
        if not re.fullmatch(r"\S.*[.:]", line):
            silent.append(f"{path.relative_to(ROOT)}: {line!r}")
    assert not silent


def test_no_file_is_named_after_nothing() -> None:
    names = {path for path in written_files() if NAMES_WITHOUT_A_JOB.search(path.stem)}
    assert not names


def modules_in(package: ModuleType) -> list[str]:
    """The files of a folder that is discovered, whether or not they fit."""
    return sorted(module.name for module in pkgutil.iter_modules(package.__path__))


def test_every_file_in_probes_is_a_probe_and_every_native_hook_has_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert [probe.__name__.rpartition(".")[2] for probe in probes.discover()] == modules_in(probes)
    put_in: list[str] = []
    taken_out: list[str] = []
    monkeypatch.setattr(native, "install", put_in.append)
    monkeypatch.setattr(native, "uninstall", taken_out.append)
    for probe in probes.discover():
        probe.install()
        probe.uninstall()
        for sentence in (probe.SEES, probe.CANNOT_SEE):
            assert re.fullmatch(r"\S.*[^.\s]", sentence), probe.__name__
    assert sorted(put_in) == sorted(taken_out) == native.probe_names()


def test_every_file_in_rules_is_a_rule_with_a_code_of_its_own() -> None:
    codes = [rule.CODE for rule in analysis.rules()]
    assert (
        len(codes)
        == len(set(codes))
        == len(modules_in(importlib.import_module("interprobe.rules")))
    )


@pytest.mark.parametrize("code", [rule.CODE for rule in analysis.rules()])
def test_every_rule_is_shown_by_a_scenario_or_tested_on_its_own(code: str) -> None:
    shown = set()
    for name in modules_in(interprobe.scenarios):
        shown |= set(importlib.import_module(f"interprobe.scenarios.{name}").EXPECTED)
    rule = analysis.find_rule(code)
    module = str(vars(rule)["__name__"]).rpartition(".")[2]
    tested = any(
        re.search(rf"^from interprobe\.rules import {module}\b", path.read_text(), re.MULTILINE)
        for path in (ROOT / "tests").rglob("test_*.py")
    )
    assert code in shown or tested


def test_every_renderer_is_called_as_its_file() -> None:
    package = importlib.import_module("interprobe.renderers")
    assert list(package.renderers()) == modules_in(package)
