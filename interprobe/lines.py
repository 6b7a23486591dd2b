"""Times the lines of chosen functions with line_profiler, and counts their copies beside it."""

from __future__ import annotations

import difflib
import importlib
import inspect
import io
import linecache
import os
import threading
import tokenize
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from types import CellType, CodeType, FrameType, FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple

from interprobe.line_switch import line_switch

if TYPE_CHECKING:
    from interprobe.line_records import FunctionLines
    from interprobe.trace import Trace


class _Listing(NamedTuple):
    """A profiled function's place in its source."""

    file: str
    first_line: int
    function: str
    last_line: int
    code_lines: frozenset[int]
    """Lines that have instructions; line_profiler times these and no others."""
    source: tuple[str, ...]
    """The text of the lines from ``first_line`` to ``last_line``; empty where there is none."""

    @property
    def key(self) -> tuple[str, int, str]:
        """What line_profiler calls the function."""
        return self.file, self.first_line, self.function


class LineTimer:
    """Times each line of chosen functions.

    line_profiler runs a callback at every line of a timed function, and some of that callback's
    own time falls on the line: the seconds of a line that does little are mostly overhead, those
    of a line that works in native code are nearly exact. While a timer runs, code outside the
    timed functions is slower as well. On Python 3.11 line_profiler takes the place of a debugger's
    or a coverage tool's trace function for that time; on later versions it disturbs neither.

    The functions come by name, for a script that is still to be compiled, or as objects.
    """

    def __init__(self, functions: Sequence[str] = ()) -> None:
        """Prepare to time the functions of these names.

        Args:
            functions: ``main`` or ``Solver.step`` for a function of the script itself, as its
                ``__qualname__`` has it; ``package.module:Solver.step`` for one of an importable
                module.
        """
        from line_profiler import LineProfiler

        self._importable = [name for name in functions if ":" in name]
        self._wanted = [name for name in functions if ":" not in name]
        self._profiler: Any = LineProfiler()
        self._switch = line_switch()
        self._listings: dict[tuple[str, int, str], _Listing] = {}
        self._threads_hook: Any = None

    def check(self, source: bytes | str, filename: str) -> None:
        """Make sure that every named function exists; import the modules that are named.

        Call it when ``sys.path`` is what the script will see.

        Args:
            source: Text of the script; bytes are decoded by their own encoding declaration.
            filename: Name of the script.

        Raises:
            LookupError: A function does not exist; the message is one sentence for the user.
            SyntaxError: The script does not compile.
        """
        if self._wanted:
            with warnings.catch_warnings():
                # compile() repeats them where the program's own filters apply.
                warnings.simplefilter("ignore")
                code = compile(source, filename, "exec", dont_inherit=True)
            present = {_spoken(function): None for function in _functions_in(code)}
            for name in self._wanted:
                if name not in present:
                    raise LookupError(_missing(name, list(present), filename))
        for name in self._importable:
            self.add(_find(name))

    def compile(self, source: bytes | str, filename: str) -> CodeType:
        """Compile a script so that its named functions are timed.

        The functions' code gets line_profiler's mark (no-operations at its end, which are never
        reached) and nothing else: lines, columns, tracebacks, names and ``__future__`` imports are
        those of the plain script, and no name is added to it.

        Args:
            source: Text of the script; bytes are decoded by their own encoding declaration.
            filename: Name of the script, for tracebacks.

        Raises:
            SyntaxError: The script does not compile.
        """
        code = compile(source, filename, "exec", dont_inherit=True)
        return self._mark(code, _decoded_lines(source)) if self._wanted else code

    def add(self, function: Callable[..., Any]) -> None:
        """Time a function that exists already.

        Its ``__code__`` is replaced by one with line_profiler's mark; the function stays the same
        object.

        Args:
            function: A Python function, perhaps below decorators that keep ``__wrapped__``.

        Raises:
            TypeError: It has no Python code.
        """
        innermost = inspect.unwrap(function)
        innermost = getattr(innermost, "__func__", innermost)
        if not isinstance(innermost, FunctionType):
            name = getattr(function, "__qualname__", None) or repr(function)
            raise TypeError(f"{name} has no Python lines to time: it is no Python function")
        lines = linecache.getlines(innermost.__code__.co_filename, innermost.__globals__)
        self._profiler.add_function(innermost)
        self._list(innermost.__code__, lines)

    def start(self) -> None:
        """Time the functions in this thread, and in every thread that starts from now on."""
        self._switch.enable(self._profiler)
        if self._switch.per_thread:
            self._threads_hook = threading.gettrace()
            threading.settrace(self._start_in_thread)

    def stop(self) -> None:
        """End what :meth:`start` began; called in the same thread."""
        if self._switch.per_thread:
            threading.settrace(self._threads_hook)
        self._switch.disable(self._profiler)

    def enter(self) -> None:
        """Time the functions in this thread until :meth:`leave`; may be nested."""
        self._switch.enable(self._profiler)

    def leave(self) -> None:
        """End what the latest :meth:`enter` in this thread began."""
        self._switch.disable(self._profiler)

    def functions(self, trace: Trace) -> list[FunctionLines]:
        """What each line took so far, in seconds, with the copies that ``trace`` has for it.

        A copy belongs to the line that its ``user_site`` names; inside a statement of several
        lines that is the line of the very call, which is timed on its own.
        """
        stats = self._profiler.get_stats()
        return [
            _function_lines(
                listing,
                {line: (hits, ticks * stats.unit) for line, hits, ticks in timings},
                trace,
            )
            for listing in self._listings.values()
            for timings in [stats.timings.get(listing.key, [])]
        ]

    def _start_in_thread(self, frame: FrameType, event: str, argument: object) -> None:
        self._switch.enable_in_new_thread(self._profiler)

    def _mark(self, code: CodeType, lines: list[str]) -> CodeType:
        constants = tuple(
            self._mark(constant, lines) if isinstance(constant, CodeType) else constant
            for constant in code.co_consts
        )
        if any(new is not old for new, old in zip(constants, code.co_consts, strict=True)):
            code = code.replace(co_consts=constants)
        if not (_is_function(code) and _spoken(code) in self._wanted):
            return code
        # line_profiler recognises bytecode, not functions: a function that is never called is
        # enough to mark the code from which the script will make its own.
        cells = tuple(CellType() for _ in code.co_freevars)
        function = FunctionType(code, {}, closure=cells)
        self._profiler.add_function(function)
        self._list(function.__code__, lines)
        return function.__code__

    def _list(self, code: CodeType, lines: list[str]) -> None:
        code_lines = frozenset(_lines_of(code))
        first = code.co_firstlineno
        last = max([first, *code_lines, *_ends_of(code)])
        listing = _Listing(
            file=code.co_filename,
            first_line=first,
            function=code.co_qualname,
            last_line=last,
            code_lines=code_lines,
            source=tuple(line.rstrip("\r\n") for line in lines[first - 1 : last]),
        )
        self._listings[listing.key] = listing


