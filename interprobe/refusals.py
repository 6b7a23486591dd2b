"""What a callee demanded of an array when it refused one, and whether an array meets that."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import prod
from typing import Literal

from interprobe.layout import Layout
from interprobe.wording import (
    bytes_text,
    counted,
    element_text,
    gaps_text,
    is_broadcast,
    item_size,
    listed,
    shape_text,
)

Form = Literal["C", "F", "contiguous"]

_C_NAMES = {
    "char": "int8",
    "signed char": "int8",
    "unsigned char": "uint8",
    "short": "int16",
    "unsigned short": "uint16",
    "int": "int32",
    "unsigned int": "uint32",
    "unsigned": "uint32",
    "long": "int64",
    "unsigned long": "uint64",
    "long long": "int64",
    "unsigned long long": "uint64",
    "float": "float32",
    "double": "float64",
    "long double": "longdouble",
    "complex float": "complex64",
    "complex double": "complex128",
    "float complex": "complex64",
    "double complex": "complex128",
    "complex long double": "clongdouble",
    "size_t": "uint64",
    "ssize_t": "int64",
    "Py_ssize_t": "int64",
    "npy_intp": "int64",
    "intp": "int64",
    "bool": "bool",
    "_Bool": "bool",
    "Python object": "object",
    "PyObject *": "object",
    # Rust's, as rust-numpy writes them.
    "f32": "float32",
    "f64": "float64",
    **{f"i{bits}": f"int{bits}" for bits in (8, 16, 32, 64)},
    **{f"u{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)},
}
"""NumPy's names of C's element types on 64-bit Linux, the only system whose traces there are."""

_NUMPY_NAME = re.compile(r"(bool|object|(float|complex|u?int)\d+)")
_LONG_DOUBLES = {"longdouble": "float128", "clongdouble": "complex256"}


def numpy_name(written: str) -> str | None:
    """NumPy's name of an element type, as C, Cython, ctypes or NumPy write it.

    Args:
        written: Such as ``double``, ``c_float``, ``float64_t``, ``np.int64`` or ``numpy.bool_``.

    Returns:
        Such as ``float64``; None for names that only the callee's source explains (``DTYPE_t``).
    """
    name = re.sub(r"^(const\s+|volatile\s+|numpy\.|np\.|cnp\.|npy_|NPY_|c_)+", "", written.strip())
    if name in _C_NAMES:
        return _C_NAMES[name]
    name = name.lower().removesuffix("_t").removesuffix("_")
    short = {"longlong": "int64", "ulonglong": "uint64", "ulong": "uint64", "uint": "uint32"}
    short |= {"ushort": "uint16", "ubyte": "uint8", "byte": "int8", "complex double": "complex128"}
    for known in (name, short.get(name, "")):
        if _NUMPY_NAME.fullmatch(known):
            return known
    return _C_NAMES.get(name)


@dataclass(frozen=True)
class Demand:
    """What a callee wants an argument to be; what it does not speak of is None or False.

    Attributes:
        dtype: NumPy's name of the element type.
        type_text: The element type as the callee names it.
        held: NumPy's name of the element type that the refused array has, as the callee says.
        ndim: Number of dimensions.
        held_ndim: Number of dimensions of the refused array, as the callee says.
        form: How its elements have to lie.
        lengths: Length of each dimension; None where any will do.
        writeable: Whether it must be allowed to write to it.
        native: Whether the machine's own byte order is asked for.
        aligned: Whether elements have to lie at multiples of their size.
        item_size: Bytes of an element.
        number: Whether it wants a single number.
        pointer: Whether it wants another kind of object: a pointer, of which ``dtype`` is then what
            it points to, or an array where ``type_text`` is ``ndarray``.
        passed: Type of the object that was passed, as the message names it.
        any_type: Whether it would take one of several element types, which it does not name.
        exportable: Whether it needs a dtype that the buffer protocol can describe.
        deeper: Whether it wants more dimensions (1) or fewer (-1), however many.
    """

    dtype: str | None = None
    type_text: str | None = None
    held: str | None = None
    ndim: int | None = None
    held_ndim: int | None = None
    form: Form | None = None
    lengths: tuple[int | None, ...] | None = None
    writeable: bool = False
    native: bool = False
    aligned: bool = False
    item_size: int | None = None
    number: bool = False
    pointer: bool = False
    passed: str | None = None
    any_type: bool = False
    exportable: bool = False
    deeper: int = 0


@dataclass(frozen=True)
class Refusal:
    """What the message of an exception says.

    Attributes:
        demand: What was asked for.
        position: Which argument it was, from 0, where the message says so.
        name: The parameter's name, where the message says so.
    """

    demand: Demand
    position: int | None = None
    name: str | None = None


def unmet(given: Layout, demand: Demand) -> Demand | None:
    """What an array fails of a demand.

    Args:
        given: The array.
        demand: What was asked of it.

    Returns:
        The part of the demand that the array does not meet; None where it meets all of it, or is
        not the array of which the message speaks.
    """
    if not _is_the_one(given, demand):
        return None
    dtype = _LONG_DOUBLES.get(demand.dtype or "", demand.dtype)
    # A type of an unknown name is another one than the array's, or there was no refusal.
    wrong_type = given.dtype != dtype if dtype is not None else demand.type_text is not None
    part = Demand(
        dtype=demand.dtype if wrong_type else None,
        type_text=demand.type_text if wrong_type else None,
        ndim=demand.ndim if demand.ndim not in (None, len(given.shape)) else None,
        form=demand.form if not _has_form(given, demand.form) else None,
        lengths=demand.lengths if not _fits(given.shape, demand.lengths) else None,
        writeable=demand.writeable and not given.writeable,
        native=demand.native and given.byteorder == ">",
        aligned=demand.aligned and not given.aligned,
        item_size=demand.item_size if _wrong_size(given, demand.item_size) else None,
        number=demand.number and prod(given.shape) != 1,
        any_type=demand.any_type,
        exportable=demand.exportable,
        deeper=demand.deeper,
    )
    if demand.pointer:
        return Demand(
            pointer=True, dtype=demand.dtype, type_text=demand.type_text, passed=demand.passed
        )
    return part if part != Demand() else None


def _is_the_one(given: Layout, demand: Demand) -> bool:
    """Whether an array is what the message says was given."""
    if demand.held is not None and given.dtype != _LONG_DOUBLES.get(demand.held, demand.held):
        return False
    if demand.exportable and not given.dtype.startswith(("datetime64", "timedelta64")):
        return False
    return demand.held_ndim is None or len(given.shape) == demand.held_ndim


def _wrong_size(given: Layout, wanted: int | None) -> bool:
    return wanted is not None and given.nbytes > 0 and item_size(given) != wanted


def _has_form(given: Layout, form: Form | None) -> bool:
    """Whether an array's elements lie as asked for."""
    if form is None or (given.order == "C" and form != "F"):
        return True
    if form == "contiguous":
        return given.order == "F"
    if form == "F" and given.order == "F":
        return True
    # An array with a single axis that matters is in both orders, but is called C.
    return form == "F" and given.order == "C" and sum(length != 1 for length in given.shape) <= 1


