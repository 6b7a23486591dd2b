"""The code that hands an array to a foreign function with its element type declared, by binding."""

from __future__ import annotations

from interprobe.element_types import ElementType, ctypes_element, prototype_element

_CTYPES_CODES = {
    ("float", 4): "c_float",
    ("float", 8): "c_double",
    ("float", 16): "c_longdouble",
    ("complex", 8): "c_float",
    ("complex", 16): "c_double",
    ("bool", 1): "c_bool",
    ("time", 8): "c_int64",
}
_C_NAMES = {
    ("float", 4): "float",
    ("float", 8): "double",
    ("float", 16): "long double",
    ("complex", 8): "float _Complex",
    ("complex", 16): "double _Complex",
    ("bool", 1): "_Bool",
    ("time", 8): "int64_t",
}


def declared_element(binding: str, declared: str | None) -> ElementType | None:
    """The element type behind a pointer, as the binding's declaration names it.

    Args:
        binding: ``ctypes`` or ``cffi``; others declare no types.
        declared: Such as ``POINTER(c_double)`` (ctypes) or ``double *`` (cffi).

    Returns:
        None for raw memory, structures, pointers to pointers and values.
    """
    if declared is None:
        return None
    return prototype_element(declared) if binding == "cffi" else ctypes_element(declared)


def pointer_code(binding: str, array: str, element: ElementType) -> str:
    """The expression of a pointer to an array that declares its elements.

    Args:
        binding: ``cffi``, or else ctypes.
        array: The array's expression, ready to be followed by a dot.
        element: What an element of it is.
    """
    if binding == "cffi":
        name = _name(element, _C_NAMES, "int{}_t", "uint{}_t")
        if name is None:
            return f"ffi.from_buffer({array})"
        return f'ffi.from_buffer("{name}[]", {array})'
    name = _name(element, _CTYPES_CODES, "c_int{}", "c_uint{}")
    if name is None:
        return f"{array}.ctypes.data_as(ctypes.c_void_p)"
    return f"{array}.ctypes.data_as(ctypes.POINTER(ctypes.{name}))"


def _name(
    element: ElementType, names: dict[tuple[str, int], str], signed: str, unsigned: str
) -> str | None:
    """The binding's name of an element type; None where C has none."""
    if element.kind == "int":
        return signed.format(element.size * 8)
    if element.kind == "uint" or element == ElementType("float", 2):
        return unsigned.format(element.size * 8)
    return names.get((element.kind, element.size))
