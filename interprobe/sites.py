"""Code positions as the reader sees them: source lines, expressions, and whose code a file is."""

from __future__ import annotations

import linecache
import os
import sysconfig
from collections.abc import Iterable
from functools import lru_cache

from interprobe.findings import Site

NO_SITE = Site(file="<native thread>", line=0)
"""Stands for a place with no Python frame: a thread that native code made."""

_registered: dict[str, list[str]] = {}
_own_paths: list[str] = []


def register_source(filename: str, text: str) -> None:
    """Remember the source of code that is in no file, such as the argument of ``-c``.

    Args:
        filename: The name that the code was compiled with (``<string>``).
        text: Its source.
    """
    _registered[filename] = text.splitlines(keepends=True)


def registered_sources() -> dict[str, str]:
    """All that :func:`register_source` was given, by name."""
    return {filename: "".join(lines) for filename, lines in _registered.items()}


def source_lines(filename: str) -> list[str]:
    """The lines of a file, newlines kept; empty where the source cannot be read."""
    if filename in _registered:
        return _registered[filename]
    return linecache.getlines(filename)


def site_at(  # noqa: PLR0917 - the order is that of CPython's position table
    file: str, function: str, line: int, column: int, end_line: int, end_column: int
) -> Site:
    """Describe a position; -1 stands for a number that CPython did not record.

    Args:
        file: As the code object names it.
        function: Qualified name.
        line: 1-based.
        column: UTF-8 bytes from the start of the line, like ``end_column``.
        end_line: 1-based, inclusive.
        end_column: Exclusive.
    """
    exact = column >= 0 and end_line >= line and end_column >= 0
    lines = source_lines(file)
    source = lines[line - 1].rstrip("\r\n") if 0 < line <= len(lines) else ""
    expression = ""
    if exact and 0 < end_line <= len(lines):
        expression = _cut(lines[line - 1 : end_line], column, end_column)
    return Site(
        file=file,
        line=max(line, 0),
        column=column if exact else None,
        end_line=end_line if exact else None,
        end_column=end_column if exact else None,
        function=function,
        expression=expression,
        source=source,
    )


def _cut(lines: list[str], column: int, end_column: int) -> str:
    raw = [text.encode("utf-8", "surrogateescape") for text in lines]
    raw[-1] = raw[-1][:end_column]
    raw[0] = raw[0][column:]
    return b"".join(raw).decode("utf-8", "replace")


@lru_cache(maxsize=1)
def library_paths() -> tuple[str, ...]:
    """Folders whose code is nobody's own: the standard library and installed packages."""
    paths = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    return tuple(sorted({variant for path in paths if path for variant in _spellings(path)}))


def _spellings(path: str) -> set[str]:
    """A path as given, absolute, and with links resolved: code objects may carry any of them."""
    return {path, os.path.abspath(path), os.path.realpath(path)}


def apply_ownership(own_paths: Iterable[str] = ()) -> None:
    """Tell the native hooks whose code is whose.

    interprobe's own code is never recorded, and its demonstration kernels are a library like any
    other; its scenarios count as user code, because they show what a user would write.

    Args:
        own_paths: Files and folders that are the user's own wherever they lie; they add to those of
            earlier calls.
    """
    from interprobe import native

    for path in own_paths:
        for spelling in sorted(_spellings(path)):
            if spelling not in _own_paths:
                _own_paths.append(spelling)
    package = os.path.dirname(os.path.abspath(__file__))
    native.set_ownership(_own_paths, list(library_paths()), sorted(_spellings(package)))


def is_user_file(filename: str) -> bool:
    """Whether code from this file counts as the user's own."""
    from interprobe import native

    return native.is_user_file(filename)
