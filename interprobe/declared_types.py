"""What a declaration means to C: ctypes' and cffi's types as C types, and the way back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from interprobe.element_types import ctypes_element
from interprobe.prototypes import (
    UNKNOWN,
    VOID,
    CType,
    arithmetic,
    bare,
    name_in_c,
    pointer_to,
    qualified,
)

_SIMPLE: dict[str, str] = {
    "c_bool": "bool",
    "c_char": "char",
    "c_byte": "signed char",
    "c_ubyte": "unsigned char",
    "c_short": "short",
    "c_ushort": "unsigned short",
    "c_int": "int",
    "c_uint": "unsigned int",
    "c_long": "long",
    "c_ulong": "unsigned long",
    "c_longlong": "long long",
    "c_ulonglong": "unsigned long long",
    "c_float": "float",
    "c_double": "double",
    "c_longdouble": "long double",
    "c_float_complex": "float _Complex",
    "c_double_complex": "double _Complex",
    "c_longdouble_complex": "long double _Complex",
    "c_wchar": "int",
    "c_size_t": "unsigned long",
    "c_ssize_t": "long",
    "c_time_t": "long",
    "c_int8": "signed char",
    "c_uint8": "unsigned char",
    "c_int16": "short",
    "c_uint16": "unsigned short",
    "c_int32": "int",
    "c_uint32": "unsigned int",
    "c_int64": "long",
    "c_uint64": "unsigned long",
    "HRESULT": "int",
}
_POINTERS: dict[str, CType] = {
    "c_void_p": VOID,
    "c_char_p": CType("char", "char", 1),
    "c_wchar_p": CType("int", "wchar_t", 4),
    "py_object": VOID,
    # What ctypes makes of Python objects where nothing is declared.
    "bytes": CType("char", "char", 1),
    "str": CType("int", "wchar_t", 4),
    "NoneType": VOID,
    "CArgObject": VOID,
    "_ctypes": VOID,
    "CFunctionType": CType("function", "void ()"),
    "CFuncPtr": CType("function", "void ()"),
    "_FuncPtr": CType("function", "void ()"),
}

_CTYPES_NAMES: dict[str, str] = {
    "bool": "c_bool",
    "char": "c_char",
    "signed char": "c_byte",
    "unsigned char": "c_ubyte",
    "short": "c_short",
    "unsigned short": "c_ushort",
    "int": "c_int",
    "unsigned int": "c_uint",
    "long": "c_long",
    "unsigned long": "c_ulong",
    "long long": "c_longlong",
    "unsigned long long": "c_ulonglong",
    "float": "c_float",
    "double": "c_double",
    "long double": "c_longdouble",
    "float _Complex": "c_float_complex",
    "double _Complex": "c_double_complex",
    "long double _Complex": "c_longdouble_complex",
    "size_t": "c_size_t",
    "ssize_t": "c_ssize_t",
    "ptrdiff_t": "c_ssize_t",
    "intptr_t": "c_ssize_t",
    "uintptr_t": "c_size_t",
    "off_t": "c_int64",
    "wchar_t": "c_wchar",
    **{
        f"{sign}int{bits}_t": f"c_{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)
    },
}


def simple_type(name: str) -> CType | None:
    """One of ctypes' simple types by its name, ``c_double``; None where there is none."""
    if name in _POINTERS:
        return pointer_to(_POINTERS[name])
    return arithmetic(_SIMPLE[name]) if name in _SIMPLE else None


def ctypes_type(text: str) -> CType | None:
    """What C gets for a type or argument, as ctypes calls it in a record.

    Args:
        text: ``POINTER(c_double)``, ``LP_c_float``, ``c_int_Array_4``, ``ndpointer_<f8``, or of an
            argument without a declaration the Python type: ``int``, ``bytes``, ``c_double``.

    Returns:
        None where the name does not tell: structures, and classes of the program's own.
    """
    name = text.strip().removeprefix("ctypes.")
    if name == "None":
        return VOID
    if name in ("int", "callable"):
        return CType("int", "int", 4)
    if name.startswith("ndpointer"):
        element = ctypes_element(name)
        if element is None:
            return pointer_to(VOID)
        spelled = name_in_c(element.kind, element.size) if element.kind != "time" else "int64_t"
        kind = "int" if element.kind == "time" else element.kind
        return pointer_to(CType(kind, spelled or "?", element.size))
    pointed = re.fullmatch(r"POINTER\((.+)\)|LP_(.+)", name)
    if pointed is not None:
        inner = pointed[1] or pointed[2]
        return pointer_to(_element(inner) or UNKNOWN)
    element_name = re.sub(r"(_Array_\d+)+$", "", name)
    if element_name != name:
        return pointer_to(_element(element_name) or UNKNOWN)
    return simple_type(name)


def _element(name: str) -> CType | None:
    """What a pointer points to: elements of arrays count as such."""
    plain = re.sub(r"(_Array_\d+)+$|(\s*\*\s*\d+)+$", "", name.strip())
    return ctypes_type(plain)


