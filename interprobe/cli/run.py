"""Run a program or a scenario and report what happened at the border to native code."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from interprobe.cli.console import formats
from interprobe.cli.console.arguments import (
    Parser,
    UsageError,
    check_headers,
    positive,
    usage_error,
    writable,
)
from interprobe.cli.console.output import Output, add_options, complain_after_program

if TYPE_CHECKING:
    from interprobe.cli.launch.isolation import Imports
    from interprobe.cli.launch.program import Program
    from interprobe.contracts import Contracts
    from interprobe.lines import LineTimer
    from interprobe.recorder import GuardedSide
    from interprobe.what_if import WhatIf

_DESCRIPTION = """\
Run a program or a scenario and report what happened at the border to native code.

TARGET is
  script.py     a script, or a directory or zip file with a __main__.py
  -m module     a module or package, as after 'python -m'
  -c code       code, as after 'python -c'
  SCENARIO      a built-in pitfall and its cure; 'interprobe list' shows them

What follows TARGET belongs to the program. A program runs as it would under plain python; its
report goes to standard error when it has ended, or to a file with -o."""

_PYTHON_FLAGS = ("-m", "-c")


class _Options(argparse.Namespace):
    all: bool
    size: int | None
    json: str | None
    output: str | None
    format: str
    color: str
    width: int | None
    lines: list[str]
    memory: bool
    boundary: list[str]
    no_boundary: list[str]
    contracts: Contracts
    what_if: WhatIf | None
    header: list[str]
    guard: GuardedSide | None


def main(arguments: list[str]) -> int:
    """Carry out ``interprobe run``.

    Returns:
        The program's exit status; of scenarios 1 if one does not show what it says.

    Raises:
        UsageError: It cannot be carried out as given.
        SystemExit: The program's own.
    """
    parser = _parser()
    # argparse must not look into what belongs to the program.
    own = parser.count_leading_options(arguments, stop=_PYTHON_FLAGS)
    options = parser.parse_args(arguments[:own], _Options())
    target = arguments[own:]
    if target[:1] == ["--"]:
        del target[0]
    if options.all:
        return _run_all(target, options)
    if not target:
        raise UsageError(
            "TARGET is missing: a script, -m module, -c code or a scenario; "
            "see 'interprobe run --help'."
        )
    if not target[0].startswith(_PYTHON_FLAGS) and not _is_program(target[0]):
        return _run_scenario(target, options, parser)
    from interprobe.cli.launch.program import program

    return _run_program(program(target), options)


def _parser() -> Parser:
    parser = Parser(
        prog="interprobe run",
        usage="interprobe run [options] TARGET [ARGS...]",
        description=_DESCRIPTION,
    )
    parser.add_argument("--json", metavar="FILE", help="save the trace, for 'interprobe report'")
    add_options(parser)
    programs = parser.add_argument_group("for programs")
    programs.add_argument(
        "--lines",
        action="append",
        default=[],
        metavar="FUNCTION",
        help="time every line of a function, with its copies beside it: main, Class.method,"
        " or module:function; may be repeated",
    )
    programs.add_argument(
        "--memory", action="store_true", help="sample resident memory, with the line of its peak"
    )
    programs.add_argument(
        "--boundary",
        action="append",
        default=[],
        metavar="PACKAGE",
        help="count and time the compiled functions that PACKAGE uses inside, too, not only those"
        " that your own code imports; may be repeated",
    )
    programs.add_argument(
        "--no-boundary",
        action="append",
        default=[],
        metavar="PACKAGE",
        help="leave the compiled functions of PACKAGE alone; may be repeated",
    )
    programs.add_argument(
        "--contracts",
        choices=("sampled", "full"),
        default="sampled",
        help="how thoroughly arrays are compared before and after calls, to see what a callee"
        " wrote: sampled, at next to no cost, or full",
    )
    programs.add_argument(
        "--what-if",
        choices=("off", "auto", "all"),
        help="what to repeat with better arrays, in a forked child, to measure what they would"
        " gain: the costliest calls, within a tenth of the run or 2 s (auto, the default), every"
        " call that can be, or nothing (off)",
    )
    programs.add_argument(
        "--guard",
        action="store_const",
        const="end",
        help="stop native code that touches memory past the end of an array, or of a freed one, at"
        " that instruction, and report it; slower",
    )
    programs.add_argument(
        "--guard-start",
        action="store_const",
        const="start",
        dest="guard",
        help="the same, but for memory before an array's start",
    )
    programs.add_argument(
        "--header",
        action="append",
        default=[],
        metavar="FILE",
        help="a header that declares functions of libraries without debug information, to compare"
        " calls with; may be repeated",
    )
    scenarios = parser.add_argument_group("for scenarios")
    scenarios.add_argument("--all", action="store_true", help="run all of them")
    scenarios.add_argument("--size", type=positive, metavar="MIB", help="size of the data")
    return parser


def _is_program(path: str) -> bool:
    """Whether a path is there to be run; a folder of notes does not hide a scenario."""
    return os.path.exists(os.path.join(path, "__main__.py") if os.path.isdir(path) else path)


def _run_program(program: Program, options: _Options) -> int:
    formats.check(options.format)
    if options.size is not None:
        raise UsageError("--size is for scenarios: a program sizes its own data.")
    from interprobe.cli.console.delivery import Delivery
    from interprobe.cli.launch import session
    from interprobe.cli.launch.isolation import Imports
    from interprobe.cli.launch.main_module import compile_main
    from interprobe.cli.launch.recording import ProgramRecording

    check_headers(options.header)
    output = Output(options, stderr=True)
    trace_file = None if options.json is None else writable(options.json, replace=True)
    imports = Imports(program.folder if program.extends_path else None)
    if options.boundary or options.no_boundary:
        _check_packages(program, imports, options)
    timer = _line_timer(program, imports, options.lines) if options.lines else None
    sampler = None
    if options.memory:
        with imports.own():
            from interprobe.memory import ResidentSampler

            sampler = ResidentSampler()

    deliver = Delivery(trace_file, options.format, output)
    recording = ProgramRecording(
        program,
        imports,
        deliver,
        complain_after_program,
        timer=timer,
        sampler=sampler,
        boundary=options.boundary,
        no_boundary=options.no_boundary,
        contracts=options.contracts,
        what_if=options.what_if or "auto",
        guard=options.guard,
        headers=[os.path.abspath(header) for header in options.header],
    )
    compile_source = compile_main if timer is None else timer.compile
    return session.run(program, recording, compile_source)


def _line_timer(program: Program, imports: Imports, functions: list[str]) -> LineTimer:
    """The timer of ``--lines``.

    Raises:
        UsageError: The program has no such function.
    """
    with imports.own():
        from interprobe.lines import LineTimer

        timer = LineTimer(functions)
    found = program.source()
    if found is not None:
        # A function of another module is looked for where the program would look for it.
        try:
            with _path_of(program):
                timer.check(*found)
        except LookupError as error:
            raise usage_error(error) from None
        except (SyntaxError, ValueError):
            pass  # Python will say so when the program is run.
    return timer


def _check_packages(program: Program, imports: Imports, options: _Options) -> None:
    """Make sure that the packages exist that ``--boundary`` and ``--no-boundary`` name.

    Raises:
        UsageError: One does not, or both options name it.
    """
    with imports.own():
        from interprobe import packages
    try:
        with _path_of(program):
            packages.check(options.boundary, options.no_boundary)
    except LookupError as error:
        raise usage_error(error) from None


@contextmanager
def _path_of(program: Program) -> Iterator[None]:
    """Search, within, where the program would search for modules."""
    before = list(sys.path)
    if program.extends_path:
        sys.path.insert(0, program.folder)
    try:
        yield
    finally:
        sys.path[:] = before


def _run_scenario(target: list[str], options: _Options, parser: Parser) -> int:
    from interprobe.cli.showcase import catalogue

    name, *rest = target
    if name not in catalogue.names():
        raise catalogue.no_target(name)
    # A scenario has no arguments of its own: what follows its name are more options.
    options = parser.parse_args(rest, options)
    if options.all:
        return _run_all(target, options)
    _refuse_program_options(options)
    formats.check(options.format)
    output = Output(options)
    trace_file = None if options.json is None else writable(options.json, replace=True)

    from interprobe.cli.console.delivery import save
    from interprobe.cli.showcase import account, experiment

    outcome = experiment.run(name, catalogue.load(name), options.size)
    if trace_file is not None:
        save(outcome.bad.trace, trace_file)
    if options.format == "terminal":
        output.write(account.both_sides(outcome, output))
    else:
        output.write(formats.drawn(outcome.bad.trace, options.format, output))
    return 0 if outcome.holds else 1


def _run_all(target: list[str], options: _Options) -> int:
    if target:
        raise UsageError(f"--all runs every scenario and takes no TARGET, not {target[0]!r}.")
    _refuse_program_options(options)
    if options.json is not None:
        raise UsageError("--json saves one trace: name one scenario instead of --all.")
    if options.format != "terminal":
        raise UsageError("--all ends in a table for the terminal: it takes no other --format.")
    output = Output(options)

    from interprobe.cli.showcase import account, catalogue, experiment

    began = time.perf_counter()
    outcomes = []
    for name in catalogue.names():
        outcomes.append(experiment.run(name, catalogue.load(name), options.size))
        output.write(account.one_line(outcomes[-1], output))
    output.write(account.table_of_all(outcomes, time.perf_counter() - began, output))
    return 0 if all(outcome.holds for outcome in outcomes) else 1


def _refuse_program_options(options: _Options) -> None:
    flags = {
        "--lines": options.lines,
        "--memory": options.memory,
        "--boundary": options.boundary,
        "--no-boundary": options.no_boundary,
        "--contracts": options.contracts == "full",
        "--what-if": options.what_if is not None,
        "--header": options.header,
    }
    for flag, given in flags.items():
        if given:
            raise UsageError(f"{flag} is for programs: a scenario's functions are not yours.")
    if options.guard:
        raise UsageError("--guard is for programs: its findings would end a scenario halfway.")
