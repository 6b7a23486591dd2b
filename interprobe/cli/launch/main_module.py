"""Sets up what a program finds when it starts: ``__main__``, ``sys.argv`` and ``sys.path[0]``."""

from __future__ import annotations

import builtins
import sys
import warnings
from collections.abc import Callable
from functools import partial
from importlib.machinery import BuiltinImporter, SourceFileLoader, SourcelessFileLoader
from importlib.util import MAGIC_NUMBER
from types import CodeType, ModuleType
from typing import Any

from interprobe.cli.launch.program import Program

Compile = Callable[[bytes | str, str], CodeType]
"""Makes code of the source and the file name of the module that runs as ``__main__``."""

# The interpreter still works with the module that it has started, and does not hold it itself.
_replaced: list[ModuleType] = []


class CompileError(Exception):
    """The program's main file is no valid Python: nothing of it can run."""


def compile_main(source: bytes | str, filename: str) -> CodeType:
    """Compile as ``python`` compiles the program that it is given."""
    return compile(source, filename, "exec", dont_inherit=True)


def enter(program: Program, compile_source: Compile = compile_main) -> partial[Any]:
    """Make the process look as plain ``python`` would leave it to ``program``.

    Args:
        program: What will run.
        compile_source: Compiles the code that runs as ``__main__``.

    Returns:
        The call that runs the program.

    Raises:
        CompileError: The program cannot be compiled; nothing has been changed.
    """
    namespace_module = _fresh_main()
    namespace = vars(namespace_module)
    if program.kind == "script":
        code = _script_code(program, namespace, compile_source)
        start = partial(exec, code, namespace)
    elif program.kind == "command":
        code = _compiled(compile_source, program.value, "<string>")
        _show_source_of_command(code, program.value)
        start = partial(exec, code, namespace)
    else:
        start = _runpy_call(program, compile_source)
    _replaced.append(sys.modules["__main__"])
    sys.modules["__main__"] = namespace_module
    sys.orig_argv = [*interpreter_words(), *program.command]
    sys.argv = program.argv
    if program.extends_path:
        sys.path.insert(0, program.folder)
    return start


def leave(program: Program) -> None:
    """Take back the attributes that plain ``python`` takes back when a script has ended."""
    main = sys.modules.get("__main__")
    if program.kind == "script" and main is not None:
        vars(main).pop("__file__", None)
        vars(main).pop("__cached__", None)


def interpreter_words() -> list[str]:
    """The interpreter and its options, as this process was started: ``["python", "-X", "dev"]``."""
    words = sys.orig_argv[:1]
    rest = iter(sys.orig_argv[1:])
    for word in rest:
        if not word.startswith("-") or word in ("-", "--"):
            break
        if word.startswith("--"):
            words += [word, next(rest, "")]
            continue
        # One word may hold several flags: -um module.
        flags = word[1:]
        ends = [flags.index(flag) for flag in "mcXW" if flag in flags]
        end = min(ends, default=len(flags))
        if end == len(flags):
            words.append(word)
        elif flags[end] in "XW":
            words += [word] if flags[end + 1 :] else [word, next(rest, "")]
        else:
            words += [f"-{flags[:end]}"] if end else []
            break
    return words


def _fresh_main() -> ModuleType:
    """``__main__`` as the interpreter makes it at its start."""
    module = ModuleType("__main__")
    module.__loader__ = BuiltinImporter
    if sys.version_info < (3, 14):
        module.__annotations__ = {}
    vars(module)["__builtins__"] = builtins
    return module


def _script_code(program: Program, namespace: dict[str, Any], compile_source: Compile) -> CodeType:
    filename = program.filename
    with open(filename, "rb") as file:
        source = file.read()
    loader: SourceFileLoader | SourcelessFileLoader
    if filename.endswith(".pyc") or source.startswith(MAGIC_NUMBER):
        loader = SourcelessFileLoader("__main__", filename)
        try:
            code = loader.get_code("__main__")
        except (ImportError, EOFError, ValueError) as error:
            raise CompileError from error
    else:
        loader = SourceFileLoader("__main__", filename)
        code = _compiled(compile_source, source, filename)
    namespace.update(__loader__=loader, __file__=filename, __cached__=None)
    assert code is not None
    return code


def _compiled(compile_source: Compile, source: bytes | str, filename: str) -> CodeType:
    """Compile; a warning about the source is shown only if it compiles."""
    with warnings.catch_warnings(record=True) as caught:
        try:
            code = compile_source(source, filename)
        except (SyntaxError, ValueError, OverflowError, MemoryError, RecursionError) as error:
            raise CompileError from error
    for warning in caught:
        warnings.showwarning(
            warning.message, warning.category, warning.filename, warning.lineno, warning.file
        )
    return code


def _show_source_of_command(code: CodeType, source: str) -> None:
    """Let tracebacks quote the code of ``-c``, as python does from 3.13 on."""
    import linecache

    register = getattr(linecache, "_register_code", None)
    if register is not None:
        # 3.13.0 files the source under its name, later versions under its code.
        key = code if hasattr(linecache, "_interactive_cache") else "<string>"
        register(key, source, "<string>")


def _runpy_call(program: Program, compile_source: Compile) -> partial[Any]:
    import runpy

    if compile_source is not compile_main:
        find = runpy._get_module_details  # type: ignore[attr-defined]

        def find_and_compile(*args: Any) -> Any:
            # Looking into a package, the original calls itself by its name.
            runpy._get_module_details = find  # type: ignore[attr-defined]
            name, spec, code = find(*args)
            source = spec.loader.get_source(name)
            return name, spec, code if source is None else compile_source(source, spec.origin)

        runpy._get_module_details = find_and_compile  # type: ignore[attr-defined]
    name, from_argv = ("__main__", False) if program.kind == "archive" else (program.value, True)
    return partial(runpy._run_module_as_main, name, from_argv)  # type: ignore[attr-defined]
