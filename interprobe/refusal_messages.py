"""Understands the messages with which bindings refuse arrays."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from interprobe.refusals import Demand, Refusal, numpy_name

_Build = Callable[[re.Match[str]], Refusal | None]
_PATTERNS: list[tuple[re.Pattern[str], _Build]] = []


def parsed_refusal(text: str, declared: Mapping[int, str]) -> Refusal | None:
    """What an exception says of the array that it refuses.

    Args:
        text: ``TypeName: message``.
        declared: The arguments' declared types, by position, where ctypes knows them.

    Returns:
        None where the message is not about how an array is made.
    """
    message = text.partition(": ")[2].strip()
    position: int | None = None
    name: str | None = None
    # ctypes: "argument 1: TypeError: ..."; PyO3: "argument 'values': ...".
    prefix = re.match(r"argument (?:(\d+)|'(\w+)'): (?:\w+: )?", message)
    if prefix is not None:
        position = int(prefix[1]) - 1 if prefix[1] else None
        name = prefix[2]
        message = message[prefix.end() :]
        if message == "wrong type":  # in Python 3.11, whatever the declared type
            return _wrong_type(position, declared.get(position or 0, ""))
    # f2py, which names the argument before what it says of the array.
    argument = re.search(r"\b(\d+)(?:st|nd|rd|th) (argument|keyword) [`']?(\w+)['`]?", message)
    if argument is not None:
        position = int(argument[1]) - 1 if argument[2] == "argument" else None
        name = argument[3]
    for pattern, build in _PATTERNS:
        match = pattern.search(message)
        found = build(match) if match is not None else None
        if found is not None:
            where = position if found.position is None else found.position
            return Refusal(found.demand, where, found.name or name)
    return None


def _wrong_type(position: int | None, declared: str) -> Refusal | None:
    """What ctypes says of every simple type: its declaration tells which it was."""
    pointer = re.fullmatch(r"c_(void|char|wchar)_p", declared)
    if pointer is not None:
        kind = None if pointer[1] == "void" else pointer[1]
        return Refusal(Demand(pointer=True, type_text=kind), position)
    return Refusal(Demand(number=True), position) if declared.startswith("c_") else None


def _pattern(expression: str) -> Callable[[_Build], _Build]:
    def add(build: _Build) -> _Build:
        _PATTERNS.append((re.compile(expression, re.IGNORECASE), build))
        return build

    return add


def _says(expression: str, demand: Demand) -> None:
    """A message that always means one demand."""
    _pattern(expression)(lambda match: Refusal(demand))


# --- Cython --------------------------------------------------------------------------------------


@_pattern(r"Buffer dtype mismatch, expected (.+?) but got (.+?)(?: in '(\w+)[\w.]*')?$")
def _buffer_dtype(match: re.Match[str]) -> Refusal:
    if match[3] is not None:  # a member of the C structure that an element has to be
        return Refusal(Demand(type_text=match[3]))
    wanted, held = match[1].strip("'"), match[2].strip("'")
    return Refusal(Demand(dtype=numpy_name(wanted), type_text=wanted, held=numpy_name(held)))


@_pattern(r"Buffer dtype mismatch; next field is at offset \d+ but \d+ expected")
def _buffer_fields(match: re.Match[str]) -> Refusal:
    return Refusal(Demand(type_text="record"))


@_pattern(r"Item size of buffer \((\d+) bytes?\) does not match size of '?(.+?)'? \((\d+) bytes?\)")
def _buffer_item_size(match: re.Match[str]) -> Refusal:
    return Refusal(Demand(item_size=int(match[3])))


@_pattern(r"wrong number of dimensions \(expected (\d+), got (\d+)\)")
@_pattern(r"incorrect number of dimensions: (?P<held>\d+); expected (?P<wanted>\d+)")
@_pattern(r"Expected (\d+) dimension\(?s?\)?, got (\d+)")
@_pattern(r"must have (\d+) dimensions?\.\s+Given array has (\d+) dimension")
@_pattern(r"dimensionality mismatch:\s*from=(?P<held>\d+), to=(?P<wanted>\d+)")
@_pattern(r"Expected (\d+)-?D array, got (\d+)-?D array")
def _dimensions(match: re.Match[str]) -> Refusal:
    named = match.groupdict()
    wanted, held = (named["wanted"], named["held"]) if named else (match[1], match[2])
    return Refusal(Demand(ndim=int(wanted), held_ndim=int(held)))


@_pattern(r"Expected a dimension of size (\d+), got (\d+)")
def _one_dimension(match: re.Match[str]) -> None:
    return None  # Which axis it is the message does not say.


_says(r"(Big|Little)-endian buffer not supported", Demand(native=True))
_says(r"Buffer and memoryview are not contiguous in the same dimension", Demand(form="contiguous"))


@_pattern(r"^Argument '(\w+)' has incorrect type \(expected numpy\.ndarray, got (memoryview)\)")
def _wrapped_array(match: re.Match[str]) -> Refusal:
    demand = Demand(pointer=True, type_text="ndarray", passed=match[2])
    return Refusal(demand, name=match[1])


_says(r"^No matching signature found", Demand(any_type=True))
_says(r"cannot include dtype '[Mm]' in a buffer", Demand(exportable=True))

# --- SWIG, with and without numpy.i --------------------------------------------------------------


@_pattern(r"Array of type '(.+?)' required\.\s+Array of type '(.+?)' given")
def _swig_type(match: re.Match[str]) -> Refusal:
    return Refusal(Demand(dtype=numpy_name(match[1]), type_text=match[1]))


@_pattern(r"^in method '\w+', argument (\d+) of type '(?:const )?([\w ]+?)( ?(?:const)? ?\*)?'")
def _swig_method(match: re.Match[str]) -> Refusal | None:
    dtype = numpy_name(match[2])
    if dtype is None:
        return None
    if match[3] is None:
        return Refusal(Demand(number=True), position=int(match[1]) - 1)
    return Refusal(Demand(pointer=True, dtype=dtype, type_text=match[2]), int(match[1]) - 1)


_says(r"Array must have native byte ?order", Demand(native=True))
_says(r"Array must be fortran ordered", Demand(form="F"))

# --- numpy.ctypeslib, ctypes and cffi ------------------------------------------------------------


@_pattern(r"array must have data type '?(.+?)'?$")
@_pattern(r"type mismatch:\s*from=.+?, to=(\w+)")
def _ndpointer_type(match: re.Match[str]) -> Refusal | None:
    dtype = numpy_name(match[1])
    return Refusal(Demand(dtype=dtype, native=True)) if dtype is not None else None


@_pattern(r"array must have (\d+) dimension\(s\)")
def _ndpointer_dimensions(match: re.Match[str]) -> Refusal:
    return Refusal(Demand(ndim=int(match[1])))


@_pattern(r"array must have shape \(([\d, ]+)\)")
def _ndpointer_shape(match: re.Match[str]) -> Refusal:
    lengths = tuple(int(length) for length in match[1].split(",") if length.strip())
    return Refusal(Demand(ndim=len(lengths), lengths=lengths))


@_pattern(r"array must have flags \[(.+?)\]")
def _ndpointer_flags(match: re.Match[str]) -> Refusal:
    flags = set(re.findall(r"\w+", match[1]))
    fortran = bool(flags & {"F_CONTIGUOUS", "FORTRAN", "F"})
    c_order = bool(flags & {"C_CONTIGUOUS", "CONTIGUOUS", "C"})
    demand = Demand(
        form="F" if fortran else "C" if c_order else None,
        writeable=bool(flags & {"WRITEABLE", "W"}),
        aligned=bool(flags & {"ALIGNED", "A"}),
    )
    return Refusal(demand)


@_pattern(r"expected LP_(\w+) instance instead of (?:pointer to )?([\w.]+)")
@_pattern(r"expected (\w+)_Array_\d+ instance instead of ([\w.]+)")
def _ctypes_pointer(match: re.Match[str]) -> Refusal:
    target = match[1]
    demand = Demand(
        pointer=True, dtype=numpy_name(target), type_text=target, passed=_in_a_program(match[2])
    )
    return Refusal(demand)


def _in_a_program(name: str) -> str:
    """A type of ctypes as programs write it: ``POINTER(c_float)`` for ``LP_c_float``."""
    return f"POINTER({name[3:]})" if name.startswith("LP_") else name


@_pattern(r"object cannot be interpreted as (?:ctypes\.)?c_(void|char|wchar)_p$")
def _ctypes_raw(match: re.Match[str]) -> Refusal:
    return Refusal(Demand(pointer=True, type_text=None if match[1] == "void" else match[1]))


_says(r"^Don't know how to convert parameter \d+$", Demand(pointer=True))
_says(r"argument must be an ndarray$", Demand(pointer=True, type_text="ndarray"))


@_pattern(r"initializer for ctype '(?:const )?([\w ]+?) ?\*' must be a [^,]+, "
          r"not (?:cdata )?'?([^']+)")  # fmt: skip
def _cffi_pointer(match: re.Match[str]) -> Refusal:
    demand = Demand(pointer=True, dtype=numpy_name(match[1]), type_text=match[1], passed=match[2])
    return Refusal(demand)


_says(r"only (integer scalar|length-1|0-dimensional|size-1) arrays can be converted",
      Demand(number=True))  # fmt: skip
_says(r"^must be real number, not (numpy\.)?ndarray", Demand(number=True))

# --- f2py ----------------------------------------------------------------------------------------


@_pattern(r"(\d+)-th dimension must be (?:fixed to|at least|at most) (-?\d+) but got (\d+)")
def _f2py_length(match: re.Match[str]) -> Refusal:
    axis = int(match[1])
    return Refusal(Demand(lengths=(None,) * min(axis, 64) + (int(match[2]),)))


@_pattern(r"too many axes: (\d+) \(effrank=\d+\), expected rank=(\d+)")
def _f2py_rank(match: re.Match[str]) -> Refusal:
    return Refusal(Demand(ndim=int(match[2]), held_ndim=int(match[1])))


@_pattern(r"intent\((?:inout|inplace|cache)\b[^)]*\) array\b(.+)$")
def _f2py_in_place(match: re.Match[str]) -> Refusal | None:
    said = match[1]
    size = re.search(r"expected elsize=(\d+)", said)
    types = re.search(r"input '(.)' not compatible to '(.)'", said)
    codes = {"f": "float32", "d": "float64", "F": "complex64", "D": "complex128"}
    codes |= {"i": "int32", "l": "int64", "q": "int64", "b": "int8", "h": "int16"}
    demand = Demand(
        dtype=codes.get(types[2]) if types is not None else None,
        item_size=int(size[1]) if size is not None and types is None else None,
        form="F" if "fortran" in said else "contiguous" if "contiguous" in said else None,
        aligned="aligned" in said,
    )
    return Refusal(demand) if demand != Demand() else None


# --- NumPy's C API, Python's buffers and whatever extensions say in their own words --------------


@_pattern(r"Cannot cast array data from dtype\('(.+?)'\) to dtype\('(.+?)'\) according to")
def _unsafe_cast(match: re.Match[str]) -> Refusal | None:
    held, wanted = numpy_name(match[1]), numpy_name(match[2])
    return Refusal(Demand(dtype=wanted, held=held)) if wanted is not None else None


_says(r"object of too small depth for desired array", Demand(deeper=1))
_says(r"object too deep for desired array", Demand(deeper=-1))


@_pattern(r"argument (\d+) must be read-write bytes-like object, not numpy\.ndarray")
def _read_write(match: re.Match[str]) -> Refusal:
    return Refusal(Demand(form="C", writeable=True), position=int(match[1]) - 1)


@_pattern(r"argument (\d+) must be (?:contiguous buffer|read-only bytes-like object), not ")
def _read_only_buffer(match: re.Match[str]) -> Refusal:
    return Refusal(Demand(form="C"), position=int(match[1]) - 1)


_says(r"'ndarray' object cannot be (converted|cast) (to|as) 'PyArray", Demand(any_type=True))
_says(
    r"\b(is|are) (not writ(e?)able|read-?only)\b|must (be writ(e?)able|not be read-?only)",
    Demand(writeable=True),
)
_says(
    r"\bnot fortran[- ](contiguous|ordered)|must be (in )?(fortran|f)[- _]?(contiguous|order)"
    r"|expected an? (fortran|f)[- ]?(contiguous|order)|column[- ]major",
    Demand(form="F"),
)
_says(r"\bnot C[- ]contiguous|must be (in )?C[- _]?(contiguous|order)"
      r"|expected an? C[- ]?(contiguous|order)|row[- ]major", Demand(form="C"))  # fmt: skip
# NumPy's C API and Python's buffers mean C order where they say no more than "contiguous".
_says(r"\b(is )?not contiguous|must be (\w+ )?contiguous|expected an? contiguous"
      r"|contiguous array (is )?(required|expected|needed)", Demand(form="C"))  # fmt: skip
_says(r"must be aligned|not aligned|misaligned|expected an? aligned", Demand(aligned=True))
_says(r"native byte ?order|byte-swapped", Demand(native=True))


_TYPE_NAMES = r"\b((?:np\.|numpy\.)?(?:u?int|float|complex)\d+|double)\b"


@_pattern(r"\b(?:must|should|expect|has to|have to|needs? to|requires?|only)\w*\b(.*)$")
def _own_words(match: re.Match[str]) -> Refusal | None:
    # What the callee got instead comes after what it wanted.
    wanted = re.split(r"\b(?:got|but|instead|given|not|found|received)\b", match[1])[0]
    types = {numpy_name(name) for name in re.findall(_TYPE_NAMES, wanted)}
    words = {"one": 1, "two": 2, "three": 3}
    axes = {
        words.get(number.lower()) or int(number)
        for number in re.findall(
            r"\b(\d|one|two|three)(?:[- ]?D\b|[- ]dimension)", wanted, re.IGNORECASE
        )
    }
    # Where it would take one of several, the array's own is none of them, but which to choose?
    demand = Demand(
        dtype=types.pop() if len(types) == 1 else None, ndim=axes.pop() if len(axes) == 1 else None
    )
    return Refusal(demand) if demand != Demand() else None
