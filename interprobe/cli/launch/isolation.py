"""Keeps interprobe's imports and the program's apart, where both would use the same name."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.machinery import PathFinder
from types import ModuleType

# What every interpreter has imported before it looks at sys.path[0].
_STARTUP_MODULES = frozenset({"encodings", "site", "sitecustomize", "usercustomize"})
# NumPy cannot be loaded a second time: interprobe watches the one that the program has.
_NEVER_MOVED = _STARTUP_MODULES | {"__main__", "interprobe", "numpy"}


class Imports:
    """Interprobe's own imports: the path that they take, and what they must not hide.

    A program with a ``queue.py`` beside it gets that and not the standard library's, also where
    interprobe has imported the latter; and interprobe gets the standard library's, also where the
    program has imported its own.
    """

    def __init__(self, folder: str | None) -> None:
        """Remember ``sys.path`` as it is before the program runs.

        Args:
            folder: What will be put in front of it for the program; "" is the current directory.
        """
        self._path = list(sys.path)
        self._folder = os.getcwd() if folder == "" else folder
        self._hidden: dict[str, ModuleType] = {}
        """Modules that interprobe uses and the program must not find."""
        self._hide(sys.modules)

    @contextmanager
    def own(self) -> Iterator[None]:
        """Import, within, as if there were no program; a warning of another package is not its."""
        theirs, sys.path = sys.path, list(self._path)
        shadowing = self._take_shadowing({os.path.abspath(entry) for entry in theirs})
        # Some module may import __main__ and keep it, and with it what the program had destroyed.
        main = sys.modules.get("__main__")
        sys.modules["__main__"] = ModuleType("__main__")
        lent = {name: self._hidden[name] for name in self._hidden if name not in sys.modules}
        sys.modules.update(lent)
        before = set(sys.modules)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        finally:
            sys.path = theirs
            for name in lent:
                sys.modules.pop(name, None)
            self._hide(set(sys.modules) - before)
            sys.modules.update(shadowing)
            if main is None:
                del sys.modules["__main__"]
            else:
                sys.modules["__main__"] = main

    def _hide(self, candidates: Iterable[str]) -> None:
        """Take those of the modules away that the program's folder has modules of its own for."""
        if self._folder is None:
            return
        try:
            present = {entry.name.partition(".")[0] for entry in os.scandir(self._folder)}
        except OSError:
            return  # A zip file: only a directory is searched.
        for name in present & {candidate.partition(".")[0] for candidate in candidates}:
            origin = _origin(sys.modules.get(name))
            if origin is None or name in _NEVER_MOVED:
                continue
            found = PathFinder.find_spec(name, [self._folder])
            # A folder without __init__.py gives way to a module further down the path, and the
            # current directory may be site-packages itself.
            if (
                found is not None
                and found.origin is not None
                and os.path.realpath(found.origin) != os.path.realpath(origin)
            ):
                self._hidden.update(_take(name))

    def _take_shadowing(self, path: set[str]) -> dict[str, ModuleType]:
        """Remove the program's modules that have the name of one on interprobe's own path."""
        folders = path - {os.path.abspath(entry) for entry in self._path}
        taken: dict[str, ModuleType] = {}
        for name in [name for name in sys.modules if "." not in name]:
            if name in _NEVER_MOVED or _home(sys.modules[name]) not in folders:
                continue
            if name in self._hidden or PathFinder.find_spec(name, self._path) is not None:
                taken.update(_take(name))
        return taken


def _take(name: str) -> dict[str, ModuleType]:
    """Remove a module and its submodules from ``sys.modules``, and return them."""
    names = [module for module in sys.modules if module == name or module.startswith(f"{name}.")]
    return {module: sys.modules.pop(module) for module in names}


def _origin(module: ModuleType | None) -> str | None:
    """The file of a module; None for one that is part of the interpreter."""
    origin: str | None = getattr(getattr(module, "__spec__", None), "origin", None)
    return None if origin in ("built-in", "frozen") else origin


def _home(module: ModuleType | None) -> str | None:
    """The folder in which a module or package lies."""
    origin = _origin(module)
    if origin is None:
        return None
    home = os.path.dirname(os.path.abspath(origin))
    return os.path.dirname(home) if hasattr(module, "__path__") else home
