"""What the expressions of a binding module evaluate to, as far as its declarations need it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from interprobe.declared_types import ctypes_type, simple_type
from interprobe.prototypes import (
    VOID,
    CType,
    Member,
    Prototype,
    StructLayout,
    array_of,
    bare,
    name_in_c,
    pointer_to,
)


class NotFollowed:
    """The value of an expression that is not followed; ``name`` where it is an attribute's."""

    def __init__(self, name: str | None = None) -> None:
        self.name = name


UNFOLLOWED = NotFollowed()


@dataclass(frozen=True)
class TypeValue:
    """A ctypes type, or one of several where the program decides; ``text`` is its expression."""

    types: tuple[CType, ...]
    text: str

    def map(self, change: Callable[[CType], CType], text: str) -> TypeValue:
        """The type that an operation makes of it."""
        return TypeValue(tuple(change(each) for each in self.types), text)


@dataclass(frozen=True)
class FunctionType:
    """What ``CFUNCTYPE(result, *arguments)`` makes; given a name and a library, it declares."""

    result: Any
    arguments: list[Any]


@dataclass(frozen=True)
class LibraryValue:
    """A loaded library; ``file`` is the last part of its path, where the source shows it."""

    file: str | None


@dataclass(frozen=True)
class FunctionValue:
    """A function of a library."""

    library: LibraryValue | None
    name: str


@dataclass(frozen=True)
class Reference:
    """A name in a module from elsewhere: ``numpy.float64``."""

    name: str


class Listed(list[Any]):
    """A list or tuple; ``lines`` are those of its elements in the source."""

    def __init__(self, values: list[Any], lines: list[int]) -> None:
        super().__init__(values)
        self.lines = lines


@dataclass
class Scope:
    """A class, or an instance of one: names and what they are."""

    names: dict[str, Any] = field(default_factory=dict)
    is_class: bool = False


@dataclass(frozen=True)
class Declaration:
    """One statement about a function's prototype.

    Attributes:
        function: Its name.
        library: Where it is from; None where that is not known.
        line: In the source, from 1.
        end_line: Of the last line.
        aspect: ``argtypes``, ``restype``, or ``cdef`` for both in C's words.
        value: A list of values, a value, or a prototype.
    """

    function: str
    library: LibraryValue | None
    line: int
    end_line: int
    aspect: str
    value: Any


@dataclass(frozen=True)
class Use:
    """One call of a library's function."""

    function: str
    library: LibraryValue | None
    line: int
    is_read: bool
    """Whether something is done with the result."""


@dataclass
class Bindings:
    """What a binding module says of its libraries' functions.

    Attributes:
        declarations: In the order of the source.
        uses: Calls of functions.
        layouts: The structures that it defines, by name.
        structure_lines: Where each structure's fields are.
        notes: (line, sentence): what could not be followed.
        module: What it calls ctypes: ``ct``; "" where it imports its names.
    """

    declarations: list[Declaration] = field(default_factory=list)
    uses: list[Use] = field(default_factory=list)
    layouts: dict[str, StructLayout] = field(default_factory=dict)
    structure_lines: dict[str, tuple[int, int]] = field(default_factory=dict)
    notes: list[tuple[int, str]] = field(default_factory=list)
    module: str = "ctypes"


CTYPES_POINTERS = frozenset(["c_void_p", "c_char_p", "c_wchar_p", "py_object"])


def ctypes_member(name: str) -> TypeValue | None:
    """One of ctypes' types by its name in that module."""
    type_ = simple_type(name) if name.startswith("c_") or name == "py_object" else None
    return TypeValue((type_,), name) if type_ is not None else None


def as_pointer(value: TypeValue) -> TypeValue:
    """``POINTER(value)``."""
    return value.map(pointer_to, f"POINTER({value.text})")


def as_array(value: TypeValue, length: int) -> TypeValue:
    """``value * length``."""
    return value.map(lambda each: array_of(each, length), f"{value.text} * {length}")


def as_argument(type_: CType) -> CType:
    """What C gets of a declared type: arrays cross as pointers."""
    if type_.kind == "array" and type_.target is not None:
        return pointer_to(type_.target)
    return type_