def _fits(shape: list[int], lengths: tuple[int | None, ...] | None) -> bool:
    """Whether a shape has the lengths asked for, as far as it has those axes."""
    return lengths is None or all(
        wanted in (None, length) for length, wanted in zip(shape, lengths, strict=False)
    )


def failures(given: Layout, part: Demand, array: str) -> list[str]:
    """What was wanted and what the array is instead: a clause for each unmet part.

    Args:
        given: The refused array.
        part: What it does not meet.
        array: The array in a sentence.

    Returns:
        Clauses that follow the callee's name: ``takes float64, but `x` holds float32``.
    """
    clauses = []
    held = element_text(given)
    if part.pointer:
        clauses.append(f"{_pointer_text(part)} {array}, which holds {held}")
    elif part.any_type:
        clauses.append(
            f"was compiled for several element types and numbers of dimensions, but for none that "
            f"fits {array}: {held} with {_axes(len(given.shape))}"
        )
    elif part.dtype is not None or part.type_text is not None:
        clauses.append(f"takes {_type_text(part)}, but {array} holds {held}")
    if part.exportable:
        clauses.append(
            f"reads arrays through the buffer protocol, which has no code for the {held} "
            f"that {array} holds"
        )
    if part.item_size is not None and not part.type_text:
        clauses.append(
            f"takes elements of {bytes_text(part.item_size)}, but those of {array} "
            f"have {bytes_text(item_size(given))}"
        )
    if part.native:
        clauses.append(
            f"takes numbers in the machine's own byte order, but those of {array} are "
            "big-endian: their bytes are stored the other way round"
        )
    if part.ndim is not None:
        clauses.append(
            f"takes an array with {_axes(part.ndim)}, but {array} has "
            f"{len(given.shape)}: its shape is {shape_text(given.shape)}"
        )
    elif part.deeper:
        clauses.append(
            f"takes an array with {'more' if part.deeper > 0 else 'fewer'} dimensions than the "
            f"{len(given.shape)} of {array}"
        )
    elif part.lengths is not None:
        clauses.append(_lengths_text(given, part.lengths, array))
    if part.form is not None:
        clauses.append(f"takes {_form_text(part.form)}, but {array} {_lie_text(given)}")
    if part.aligned:
        clauses.append(
            f"takes elements that lie at multiples of their size in memory, but {array} is "
            "misaligned: it begins in between"
        )
    if part.writeable:
        clauses.append(
            f"asks for an array that it is allowed to write to, but {array} is read-only"
        )
    if part.number:
        clauses.append(
            f"takes a single number, but was given {array}, an array of "
            f"{counted(prod(given.shape), 'element', 'elements')}"
        )
    return clauses


