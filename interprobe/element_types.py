"""What C reads through a declared pointer: kind and size of an element, from a type's name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["float", "complex", "int", "uint", "bool", "time"]


@dataclass(frozen=True)
class ElementType:
    """The type of one element, as far as a misreading depends on it.

    Attributes:
        kind: How its bits are read.
        size: Bytes.
    """

    kind: Kind
    size: int


# Sizes of 64-bit Linux (LP64), the only system whose traces there are. Characters and bytes are
# left out on purpose: a pointer to them says "raw memory", as `void *` does.
_C_TYPES: dict[str, ElementType] = {
    "float": ElementType("float", 4),
    "double": ElementType("float", 8),
    "long double": ElementType("float", 16),
    "complex float": ElementType("complex", 8),
    "complex double": ElementType("complex", 16),
    "complex long double": ElementType("complex", 32),
    "bool": ElementType("bool", 1),
    "short": ElementType("int", 2),
    "unsigned short": ElementType("uint", 2),
    "int": ElementType("int", 4),
    "unsigned int": ElementType("uint", 4),
    "long": ElementType("int", 8),
    "unsigned long": ElementType("uint", 8),
    "long long": ElementType("int", 8),
    "unsigned long long": ElementType("uint", 8),
    "intptr": ElementType("int", 8),
    "uintptr": ElementType("uint", 8),
    "ptrdiff": ElementType("int", 8),
    "ssize": ElementType("int", 8),
    "size": ElementType("uint", 8),
    "npy_intp": ElementType("int", 8),
    "npy_uintp": ElementType("uint", 8),
    "Py_ssize": ElementType("int", 8),
    **{f"int{8 * size}": ElementType("int", size) for size in (2, 4, 8)},
    **{f"uint{8 * size}": ElementType("uint", size) for size in (2, 4, 8)},
}

_CTYPES_NAMES = {
    "longdouble": "long double",
    "float_complex": "complex float",
    "double_complex": "complex double",
    "longdouble_complex": "complex long double",
    "ushort": "unsigned short",
    "uint": "unsigned int",
    "ulong": "unsigned long",
    "longlong": "long long",
    "ulonglong": "unsigned long long",
    "size_t": "size",
    "ssize_t": "ssize",
}
"""Names of ctypes after their ``c_``, where they are not the C name itself."""

_ARRAY_KINDS: dict[str, Kind] = {
    "float": "float",
    "complex": "complex",
    "int": "int",
    "uint": "uint",
    "datetime": "time",
    "timedelta": "time",
}

_TYPE_CHARACTERS: dict[str, Kind] = {
    "f": "float",
    "c": "complex",
    "i": "int",
    "u": "uint",
    "b": "bool",
    "M": "time",
    "m": "time",
}


def array_element(dtype: str) -> ElementType | None:
    """The element type of an array, by NumPy's name of its dtype.

    Args:
        dtype: Such as ``float32``, ``datetime64[ns]``, ``bool``.

    Returns:
        None for records, text, raw bytes and objects, and for the types of other packages.
    """
    if dtype == "bool":
        return ElementType("bool", 1)
    match = re.fullmatch(r"([a-z]+?)(\d+)(\[\w+\])?", dtype)
    kind = _ARRAY_KINDS.get(match[1]) if match else None
    return ElementType(kind, int(match[2]) // 8) if match and kind else None


def ctypes_element(declared: str) -> ElementType | None:
    """The element type behind a pointer that ctypes declares.

    Args:
        declared: Such as ``POINTER(c_double)``, ``LP_c_float``, ``c_int_Array_4`` or
            ``ndpointer_<f8_2d_C_CONTIGUOUS``.

    Returns:
        None where the declaration names no element type to compare: raw memory (``c_void_p``,
        bytes, characters), structures, pointers to pointers, and values that are no pointers.
    """
    name = declared.strip()
    if name.startswith("ndpointer"):
        return _ndpointer_element(name)
    pointed = re.fullmatch(r"POINTER\((.+)\)|LP_(.+)", name)
    inner = (pointed[1] or pointed[2]).strip() if pointed else name
    element = re.sub(r"(_Array_\d+)+$|(\s*\*\s*\d+)+$", "", inner)
    if pointed is None and element == inner:
        return None
    match = re.fullmatch(r"(?:ctypes\.)?c_(\w+)", element)
    return _C_TYPES.get(_CTYPES_NAMES.get(match[1], match[1])) if match else None


def prototype_element(declaration: str) -> ElementType | None:
    """The element type behind a pointer in a C prototype.

    Args:
        declaration: Such as ``const double *``, ``float *restrict x`` or ``int32_t [4]``.

    Returns:
        None for raw memory, structures, pointers to pointers, values, and types not known.
    """
    text = re.sub(r"\[[^\]]*\]", "*", declaration)
    if len(re.findall(r"\*", text)) != 1:
        return None
    words = re.findall(r"\w+", text.partition("*")[0])
    words = [word for word in words if word not in {"const", "volatile", "restrict", "static"}]
    return _C_TYPES.get(_canonical_name(words))


def _canonical_name(words: list[str]) -> str:
    """One spelling for the many that C has for a type: ``long unsigned int``, ``unsigned long``."""
    renamed = {"_Complex": "complex", "_Bool": "bool"}
    words = [renamed.get(word, word) for word in words]
    if len(words) == 1:
        return re.sub(r"_t$", "", words[0]) if words[0] != "unsigned" else "unsigned int"
    if "complex" in words:
        return " ".join(["complex", *(word for word in words if word != "complex")])
    sign = ["unsigned"] if "unsigned" in words else []
    # `short`, `long` and their signs go without the word `int` that may follow them.
    sizes = [word for word in words if word not in {"unsigned", "signed"}]
    if sizes != ["int"]:
        sizes = [word for word in sizes if word != "int"]
    return " ".join([*sign, *(sizes or ["int"])])


def _ndpointer_element(name: str) -> ElementType | None:
    """The element type in the name of a class that ``numpy.ctypeslib.ndpointer`` made."""
    match = re.match(r"ndpointer[_(][<>=|]?([a-zA-Z])(\d+)", name)
    if match:
        kind = _TYPE_CHARACTERS.get(match[1])
        element = ElementType(kind, int(match[2])) if kind else None
    else:
        spelled = re.match(r"ndpointer\((?:dtype=)?(?:np\.|numpy\.)?([a-z]+\d*)\b", name)
        element = array_element(spelled[1]) if spelled else None
    is_raw = element is not None and element.size == 1 and element.kind != "bool"
    return None if is_raw else element


def misread(declared: ElementType, given: ElementType, elements: int) -> bool:
    """Whether C, reading ``declared``, gets other numbers than the array holds.

    Reading the same bits under another sign, complex numbers as pairs of their parts, times as
    integers and half floats as the 16-bit integers that C has for them is common, and right.

    Args:
        declared: What C was told.
        given: What the array holds.
        elements: Length of the array in elements.
    """
    if declared.kind == "complex" and given.kind == "float":
        return not (given.size * 2 == declared.size and elements % 2 == 0)
    if declared.kind == "float" and given.kind == "complex":
        return declared.size * 2 != given.size
    if declared.size != given.size:
        return True
    if given.kind == "float" and given.size == 2:
        return False
    return _family(declared.kind) != _family(given.kind)


def _family(kind: Kind) -> str:
    """Kinds of one size that are read alike share a family."""
    return "integer" if kind in {"int", "uint", "bool", "time"} else kind