def c_type(text: str) -> CType:
    """A type that C's own words declare, as cffi keeps it: ``double *``, ``unsigned int``."""
    text = text.strip()
    if "(" in text:
        return pointer_to(CType("function", "void ()"))
    match = re.fullmatch(r"(.*?)\[(\d*)\]", text)
    if match is not None:
        return pointer_to(c_type(match[1]))
    words = re.findall(r"\w+|\*", text)
    base = words[: words.index("*") if "*" in words else None]
    constants = [word for word in base if word in ("const", "volatile")]
    base = [word for word in base if word not in ("const", "volatile", "restrict")]
    name = " ".join(base)
    type_ = VOID if name == "void" else arithmetic(name) or _standard(name)
    if type_ is None:
        kind = "struct" if base[:1] in (["struct"], ["union"]) else "unknown"
        type_ = CType("struct", name) if kind == "struct" else CType("unknown", name or "?")
    for word in constants:
        type_ = qualified(type_, word)
    for _ in range(words.count("*")):
        type_ = pointer_to(type_)
    return type_


def cffi_signature(text: str) -> tuple[list[CType], CType, bool] | None:
    """Parameters, result and whether more may follow, of a function's type as cffi calls it.

    Args:
        text: ``double(*)(double *, size_t)``.
    """
    at = text.find("(*)(")
    if at < 0 or not text.endswith(")"):
        return None
    inside, parts, depth, current = text[at + 4 : -1], [], 0, ""
    for character in inside:
        depth += (character in "([") - (character in ")]")
        if character == "," and depth == 0:
            parts.append(current.strip())
            current = ""
        else:
            current += character
    parts = [part for part in (*parts, current.strip()) if part]
    variadic = parts[-1:] == ["..."]
    parameters = [c_type(part) for part in parts if part != "..."]
    return parameters, c_type(text[:at]), variadic


def _standard(name: str) -> CType | None:
    fixed = re.fullmatch(r"(u?)int(8|16|32|64)_t", name)
    if fixed is not None:
        size = int(fixed[2]) // 8
        kind = "char" if size == 1 else "uint" if fixed[1] else "int"
        return CType(kind, name, size)  # type: ignore[arg-type]
    if name in ("size_t", "uintptr_t"):
        return CType("uint", name, 8)
    if name in ("ssize_t", "ptrdiff_t", "intptr_t", "off_t"):
        return CType("int", name, 8)
    return CType("bool", name, 1) if name == "bool" else None


def ctypes_code(
    type_: CType, *, returned: bool = False, classes: Mapping[str, str] = MappingProxyType({})
) -> str:
    """The ctypes expression that declares a C type.

    Args:
        type_: The type.
        returned: Whether it is a function's result: ``void`` is None there.
        classes: The classes of structures, by :func:`class_name`.
    """
    if type_.kind == "void":
        return "None"
    if type_.kind == "array" and type_.target is not None:
        pairs = 2 if type_.target.kind == "complex" else 1
        element = _part_of(type_.target) if pairs == 2 else type_.target
        return f"{ctypes_code(element, classes=classes)} * {type_.length * pairs}"
    if type_.kind == "struct":
        name = class_name(type_)
        words, rest = divmod(type_.size, 8)
        raw = f"ctypes.c_byte * {type_.size}" if rest or not words else f"ctypes.c_uint64 * {words}"
        return classes.get(name, raw)
    if type_.kind == "pointer" and type_.target is not None:
        target = type_.target
        if target.kind == "char" and bare(target.spelling) == "char":
            constant = "const" in target.spelling.split()
            return "ctypes.c_char_p" if constant or not returned else "ctypes.c_void_p"
        if target.kind in ("void", "function", "unknown", "array"):
            return "ctypes.c_void_p"
        if target.kind == "struct" and class_name(target) not in classes:
            return "ctypes.c_void_p"
        element = _part_of(target) if target.kind == "complex" else target
        return f"ctypes.POINTER({ctypes_code(element, classes=classes)})"
    spelled = bare(type_.spelling)
    known = name_in_c(type_.kind, type_.size) or ""
    return f"ctypes.{_CTYPES_NAMES.get(spelled) or _CTYPES_NAMES.get(known, 'c_void_p')}"


def member_code(type_: CType, classes: Mapping[str, str]) -> str:
    """The ctypes expression for a member of a structure."""
    if type_.kind == "complex":
        return f"{ctypes_code(_part_of(type_), classes=classes)} * 2"
    return ctypes_code(type_, classes=classes)


def _part_of(type_: CType) -> CType:
    """What a complex number in memory is a pair of: ctypes has complex types since Python 3.14."""
    spelling = {4: "float", 8: "double"}.get(type_.size // 2, "long double")
    return CType("float", spelling, type_.size // 2)


def class_name(type_: CType) -> str:
    """The name of the ``ctypes.Structure`` for a structure type: ``cdemo_record``."""
    name = bare(type_.spelling).removeprefix("struct ").removeprefix("union ")
    # Two underscores in front would be mangled in the body of another class.
    return re.sub(r"\W", "_", name).lstrip("_") or "struct"
