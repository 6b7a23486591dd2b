"""Writes the ctypes declarations that a true prototype asks for."""

from __future__ import annotations

import keyword
import re

from interprobe.declared_types import class_name, ctypes_code
from interprobe.prototypes import Prototype, StructLayout

_WIDTH = 96
_FULL_NAMES = re.compile(r"\bctypes\.(?=\w)")


def argtypes_code(prototype: Prototype, classes: frozenset[str] = frozenset()) -> str:
    """The list for ``argtypes``: ``[ctypes.POINTER(ctypes.c_double), ctypes.c_size_t]``."""
    listed = [ctypes_code(each.type, classes=classes) for each in prototype.parameters]
    return f"[{', '.join(listed)}]"


def restype_code(prototype: Prototype, classes: frozenset[str] = frozenset()) -> str:
    """The type for ``restype``."""
    return ctypes_code(prototype.returns, returned=True, classes=classes)


def assignments(
    function: str,
    prototype: Prototype,
    *,
    classes: frozenset[str] = frozenset(),
    module: str = "ctypes",
    argtypes: bool = True,
    restype: bool = True,
) -> str:
    """The statements that declare a function.

    Args:
        function: As the program names it: ``lib.total``.
        prototype: The true one.
        classes: The ``ctypes.Structure`` classes that there are.
        module: What the program calls ctypes: ``ct``; "" where it imports its names.
        argtypes: Whether to declare the arguments.
        restype: Whether to declare the result.
    """
    lines = []
    if argtypes:
        line = f"{function}.argtypes = {argtypes_code(prototype, classes)}"
        if len(line) > _WIDTH:
            listed = [ctypes_code(each.type, classes=classes) for each in prototype.parameters]
            line = "\n".join(
                [f"{function}.argtypes = [", *(f"    {each}," for each in listed), "]"]
            )
        lines.append(line)
    if restype:
        lines.append(f"{function}.restype = {restype_code(prototype, classes)}")
    return with_module("\n".join(lines), module)


def with_module(code: str, module: str) -> str:
    """Code with ctypes' names as a program reaches them."""
    return _FULL_NAMES.sub(f"{module}." if module else "", code)


def struct_code(layout: StructLayout, classes: frozenset[str], module: str = "ctypes") -> str:
    """The class of a structure; padding is left to ctypes, which pads as C does."""
    from interprobe.prototypes import CType

    base = "Union" if layout.is_union else "Structure"
    fields = []
    for number, member in enumerate(layout.members):
        name = member.name or f"_{number}"
        name = f"{name}_" if keyword.iskeyword(name) else name
        fields.append(f'        ("{name}", {ctypes_code(member.type, classes=classes)}),')
    name = class_name(CType("struct", layout.name))
    lines = [f"class {name}(ctypes.{base}):", "    _fields_ = [", *fields, "    ]"]
    return with_module("\n".join(lines), module)
