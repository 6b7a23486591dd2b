"""C prototypes as values: parameters, results, and the layouts of structures."""

from __future__ import annotations

from typing import Literal

import msgspec

TypeKind = Literal[
    "void", "bool", "char", "int", "uint", "float", "complex",
    "pointer", "array", "struct", "function", "unknown",
]  # fmt: skip


class CType(msgspec.Struct, frozen=True):
    """A C type with its typedefs resolved, as far as a call depends on it.

    Attributes:
        kind: How its bits are read. Enumerations are ``int`` or ``uint``, unions are ``struct``.
        spelling: As C writes it without a name: ``const double *restrict``.
        size: Bytes; 0 where it is not known, or there is none.
        target: What a pointer points to, or what an array consists of.
        length: Elements of an array; 0 where C leaves it open.
    """

    kind: TypeKind
    spelling: str
    size: int = 0
    target: CType | None = None
    length: int = 0


class Parameter(msgspec.Struct, frozen=True):
    """One parameter of a function; ``name`` is None where the prototype has none."""

    name: str | None
    type: CType


class Member(msgspec.Struct, frozen=True):
    """One member of a structure; ``offset`` in bytes."""

    name: str
    type: CType
    offset: int


class StructLayout(msgspec.Struct, frozen=True):
    """How a structure lies in memory.

    Attributes:
        name: As :attr:`CType.spelling` has it: ``struct cdemo_record``, or a typedef's name.
        size: Bytes, padding included.
        members: In the order of their declaration.
        is_union: Whether all members lie at offset 0.
    """

    name: str
    size: int
    members: list[Member]
    is_union: bool = False


class Prototype(msgspec.Struct, frozen=True):
    """What a C function takes and returns.

    Attributes:
        name: The function's name.
        returns: The type of its result.
        parameters: In order.
        variadic: Whether further arguments may follow, or nothing is said of them.
        structs: Layouts of the structures that the parameters and the result refer to.
        source: Where this is known from: ``debug information`` or the path of a header.
    """

    name: str
    returns: CType
    parameters: list[Parameter]
    variadic: bool = False
    structs: list[StructLayout] = []
    source: str = "debug information"

    @property
    def declaration(self) -> str:
        """The prototype as C writes it, on one line."""
        listed = [declared(each.type.spelling, each.name or "") for each in self.parameters] + (
            ["..."] if self.variadic else []
        )
        return declared(self.returns.spelling, f"{self.name}({', '.join(listed) or 'void'})")

    def layout_of(self, type_: CType) -> StructLayout | None:
        """The layout of a structure type, where it is known."""
        name = bare(type_.spelling)
        return next((layout for layout in self.structs if layout.name == name), None)


VOID = CType("void", "void")
UNKNOWN = CType("unknown", "?")

QUALIFIERS = ("const", "volatile", "restrict", "_Atomic")


def bare(spelling: str) -> str:
    """The name of a type without the qualifiers in front of it."""
    words = spelling.split()
    while words and words[0] in QUALIFIERS:
        del words[0]
    return " ".join(words)


def declared(spelling: str, name: str) -> str:
    """A type around the name of what is declared: ``double (*f)(int)``, ``double x[3]``."""
    if not name:
        return spelling
    at = spelling.find("(*")
    if at >= 0:
        # A pointer to a function or an array: the name goes behind the star and its qualifiers.
        inside = spelling.index(")", at)
        gap = "" if spelling[inside - 1] == "*" else " "
        return f"{spelling[:inside]}{gap}{name}{spelling[inside:]}"
    at = spelling.find("[")
    if at >= 0:
        return f"{spelling[:at].rstrip()} {name}{spelling[at:]}"
    return f"{spelling}{name}" if spelling.endswith("*") else f"{spelling} {name}"


def pointer_to(target: CType, qualifiers: str = "") -> CType:
    """The type of pointers to a type; ``qualifiers`` are the pointer's own: ``restrict``."""
    star = "*" + qualifiers
    if target.kind == "function":
        at = target.spelling.index("(")
        spelling = f"{target.spelling[:at]}({star}){target.spelling[at:]}"
    elif target.kind == "array":
        at = target.spelling.index("[")
        spelling = f"{target.spelling[:at].rstrip()} ({star}){target.spelling[at:]}"
    elif "(*" in target.spelling:
        spelling = target.spelling.replace("(*", f"(*{star}", 1)
    else:
        gap = "" if target.spelling.endswith("*") else " "
        spelling = f"{target.spelling}{gap}{star}"
    return CType("pointer", spelling, 8, target)


