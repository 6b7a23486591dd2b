"""Finds the scenarios by name."""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
from typing import Any, Protocol, cast

import interprobe.scenarios
from interprobe.cli.console.arguments import UsageError, nearest


class Scenario(Protocol):
    """A module of ``interprobe.scenarios``; see there for what each name means."""

    __file__: str
    TITLE: str
    EXPECTED: tuple[str, ...]
    SAME_NUMBERS: bool
    SIZE: int

    def prepare(self, size: int) -> Any:
        """Make the inputs of both sides; ``size`` in MiB."""

    def bad(self, data: Any) -> tuple[float, ...]:
        """Commit the pitfall."""

    def good(self, data: Any) -> tuple[float, ...]:
        """Do the same without it."""


def names() -> list[str]:
    """The names of all scenarios, as a person types them."""
    modules = pkgutil.iter_modules(interprobe.scenarios.__path__)
    return sorted(module.name.replace("_", "-") for module in modules)


def load(name: str) -> Scenario:
    """The scenario of a name."""
    module = importlib.import_module(f"interprobe.scenarios.{name.replace('-', '_')}")
    return cast(Scenario, module)


def explanation(scenario: Scenario) -> str:
    """What a scenario's docstring says about its pitfall, without indentation."""
    return inspect.cleandoc(scenario.__doc__ or "")


def no_target(word: str) -> UsageError:
    """The error of a TARGET that is neither a scenario nor a file; it names the nearest of both."""
    if os.path.isdir(word):
        return UsageError(f"The directory {word!r} has no __main__.py: it cannot be run.")
    if word == "-":
        return UsageError("A program cannot be read from standard input; give a file or -c code.")
    programs = _programs_in(os.path.dirname(word))
    stem = os.path.splitext(word)[0]
    if os.sep in word or word.endswith(".py"):
        choice = programs.get(nearest(stem, programs) or "")
        ending = f"; did you mean {choice!r}?" if choice else "."
        return UsageError(f"There is no file {word!r}{ending}")
    choices = {**programs, **{name: name for name in names()}}
    choice = choices.get(nearest(stem, choices) or "")
    listed = f"the scenarios are {', '.join(names())}."
    ending = f"did you mean {choice!r}?" if choice else listed
    return UsageError(f"There is no scenario or file {word!r}; {ending}")


def _programs_in(folder: str) -> dict[str, str]:
    """Paths of the programs in a folder, by the same without their extension."""
    try:
        entries = list(os.scandir(folder or "."))
    except OSError:
        return {}
    paths = [
        os.path.join(folder, entry.name)
        for entry in entries
        if entry.name.endswith(".py") or os.path.exists(os.path.join(entry.path, "__main__.py"))
    ]
    return {os.path.splitext(path)[0]: path for path in paths}
