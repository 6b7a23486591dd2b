"""Compare the declarations of a binding module with the functions of a library, without running."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from interprobe.cli.console.arguments import Parser, UsageError, check_headers, usage_error
from interprobe.cli.console.output import Output, add_look_options

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

    from rich.console import RenderableType
    from rich.text import Text

    from interprobe.binding_values import Bindings
    from interprobe.callee_prototypes import CalleePrototypes
    from interprobe.exported_functions import LibraryCheck

_DESCRIPTION = """\
Compare what BINDINGS declares (ctypes' argtypes and restype, numpy's ndpointer, cffi's cdef) with
the functions of LIBRARY. BINDINGS is read, not run. Without it, write the declarations of all
functions that LIBRARY exports.

LIBRARY is a shared object, or a module that comes with one (its own source is then BINDINGS, unless
another is named). Its functions are known from its debug information (compile with -g), from a
separate debug file, or from headers (--header).

The exit status is 0 if all declarations are right, 1 if one is wrong, and 2 if LIBRARY cannot be
compared."""


class _Options(argparse.Namespace):
    library: str
    bindings: str | None
    header: list[str]


def main(arguments: list[str]) -> int:
    """Carry out ``interprobe check``.

    Returns:
        The exit status: 1 where a declaration is wrong.

    Raises:
        UsageError: It cannot be carried out as given.
    """
    parser = Parser(prog="interprobe check", description=_DESCRIPTION)
    parser.add_argument("library", metavar="LIBRARY", help="libfit.so, or the module fit")
    parser.add_argument(
        "bindings", nargs="?", metavar="BINDINGS", help="the module that declares: fit.py"
    )
    parser.add_argument(
        "--header",
        action="append",
        default=[],
        metavar="FILE",
        help="a header that declares the functions, for a library without debug information;"
        " may be repeated",
    )
    add_look_options(parser)
    options = parser.parse_args(arguments, _Options())
    output = Output(options)
    library, bindings = _library(options.library, options.bindings)
    check_headers(options.header)

    from interprobe.callee_prototypes import CalleePrototypes

    with CalleePrototypes(options.header) as known:
        _check_library(library, known)
        if bindings is None:
            output.write(_declarations(library, known))
            return 0
        read, lines = _read(bindings)
        from interprobe.library_check import compare

        result = compare(library, known, read, os.path.abspath(bindings), lines)
    output.write(_drawn(result, library, bindings, read, output))
    return 1 if _wrong(result) else 0


def _library(named: str, bindings: str | None) -> tuple[str, str | None]:
    """The shared object, and the binding module if there is one.

    Raises:
        UsageError: There is no such file or module, or the module has no or several libraries.
    """
    if os.path.isdir(named):
        raise UsageError(f"{named!r} is a directory: name the shared object in it.")
    if os.path.isfile(named):
        return named, bindings
    if os.sep in named or named.endswith(".so") or not _is_dotted(named):
        raise UsageError(f"There is no library {named!r}.")
    spec = _spec(named)
    if spec is None or spec.origin is None:
        raise UsageError(f"There is neither a library nor a module {named!r}.")
    if spec.origin.endswith(".so"):
        return spec.origin, bindings
    folders = spec.submodule_search_locations or [os.path.dirname(spec.origin)]
    # What Python itself imports is no library for ctypes.
    found = [
        entry.path
        for folder in folders
        if os.path.isdir(folder)
        for entry in os.scandir(folder)
        if ".so" in entry.name and ".cpython-" not in entry.name and ".abi3." not in entry.name
    ]
    if len(found) != 1:
        reason = "several shared objects" if found else "no shared object"
        raise UsageError(f"The module {named!r} has {reason} beside it: name the file itself.")
    return found[0], bindings or spec.origin


def _spec(name: str) -> ModuleSpec | None:
    """Where a module is, without importing it or the packages that it is in."""
    path: list[str] | None = [os.getcwd(), *sys.path]
    spec, whole = None, ""
    for part in name.split("."):
        whole = f"{whole}.{part}".lstrip(".")
        found = (finder.find_spec(whole, path) for finder in sys.meta_path)
        spec = next((each for each in found if each is not None), None)
        if spec is None:
            return None
        path = list(spec.submodule_search_locations or [])
    return spec


def _is_dotted(name: str) -> bool:
    return all(part.isidentifier() for part in name.split("."))


def _check_library(library: str, known: CalleePrototypes) -> None:
    """Make sure that the prototypes of a library can be known.

    Raises:
        UsageError: It is no library, or says nothing of its functions.
    """
    from interprobe import symbol_tables

    try:
        exports = symbol_tables.exports(library)
    except OSError as error:
        raise UsageError(f"Cannot read {library!r}: {error.strerror or error}.") from error
    except ValueError:
        raise UsageError(f"{library!r} is no shared object for 64-bit Linux (ELF).") from None
    if not exports:
        raise UsageError(f"{library!r} exports no function.")
    known.header_prototypes()
    if known.problems:
        raise usage_error(ValueError(known.problems[0]))
    if known.has_debug_information(library):
        return
    declared = known.header_prototypes().keys() & exports.keys()
    if not known.header_prototypes():
        raise UsageError(
            f"{library!r} has no debug information, so its functions' prototypes are not known: "
            "compile it with -g, or name its header with --header."
        )
    if not declared:
        raise UsageError(f"The headers declare no function that {library!r} exports.")


def _read(path: str) -> tuple[Bindings, list[str]]:
    """Read a binding module.

    Raises:
        UsageError: It cannot be read, or is no Python.
    """
    import tokenize

    from interprobe.bindings import read_bindings

    try:
        with tokenize.open(path) as file:
            source = file.read()
        return read_bindings(source, path), source.splitlines()
    except OSError as error:
        raise UsageError(f"Cannot read {path!r}: {error.strerror or error}.") from error
    except (SyntaxError, ValueError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{path!r} is no Python: {error}.") from error


def _declarations(library: str, known: CalleePrototypes) -> str:
    """A module that declares all functions of a library."""
    from interprobe.exported_functions import exported_prototypes
    from interprobe.prototype_code import module_code
    from interprobe.wording import counted

    result = exported_prototypes(library, known)
    count = counted(len(result.undeclared), "function", "functions")
    heading = [f"# The prototypes of {count} of {os.path.basename(library)}."]
    if result.unknown:
        unknown = counted(len(result.unknown), "other is", "others are")
        heading.append(f"# Of {unknown} no prototype known: {_some(result.unknown)}.")
    return "\n".join([*heading, "", module_code(library, result.undeclared), ""])


def _some(names: list[str]) -> str:
    more = len(names) - 8
    return ", ".join(names[:8]) + (f" and {more} more" if more > 0 else "")


def _wrong(result: LibraryCheck) -> bool:
    from interprobe.findings import Severity

    return any(finding.severity is not Severity.NOTE for finding in result.findings)


def _drawn(
    result: LibraryCheck, library: str, bindings: str, read: Bindings, output: Output
) -> str:
    from interprobe.terminal.report import NARROWEST, page

    console = page(max(output.width, NARROWEST), color=output.color)
    for part in _parts(result, library, bindings, read):
        console.print(part)
    assert isinstance(console.file, io.StringIO)
    return "".join(f"{line.rstrip()}\n" for line in console.file.getvalue().splitlines())


def _parts(
    result: LibraryCheck, library: str, bindings: str, read: Bindings
) -> Iterator[RenderableType]:
    from rich.text import Text

    from interprobe.prototype_code import block
    from interprobe.terminal.blocks import Block
    from interprobe.terminal.code import CodeText
    from interprobe.terminal.finding import draw
    from interprobe.terminal.gutter import Margin
    from interprobe.terminal.places import Places
    from interprobe.terminal.table import Section
    from interprobe.terminal.text import inline

    places = Places.under(os.getcwd())
    for finding in result.findings:
        yield draw(Block((finding,), (), ()), places)
        yield Text()
    if result.undeclared:
        code = block(
            result.undeclared,
            read.module,
            known=result.classes,
            half_declared=result.half_declared,
        )
        yield Section("Declarations for functions that have none, or half of one", CodeText(code))
        yield Text()
    notes = [
        f"line {line}: {sentence}" if line is not None else sentence
        for line, sentence in result.notes
    ]
    if result.unknown:
        notes.append(f"no prototype is known of {_some(sorted(set(result.unknown)))}")
    if notes:
        yield Text("Not compared, or noteworthy:")
        for note in notes:
            yield Margin("  - ", "    ", "", inline(note))
        yield Text()
    yield _verdict(result, os.path.basename(library), bindings)


def _verdict(result: LibraryCheck, library: str, bindings: str) -> Text:
    from rich.text import Text

    from interprobe.findings import Severity
    from interprobe.wording import counted

    compared = counted(len(result.compared), "function", "functions")
    about = f"{compared} of {library} compared with {bindings}"
    if not result.findings:
        style = "green" if result.compared else "bold"
        found = "no mismatch" if result.compared else "nothing is declared there"
        return Text(f"{about}: {found}.", style=style, overflow="fold")
    parts = []
    for severity, one, many in (
        (Severity.ERROR, "error", "errors"),
        (Severity.WARNING, "warning", "warnings"),
        (Severity.NOTE, "note", "notes"),
    ):
        number = sum(finding.severity is severity for finding in result.findings)
        if number:
            parts.append(counted(number, one, many))
    return Text(f"{about}: {', '.join(parts)}.", style="bold red", overflow="fold")
