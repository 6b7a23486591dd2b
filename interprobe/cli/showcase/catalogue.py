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
    folder = os.path.dirname(word)
    try:
        files = [os.path.join(folder, entry) for entry in os.listdir(folder or ".")]
    except OSError:
        files = []
    looks_like_file = bool(folder) or word.endswith(".py")
    choice = nearest(word, files if looks_like_file else [*names(), *files])
    known = f"'interprobe list' shows the scenarios, {', '.join(names())}"
    ending = f"did you mean {choice!r}?" if choice else f"{known}."
    kind = "file" if looks_like_file else "scenario or file"
    return UsageError(f"There is no {kind} {word!r}; {ending}")
