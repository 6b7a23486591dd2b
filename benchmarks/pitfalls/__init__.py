"""Pitfalls with known cures, a file for each kind of binding; README.md says what they are for.

Each file has ``CASES``. A new file or case needs no entry anywhere else.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple


class Sides(NamedTuple):
    """The same result twice.

    Attributes:
        bad: The crossing with the pitfall: the call, and the conversion before it if there is one.
            A function named ``bad``, by which it is found in a trace.
        good: The crossing alone, with arrays as the callee wants them.
    """

    bad: Callable[[], Any]
    good: Callable[[], Any]


@dataclass(frozen=True)
class Pitfall:
    """A crossing and its cure.

    Attributes:
        name: Unique among all files.
        binding: Kind of the binding, and the library if it is somebody else's.
        what: The pitfall, for the table.
        prepare: Makes the arrays, given the folder of the compiled modules.
        needs: Names of the modules that it imports.
    """

    name: str
    binding: str
    what: str
    prepare: Callable[[Path], Sides]
    needs: tuple[str, ...]


def pitfalls() -> list[Pitfall]:
    """All cases, in the order of the files."""
    names = sorted(each.name for each in pkgutil.iter_modules(__path__))
    return [case for name in names for case in importlib.import_module(f"{__name__}.{name}").CASES]
