"""Finds the import statements in compiled code: which modules, and what is taken of them."""

from __future__ import annotations

import dis
from collections.abc import Iterator, Mapping
from types import CodeType
from typing import Any

Statement = tuple[str, tuple[str, ...] | None]
"""A module's absolute name, and the names behind ``from module import``; None where all is."""


def statements_of(code: CodeType, namespace: Mapping[str, Any]) -> Iterator[Statement]:
    """The import statements of ``code``, without those of functions defined in it.

    Args:
        code: Of a module, a function or a class body.
        namespace: Its globals: relative names are resolved against them.
    """
    arguments: list[Any] = [0, None]
    for instruction in dis.get_instructions(code):
        if instruction.opname == "IMPORT_NAME":
            level, names = arguments[-2:]
            name = _absolute(instruction.argval, level, namespace)
            if name is not None:
                yield name, names if isinstance(names, tuple) and names else None
        elif instruction.opname.startswith("LOAD_"):
            arguments.append(instruction.argval)
            del arguments[:-2]


def _absolute(name: str, level: object, namespace: Mapping[str, Any]) -> str | None:
    if not isinstance(level, int) or level == 0:
        return name
    package = namespace.get("__package__")
    if not isinstance(package, str):
        package = str(namespace.get("__name__", ""))
        if "__path__" not in namespace:
            package = package.rpartition(".")[0]
    parts = package.split(".")
    if not package or level > len(parts):
        return None
    base = ".".join(parts[: len(parts) - level + 1])
    return f"{base}.{name}" if name else base