_PYTHON_DTYPES = {"float": "float64", "int": "int64", "complex": "complex128", "bool": "bool"}
_NUMPY_NAMES = {
    "double": "float64",
    "single": "float32",
    "half": "float16",
    "longdouble": "float128",
    "float_": "float64",
    "cdouble": "complex128",
    "csingle": "complex64",
    "complex_": "complex128",
    "intc": "int32",
    "uintc": "uint32",
    "intp": "int64",
    "uintp": "uint64",
    "int_": "int64",
    "uint": "uint64",
    "long": "int64",
    "ulong": "uint64",
    "longlong": "int64",
    "ulonglong": "uint64",
    "short": "int16",
    "ushort": "uint16",
    "byte": "int8",
    "ubyte": "uint8",
    "bool_": "bool",
    "d": "float64",
    "f": "float32",
    "i": "int32",
    "I": "uint32",
    "l": "int64",
    "L": "uint64",
    "q": "int64",
    "Q": "uint64",
    "F": "complex64",
    "D": "complex128",
    "h": "int16",
    "H": "uint16",
    "b": "int8",
    "B": "uint8",
    "?": "bool",
}
_CODES = {"f": "float", "c": "complex", "i": "int", "u": "uint", "b": "bool"}


def dtype_type(value: Any) -> CType | None:
    """The element type of a dtype as a program writes it; None where it is not followed."""
    if isinstance(value, TypeValue):
        return value.types[0] if len(value.types) == 1 else None
    if isinstance(value, Reference):
        module, _, name = value.name.rpartition(".")
        if module not in ("numpy", "builtins"):
            return None
        return _dtype_named(_PYTHON_DTYPES.get(name, name) if module == "builtins" else name)
    return _dtype_named(value) if isinstance(value, str) else None


def _dtype_named(name: str) -> CType | None:
    name = _PYTHON_DTYPES.get(name, name).lstrip("<=|>")
    name = _NUMPY_NAMES.get(name, name)
    kind = name.rstrip("0123456789")
    digits = name[len(kind) :]
    if name == "bool":
        return CType("bool", "bool", 1)
    if not digits:
        return None
    size = int(digits) if kind in _CODES else int(digits) // 8
    kind = _CODES.get(kind, kind)
    if kind not in ("float", "complex", "int", "uint", "bool"):
        return None
    spelled = name_in_c(kind, size)  # type: ignore[arg-type]
    return CType("char" if size == 1 and kind != "bool" else kind, spelled or name, size)  # type: ignore[arg-type]


def result_type(value: Any) -> tuple[CType, ...] | None:
    """What a restype makes ctypes read; None where it is not followed."""
    if value is None:
        return (VOID,)
    if isinstance(value, TypeValue):
        return value.types
    if isinstance(value, Reference) and value.name.startswith("builtins."):
        read = ctypes_type("callable")
        return (read,) if read is not None else None
    return None


def struct_layout(
    name: str,
    fields: list[tuple[str, CType]],
    pack: int,
    bases: dict[str, StructLayout],
    *,
    is_union: bool,
) -> StructLayout:
    """A structure's layout as ctypes computes it, by the rules of the x86-64 ABI."""
    members, at, size, widest = [], 0, 0, 1
    for field_name, type_ in fields:
        alignment = _alignment(type_, bases)
        alignment = min(alignment, pack) if pack else alignment
        widest = max(widest, alignment)
        start = 0 if is_union else -(-at // alignment) * alignment
        members.append(Member(field_name, type_, start))
        at = start + type_.size
        size = max(size, at)
    return StructLayout(name, -(-size // widest) * widest, members, is_union)


def _alignment(type_: CType, known: dict[str, StructLayout]) -> int:
    while type_.kind == "array" and type_.target is not None:
        type_ = type_.target
    if type_.kind == "struct":
        layout = known.get(bare(type_.spelling))
        inner = [_alignment(member.type, known) for member in layout.members] if layout else []
        return max(inner, default=1)
    return max(1, type_.size // 2 if type_.kind == "complex" else type_.size)


def cdef_declarations(
    prototypes: dict[str, tuple[Prototype, int]], line: int, end_line: int
) -> list[Declaration]:
    """The functions of one ``cdef``; their lines count from that of its string."""
    return [
        Declaration(
            name,
            None,
            min(line + offset, end_line),
            min(line + offset, end_line),
            "cdef",
            prototype,
        )
        for name, (prototype, offset) in prototypes.items()
    ]