def _function_lines(
    listing: _Listing, timings: dict[int, tuple[int, float]], trace: Trace
) -> FunctionLines:
    from interprobe.line_records import FunctionLines, LineTiming

    counts: Counter[int] = Counter()
    sizes: Counter[int] = Counter()
    file = _resolved(listing.file)
    for copy in trace.copies:
        line = copy.user_site.line
        if (
            listing.first_line <= line <= listing.last_line
            and _resolved(copy.user_site.file) == file
        ):
            while line > listing.first_line and line not in listing.code_lines:
                line -= 1
            counts[line] += copy.count
            sizes[line] += copy.bytes
    source = listing.source
    lines = []
    for offset, line in enumerate(range(listing.first_line, listing.last_line + 1)):
        hits, seconds = timings.get(line, (0, 0.0))
        lines.append(
            LineTiming(
                line=line,
                hits=hits,
                seconds=seconds,
                copies=counts[line],
                bytes_copied=sizes[line],
                source=source[offset] if offset < len(source) else "",
            )
        )
    return FunctionLines(
        file=listing.file, function=listing.function, first_line=listing.first_line, lines=lines
    )


def _resolved(file: str) -> str:
    # "<string>" and its like name no file, and the program may have changed its directory.
    return file if file.startswith("<") else os.path.realpath(file)


def _is_function(code: CodeType) -> bool:
    """Whether it is the code of a ``def`` or ``async def``, not of a class or a comprehension."""
    return bool(code.co_flags & inspect.CO_OPTIMIZED) and not code.co_name.startswith("<")


def _functions_in(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            if _is_function(constant):
                yield constant
            yield from _functions_in(constant)


def _spoken(code: CodeType) -> str:
    """The name by which a person asks for a function: ``outer.inner`` for a nested one."""
    return code.co_qualname.replace(".<locals>", "")


def _lines_of(code: CodeType) -> Iterator[int]:
    yield from (line for _, _, line in code.co_lines() if line)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _lines_of(constant)


def _ends_of(code: CodeType) -> Iterator[int]:
    """The last lines of all expressions: a closing bracket has no instruction of its own."""
    yield from (end for _, end, _, _ in code.co_positions() if end)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _ends_of(constant)


def _decoded_lines(source: bytes | str) -> list[str]:
    """The lines of a script, as Python's tokenizer splits them."""
    text: io.TextIOBase
    if isinstance(source, str):
        text = io.StringIO(source, newline=None)
    else:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
        text = io.TextIOWrapper(io.BytesIO(source), encoding)
    return text.read().split("\n")


def _find(name: str) -> Callable[..., Any]:
    """The function that ``module:qualname`` names."""
    module_name, _, qualname = name.partition(":")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise LookupError(f"cannot time {name!r}: its import failed with {reason}") from error
    found: Any = module
    for part in qualname.split("."):
        found = inspect.getattr_static(found, part, None)
    if isinstance(found, property):
        found = found.fget
    found = inspect.unwrap(getattr(found, "__func__", found)) if callable(found) else found
    if isinstance(found, FunctionType):
        return found
    if found is not None:
        raise LookupError(f"cannot time {name!r}: it is no Python function")
    raise LookupError(_missing(qualname, _qualnames(module), module_name))


def _qualnames(module: object) -> list[str]:
    """The Python functions of a module and of its classes."""
    names = []
    for name, member in vars(module).items():
        if isinstance(getattr(member, "__wrapped__", member), FunctionType):
            names.append(name)
        elif isinstance(member, type) and member.__module__ == getattr(module, "__name__", None):
            kinds = (FunctionType, classmethod, staticmethod, property)
            names += [
                f"{name}.{part}" for part, value in vars(member).items() if isinstance(value, kinds)
            ]
    return names


def _missing(name: str, present: list[str], where: str) -> str:
    """One sentence: there is no such function, but there is one of nearly that name."""
    if not present:
        return f"{where} has no function {name!r}: it defines none"
    by_last_part = {candidate.rpartition(".")[2]: candidate for candidate in present}
    near = by_last_part.get(name) or difflib.get_close_matches(name, present, n=1, cutoff=0)[0]
    return f"{where} has no function {name!r}: did you mean {near!r}?"
