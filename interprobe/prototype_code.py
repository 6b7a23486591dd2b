"""Writes the ctypes declarations that a true prototype asks for."""

from __future__ import annotations

import keyword
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from types import MappingProxyType

from interprobe.declared_types import class_name, ctypes_code, member_code
from interprobe.prototypes import CType, Prototype, StructLayout, bare

NO_CLASSES: Mapping[str, str] = MappingProxyType({})

_WIDTH = 96
_FULL_NAMES = re.compile(r"\bctypes\.(?=\w)")


def argtypes_code(prototype: Prototype, classes: Mapping[str, str] = NO_CLASSES) -> str:
    """The list for ``argtypes``: ``[ctypes.POINTER(ctypes.c_double), ctypes.c_size_t]``."""
    listed = [ctypes_code(each.type, classes=classes) for each in prototype.parameters]
    return f"[{', '.join(listed)}]"


def restype_code(prototype: Prototype, classes: Mapping[str, str] = NO_CLASSES) -> str:
    """The type for ``restype``."""
    return ctypes_code(prototype.returns, returned=True, classes=classes)


def assignments(
    function: str,
    prototype: Prototype,
    *,
    classes: Mapping[str, str] = NO_CLASSES,
    module: str = "ctypes",
    argtypes: bool = True,
    restype: bool = True,
) -> str:
    """The statements that declare a function.

    Args:
        function: As the program names it: ``lib.total``.
        prototype: The true one.
        classes: The ``ctypes.Structure`` classes that there are, by ``class_name``.
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


def attribute_code(library: str, name: str) -> str:
    """A function of a library; ``getattr`` where its name is a word of Python's own."""
    return f'getattr({library}, "{name}")' if keyword.iskeyword(name) else f"{library}.{name}"


def with_module(code: str, module: str) -> str:
    """Code with ctypes' names as a program reaches them."""
    return _FULL_NAMES.sub(f"{module}." if module else "", code)


def struct_code(layout: StructLayout, classes: Mapping[str, str], module: str = "ctypes") -> str:
    """The class of a structure; padding is left to ctypes, which pads as C does."""
    base = "Union" if layout.is_union else "Structure"
    name = _class_of(layout.name)
    fields = []
    for number, member in enumerate(layout.members):
        field = member.name or f"_{number}"
        field = f"{field}_" if keyword.iskeyword(field) else field
        fields.append(f'        ("{field}", {member_code(member.type, classes)}),')
    lines = [
        f"class {classes.get(name, name)}(ctypes.{base}):",
        "    _fields_ = [",
        *fields,
        "    ]",
    ]
    return with_module("\n".join(lines), module)


def block(
    prototypes: Sequence[Prototype],
    module: str = "ctypes",
    *,
    known: Mapping[str, str] = NO_CLASSES,
    half_declared: Collection[str] = (),
) -> str:
    """Declarations of several functions, with the structures that they need.

    Args:
        prototypes: Of the functions.
        module: What the program calls ctypes.
        known: The classes that the program has for structures, by ``class_name``.
        half_declared: Functions whose result is declared already.
    """
    layouts = {layout.name: layout for each in prototypes for layout in each.structs}
    classes = {_class_of(name): _class_of(name) for name in layouts} | dict(known)
    parts, named = [], set(known)
    for layout in _in_order(layouts):
        name = _class_of(layout.name)
        if name not in named:
            # Pointers to what comes later, or to itself, stay untyped.
            earlier = {key: value for key, value in classes.items() if key in named}
            parts.append(struct_code(layout, earlier, module))
            named.add(name)
    for each in prototypes:
        if _has_complex_values(each):
            parts.append(f"# {each.declaration}: ctypes passes complex numbers since Python 3.14")
            continue
        restype = each.name not in half_declared
        name = attribute_code("lib", each.name)
        parts.append(assignments(name, each, classes=classes, module=module, restype=restype))
    return "\n\n".join(parts)


def module_code(library: str, prototypes: Sequence[Prototype]) -> str:
    """A whole module that loads a library and declares its functions."""
    return f"import ctypes\n\nlib = ctypes.CDLL({library!r})\n\n{block(prototypes)}"


def _has_complex_values(prototype: Prototype) -> bool:
    """Whether complex numbers are passed or returned, and not only pointers to them."""
    types = [prototype.returns, *(each.type for each in prototype.parameters)]
    return any(type_.kind == "complex" for type_ in types)


def _class_of(name: str) -> str:
    return class_name(CType("struct", name))


def _in_order(layouts: Mapping[str, StructLayout]) -> Iterator[StructLayout]:
    """Structures behind those that they contain."""
    done: set[str] = set()

    def visit(layout: StructLayout, path: tuple[str, ...]) -> Iterator[StructLayout]:
        if layout.name in done or layout.name in path:
            return
        for member in layout.members:
            type_ = member.type
            while type_.kind == "array" and type_.target is not None:
                type_ = type_.target
            inner = layouts.get(bare(type_.spelling))
            if inner is not None:
                yield from visit(inner, (*path, layout.name))
        if layout.name not in done:
            done.add(layout.name)
            yield layout

    for layout in layouts.values():
        yield from visit(layout, ())