def _lengths_text(given: Layout, lengths: tuple[int | None, ...], array: str) -> str:
    """Which lengths were asked for: all of them, or those of single axes."""
    shape = shape_text(given.shape)
    if len(lengths) >= len(given.shape):
        wanted = ", ".join("any" if length is None else str(length) for length in lengths)
        comma = "," if len(lengths) == 1 else ""
        return f"takes an array of shape ({wanted}{comma}), but the shape of {array} is {shape}"
    wrong = [
        f"{counted(wanted, 'element', 'elements')} along axis {axis}"
        for axis, (wanted, length) in enumerate(zip(lengths, given.shape, strict=False))
        if wanted not in (None, length) and wanted is not None
    ]
    return f"takes {listed(wrong)}, but the shape of {array} is {shape}"


def _pointer_text(part: Demand) -> str:
    """What was wanted and passed where one of both is a pointer; the array's name follows."""
    if part.type_text == "ndarray":
        return f"takes the array itself, but was given a {part.passed or 'pointer'} of"
    target = part.type_text or part.dtype
    wanted = f"a pointer to `{target}`" if target else "a pointer"
    if part.passed is None or part.passed.endswith("ndarray"):
        return f"takes {wanted}, and nothing turns an array into one by itself: it was given"
    return f"takes {wanted}, but was given `{part.passed}`, which leads to"


def _type_text(part: Demand) -> str:
    """The element type that was asked for, in both languages where they differ."""
    if part.dtype is None:
        return f"elements of its own type `{part.type_text}`"
    if part.type_text is None or part.type_text == part.dtype:
        return part.dtype
    return f"{part.dtype} (`{part.type_text}`)"


def _axes(ndim: int) -> str:
    return counted(ndim, "dimension", "dimensions")


def _form_text(form: Form) -> str:
    """How elements have to lie, for a reader who knows no strides."""
    return {
        "C": "elements that lie in one block, row after row (C order)",
        "F": "elements that lie in one block, column after column (Fortran order)",
        "contiguous": "elements that lie in one block without gaps",
    }[form]


def _lie_text(given: Layout) -> str:
    """How the elements of a refused array lie."""
    if is_broadcast(given):
        return f"repeats elements without storing them again (strides {shape_text(given.strides)})"
    if given.order == "F":
        return "has them column after column (Fortran order)"
    if given.order == "C":
        return "has them row after row (C order)"
    return gaps_text(given)


def resized(dtype: str, size: int) -> str | None:
    """The element type of the same kind with another size, by NumPy's name.

    Args:
        dtype: Such as ``float32``.
        size: In bytes.
    """
    kind = re.match(r"float|complex|u?int", dtype)
    name = f"{kind[0]}{8 * size}" if kind is not None else ""
    known = _NUMPY_NAME.fullmatch(name) is not None and size in (1, 2, 4, 8, 16)
    return name if known else None
