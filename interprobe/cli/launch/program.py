"""What to run: a script, a directory or zip file, ``-m module`` or ``-c code``."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, PathFinder
from typing import Literal

from interprobe.cli.console.arguments import UsageError

_FLAGS = {"module": "-m", "command": "-c"}


@dataclass(frozen=True)
class Program:
    """A program and its arguments, as they would follow ``python`` on a command line."""

    kind: Literal["script", "archive", "module", "command"]
    value: str
    """The path as it was typed, the module's name, or the code."""
    arguments: list[str]

    @property
    def command(self) -> list[str]:
        """The words after ``python``: ``["-m", "package", "--flag"]``."""
        flag = [_FLAGS[self.kind]] if self.kind in _FLAGS else []
        return [*flag, self.value, *self.arguments]

    @property
    def argv(self) -> list[str]:
        """``sys.argv`` at the start of the program."""
        return [_FLAGS.get(self.kind, self.value), *self.arguments]

    @property
    def filename(self) -> str:
        """The absolute path of a script or archive, not normalised: CPython keeps ``./``."""
        return self.value if os.path.isabs(self.value) else f"{os.getcwd()}/{self.value}"

    @property
    def folder(self) -> str:
        """What plain ``python`` puts in front of ``sys.path``."""
        match self.kind:
            case "script":
                return os.path.dirname(os.path.realpath(self.value))
            case "archive":
                return self.filename
            case "module":
                return os.getcwd()
            case "command":
                return ""

    @property
    def extends_path(self) -> bool:
        """Whether plain ``python`` puts :attr:`folder` there (``-P`` and ``-I`` forbid it)."""
        return self.kind == "archive" or not sys.flags.safe_path

    @property
    def own_paths(self) -> list[str]:
        """Files and directories that are the user's own code, wherever they lie."""
        if self.kind == "command":
            return ["<string>"]
        if self.kind == "module":
            spec = _find(self.value.partition(".")[0], self._search_path)
            places = [*(spec.submodule_search_locations or []), spec.origin] if spec else []
            return [place for place in places if place]
        return sorted({self.filename, os.path.realpath(self.value)})

    def source(self) -> tuple[bytes | str, str] | None:
        """The source of the code that runs as ``__main__``, and its file name.

        None where there is none to be found; the launch then says so as python does. No package of
        the program is imported to find it.
        """
        if self.kind == "command":
            return self.value, "<string>"
        try:
            if self.kind == "script":
                with open(self.filename, "rb") as file:
                    return file.read(), self.filename
            spec = _find("__main__" if self.kind == "archive" else self.value, self._search_path)
            if spec is not None and spec.submodule_search_locations is not None:
                spec = _find(f"{spec.name}.__main__", self._search_path)
            get_source = getattr(spec and spec.loader, "get_source", None)
            if spec is None or spec.origin is None or get_source is None:
                return None
            text: str | None = get_source(spec.name)
            return None if text is None else (text, spec.origin)
        except (OSError, ImportError, UnicodeDecodeError):
            return None

    @property
    def _search_path(self) -> list[str]:
        return [self.folder, *sys.path] if self.extends_path else sys.path


def program(words: list[str]) -> Program:
    """The program that ``words``, the command line from TARGET on, stand for.

    Raises:
        UsageError: ``-m`` or ``-c`` lacks its value, or the path cannot be run.
    """
    first, rest = words[0], words[1:]
    if first[:2] in ("-m", "-c"):
        # Python takes the value glued to the flag as well: -mpackage.
        values = [first[2:], *rest] if first[2:] else rest
        if not values:
            needs = "the name of a module" if first == "-m" else "code"
            raise UsageError(f"{first} needs {needs} after it; see 'interprobe run --help'.")
        return Program("module" if first[:2] == "-m" else "command", values[0], values[1:])
    if not os.access(first, os.R_OK):
        raise UsageError(f"Cannot read {first!r}: permission denied.")
    found = Program("script", first, rest)
    return Program("archive", first, rest) if _is_archive(found.filename) else found


def _is_archive(filename: str) -> bool:
    """Whether modules can be imported from ``filename``: that is how CPython decides."""
    for hook in sys.path_hooks:
        try:
            hook(filename)
        except ImportError:
            continue
        return True
    return False


def _find(name: str, path: list[str]) -> ModuleSpec | None:
    """Find a module without importing its parent packages."""
    parent, _, _ = name.rpartition(".")
    if parent:
        package = _find(parent, path)
        if package is None or package.submodule_search_locations is None:
            return None
        path = list(package.submodule_search_locations)
    return PathFinder.find_spec(name, path)
