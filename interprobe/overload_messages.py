"""Reads the signatures that pybind11 and nanobind list when none of them takes the arguments."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from interprobe.refusals import Demand, Form, numpy_name

_HEADING = "incompatible function arguments. The following argument types are supported:"
_LONGEST = 2000
"""Characters; longer messages were cut off when they were recorded."""
_SCALARS = re.compile(r"(int|float|bool|complex|typing\.Supports\w+|typing\.SupportsFloat.*)")


@dataclass(frozen=True)
class Parameter:
    """One parameter of a signature.

    Attributes:
        name: Its name, ``arg0`` where it has none.
        annotation: Its type, as the message writes it.
        demand: What it asks of an array; None where it is neither an array nor a number, so that
            nothing is known of what it takes.
        converts: Whether the binding may have been willing to convert an array to what it asks for;
            where it was, the array's element type, order and read-only flag refuse no call.
    """

    name: str
    annotation: str
    demand: Demand | None
    converts: bool = False

    def takes(self, shown: str) -> bool:
        """Whether it surely takes a value that the message shows as a literal or by its type."""
        number = r"[-+]?(\d[\d_]*\.?\d*([eE][-+]?\d+)?|inf|nan)|True|False|int|float|bool"
        if self.annotation == "str":
            return shown == "str" or shown[:1] in ("'", '"')
        if self.demand is None or not self.demand.number:
            return False
        whole = re.fullmatch(r"int|typing\.SupportsInt.*", self.annotation) is not None
        fits = re.fullmatch(number, shown) is not None
        return fits and not (whole and (shown == "float" or "." in shown))


def is_overload_message(text: str) -> bool:
    """Whether an exception says that no signature takes the arguments."""
    return _HEADING in text


def signatures(text: str) -> list[list[Parameter]]:
    """The signatures that a message lists, each as its parameters without ``self``.

    Args:
        text: ``TypeError: name(): incompatible function arguments. ...``.

    Returns:
        None of them where the message is cut off or has another form.
    """
    listed = text.partition(_HEADING)[2].partition("\nInvoked with")[0]
    found = []
    for line in re.findall(r"^\s*\d+\. (.+)$", listed, re.MULTILINE):
        inside = _in_parentheses(line)
        if inside is None:
            return []
        words = [word for word in _split(inside) if word not in ("/", "*", "")]
        parameters = [_parameter(word) for word in words]
        found.append([each for each in parameters if each.name != "self"])
    return found


def shown_values(text: str) -> list[str]:
    """The arguments as a message shows them, by position first and then by name.

    Args:
        text: As for :func:`signatures`; pybind11 shows values, nanobind their types.

    Returns:
        Nothing where the message is cut off before their end.
    """
    shown = re.split(r"\nInvoked with(?: types)?: ", text, maxsplit=1)
    if len(shown) != 2 or len(text) >= _LONGEST:
        return []
    by_position, _, by_name = shown[1].strip().partition("; kwargs: ")
    named = _split(by_name) if by_name else []
    # "kwargs = { factor: float }" is nanobind's way; its order is that of the call as well.
    return [*_split(by_position), *(word.partition("=")[2] for word in named)]


def _in_parentheses(line: str) -> str | None:
    """The text between a signature's first parenthesis and the one that closes it."""
    depth = 0
    for index in range(line.find("("), len(line)):
        if index < 0:
            return None
        depth += (line[index] in "([{") - (line[index] in ")]}")
        if depth == 0:
            return line[line.find("(") + 1 : index]
    return None


def _split(text: str) -> list[str]:
    """The parts between commas that no bracket or quote encloses."""
    parts, depth, quoted, start = [], 0, "", 0
    for index, character in enumerate(text):
        if quoted:
            quoted = "" if character == quoted else quoted
        elif character in "'\"":
            quoted = character
        elif character == "," and depth == 0:
            parts.append(text[start:index].strip())
            start = index + 1
        else:
            depth += (character in "([{") - (character in ")]}")
    return [*parts, text[start:].strip()]


def _parameter(word: str) -> Parameter:
    """One parameter: ``values: numpy.ndarray[numpy.float64] = None``."""
    name, _, annotation = word.partition(":")
    annotation = annotation.strip()
    if "ndarray" in annotation.lower() or "numpy.typing.ArrayLike" in annotation:
        # pybind11 3 writes NDArray where it would not have converted, and Eigen's references, which
        # have flags, never do; all others may.
        exact = "numpy.typing.NDArray" in annotation or "flags." in annotation
        return Parameter(name.strip(), annotation, _array_demand(annotation), not exact)
    plain = annotation.partition(" = ")[0].strip()
    demand = Demand(number=True) if _SCALARS.fullmatch(plain) else None
    return Parameter(name.strip(), plain, demand)


def _array_demand(annotation: str) -> Demand:
    """What ``NDArray[numpy.float64]`` or ``ndarray[dtype=float64, order='C']`` asks."""
    dtype = re.search(r"dtype=([\w.]+)", annotation)
    dtype = dtype or re.search(r"\bnumpy\.((?!typing|ndarray)\w+)", annotation)
    demand = Demand(
        dtype=numpy_name(dtype[1]) if dtype is not None else None, form=_form(annotation)
    )
    if "ArrayLike" in annotation:  # pybind11 would have converted the order, and any safe cast
        demand = replace(demand, form=None)
    shape = re.search(r"shape=\(([^()]*)\)", annotation)
    shape = shape or re.search(r"[\[\"']\[([\w, ]+)\]", annotation)
    if shape is not None:
        lengths = tuple(
            int(length) if length.strip().isdigit() else None
            for length in shape[1].split(",")
            if length.strip()
        )
        demand = replace(demand, ndim=len(lengths), lengths=lengths)
    # nanobind marks what it may only read; Eigen's references mark what they write.
    is_nanobind = "dtype=" in annotation or "dict(" in annotation
    writes = "flags.writeable" in annotation or (
        is_nanobind and "writable=False" not in annotation and "ro" not in annotation.split()
    )
    return replace(demand, writeable=writes, native=demand.dtype is not None)


def _form(annotation: str) -> Form | None:
    """The order that an annotation asks for."""
    if re.search(r"flags\.f_contiguous|order='F'", annotation):
        return "F"
    if re.search(r"flags\.c_contiguous|order='C'", annotation):
        return "C"
    return "contiguous" if "order='A'" in annotation else None
