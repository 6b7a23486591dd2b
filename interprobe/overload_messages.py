"""Reads the signatures that pybind11 and nanobind list when none of them takes the arguments."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from interprobe.refusals import Demand, Form, numpy_name

_HEADING = "incompatible function arguments. The following argument types are supported:"
_NUMBERS = re.compile(r"(int|float|bool|str|complex|typing\.Supports\w+|typing\.SupportsFloat.*)")


@dataclass(frozen=True)
class Parameter:
    """One parameter of a signature.

    Attributes:
        name: Its name, ``arg0`` where it has none.
        demand: What it asks of an array; None where it is neither an array nor a number, so that
            nothing is known of what it takes.
    """

    name: str
    demand: Demand | None


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
        return Parameter(name.strip(), _array_demand(annotation))
    plain = annotation.partition(" = ")[0].strip()
    return Parameter(name.strip(), Demand(number=True) if _NUMBERS.fullmatch(plain) else None)


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