def array_of(element: CType, length: int) -> CType:
    """The type of arrays of a type; a ``length`` of 0 is left open."""
    at = element.spelling.find("[")
    number = f"[{length or ''}]"
    spelling = (
        f"{element.spelling} {number}"
        if at < 0
        else f"{element.spelling[:at]}{number}{element.spelling[at:]}"
    )
    return CType("array", spelling, element.size * length, element, length)


def function_of(returns: CType, parameters: list[CType], *, variadic: bool = False) -> CType:
    """The type of functions, as it is behind a pointer."""
    listed = [each.spelling for each in parameters] + (["..."] if variadic else [])
    return CType("function", f"{returns.spelling} ({', '.join(listed) or 'void'})")


def qualified(type_: CType, qualifier: str) -> CType:
    """A type with ``const``, ``volatile`` or ``restrict``, written where C writes it."""
    if type_.kind == "pointer":
        if "(*" in type_.spelling:
            return msgspec.structs.replace(
                type_,
                spelling=type_.spelling.replace("(*", f"(*{qualifier} ", 1).replace(" )", ")"),
            )
        gap = "" if type_.spelling.endswith("*") else " "
        return msgspec.structs.replace(type_, spelling=f"{type_.spelling}{gap}{qualifier}")
    if qualifier in type_.spelling.split():
        return type_
    return msgspec.structs.replace(type_, spelling=f"{qualifier} {type_.spelling}")


_WORDS = {"int", "short", "long", "unsigned", "signed", "char", "float", "double", "_Bool"}
_SIZES: dict[str, tuple[TypeKind, int]] = {
    "bool": ("bool", 1),
    "char": ("char", 1),
    "signed char": ("char", 1),
    "unsigned char": ("char", 1),
    "short": ("int", 2),
    "unsigned short": ("uint", 2),
    "int": ("int", 4),
    "unsigned int": ("uint", 4),
    "long": ("int", 8),
    "unsigned long": ("uint", 8),
    "long long": ("int", 8),
    "unsigned long long": ("uint", 8),
    "float": ("float", 4),
    "double": ("float", 8),
    "long double": ("float", 16),
    "float _Complex": ("complex", 8),
    "double _Complex": ("complex", 16),
    "long double _Complex": ("complex", 32),
    "wchar_t": ("int", 4),
}
"""Arithmetic types by their shortest name, on 64-bit Linux (LP64)."""

STANDARD_NAMES = frozenset(
    [f"{sign}int{bits}_t" for sign in ("", "u") for bits in (8, 16, 32, 64)]
    + ["size_t", "ssize_t", "ptrdiff_t", "intptr_t", "uintptr_t", "wchar_t", "bool", "off_t"]
)
"""Typedefs that every C programmer knows: they stay as they are written."""


def shortest_name(name: str) -> str:
    """One spelling for the many that C has: ``long unsigned int`` is ``unsigned long``."""
    words = name.replace("__complex__", "_Complex").split()
    words = ["_Complex" if word == "complex" else word for word in words]
    if not words or not set(words) <= _WORDS | {"_Complex"}:
        return name
    if words == ["_Bool"]:
        return "bool"
    complex_ = ["_Complex"] if "_Complex" in words else []
    words = [word for word in words if word != "_Complex"]
    sign = ["unsigned"] if "unsigned" in words else []
    if "char" in words and "signed" in words:
        sign = ["signed"]
    rest = [word for word in words if word not in ("unsigned", "signed")]
    if "short" in rest or "long" in rest:
        rest = [word for word in rest if word != "int"]
    rest = sorted(rest or ["int"], key=lambda word: word != "long")
    return " ".join([*sign, *rest, *complex_])


def arithmetic(name: str) -> CType | None:
    """An arithmetic type by any name that C has for it; None for other names."""
    short = shortest_name(name)
    found = _SIZES.get(short)
    return CType(found[0], short, found[1]) if found else None


_BY_SIZE: dict[tuple[TypeKind, int], str] = {
    ("int", 1): "int8_t",
    ("int", 2): "int16_t",
    ("int", 4): "int32_t",
    ("int", 8): "int64_t",
    ("uint", 1): "uint8_t",
    ("uint", 2): "uint16_t",
    ("uint", 4): "uint32_t",
    ("uint", 8): "uint64_t",
    ("bool", 1): "bool",
    ("char", 1): "char",
    ("float", 4): "float",
    ("float", 8): "double",
    ("float", 16): "long double",
    ("complex", 8): "float _Complex",
    ("complex", 16): "double _Complex",
}


def name_in_c(kind: TypeKind, size: int) -> str | None:
    """What C calls a number of that kind and size, for languages that call it otherwise."""
    return _BY_SIZE.get((kind, size))
