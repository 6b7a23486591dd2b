"""Reads the arguments of a call: in its record, the callee's prototype and the source text."""

from __future__ import annotations

import ast
import re

from interprobe.element_types import ctypes_element, prototype_element
from interprobe.expressions import pointed_array
from interprobe.facts import Fact
from interprobe.trace import Argument, Call
from interprobe.wording import item_size, quoted

_RAW_MEMORY = re.compile(r"\b(void|char|byte)\b|\bu?int8_t\b|\bBytef?\b")


def parameters(call: Call) -> dict[int, Argument]:
    """The arguments of a call by position, without the pointers inside structures."""
    return {each.position: each for each in call.arguments if not is_member(each)}


def is_member(argument: Argument) -> bool:
    """Whether a record is of a pointer inside the memory that an argument hands over.

    Its name leads there: ``.data``, ``[3]``, and with the parameter's own name ``image.data``.
    """
    return argument.name is not None and not argument.name.isidentifier()


def facts_of(call: Call, *kinds: str) -> list[Fact]:
    """A call's facts of some kinds."""
    return [fact for fact in call.facts if fact.kind in kinds]


def argument_text(call: Call, position: int | None) -> str:
    """What a positional argument is in the program's source, ``x.size``; "" where not known."""
    try:
        source = call.user_site.expression.strip()
        tree = ast.parse(source, mode="eval")
        if position is None or not isinstance(tree.body, ast.Call):
            return ""
        given = tree.body.args
        if position >= len(given) or any(isinstance(item, ast.Starred) for item in given):
            return ""
        return " ".join((ast.get_source_segment(source, given[position]) or "").split())
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""


def called_argument(call: Call, position: int | None) -> str:
    """An argument in a sentence: ``argument 2 (n)``."""
    if position is None:
        return "an argument"
    own = parameters(call).get(position)
    name = f" ({own.name})" if own is not None and own.name else ""
    return f"argument {position + 1}{name}"


def array_behind(call: Call, position: int | None) -> str | None:
    """The expression of the array behind an argument, where the source shows it."""
    if position is None:
        return None
    found = pointed_array(call.user_site.expression, position)
    text = found.text if found is not None else argument_text(call, position)
    return text if text.isidentifier() or found is not None else None


def pointer_in_words(call: Call, position: int | None) -> str:
    """A pointer argument with its array: ``argument 1 (`x`)``, ``argument 1 (out, `x`)``."""
    array = array_behind(call, position)
    text = called_argument(call, position)
    if array is None:
        return text
    return f"{text[:-1]}, {quoted(array)})" if text.endswith(")") else f"{text} ({quoted(array)})"


def points_to_raw_memory(true: str) -> bool:
    """Whether a parameter of the callee's own prototype takes memory of any kind, in bytes."""
    return "*" in true and _RAW_MEMORY.search(true) is not None


def is_pointer_to_const(true: str | None) -> bool:
    """Whether a parameter of the callee's own prototype promises not to write through it."""
    if true is None or true.count("*") + true.count("[") != 1:
        return False
    return "const" in re.split(r"[*\[]", true)[0].split()


def is_restricted(true: str | None) -> bool:
    """Whether a parameter of the callee's own prototype is a ``restrict`` pointer."""
    return true is not None and re.search(r"\b(__)?restrict(__)?\b", true) is not None


def integer_type(true: str | None) -> tuple[int, bool] | None:
    """The bits of a parameter of the callee's own prototype, and whether it is signed.

    Returns:
        None for what is no integer, or not known.
    """
    if true is None or "*" in true or "[" in true:
        return None
    words = re.findall(r"\w+", true)
    element = prototype_element(f"{true} *") or prototype_element(f"{' '.join(words[:-1])} *")
    if element is None or element.kind not in {"int", "uint"}:
        return None
    return 8 * element.size, element.kind == "int"


def element_bytes(argument: Argument) -> tuple[int, bool]:
    """Bytes of an element behind a pointer, and whether a prototype or type says so.

    Returns:
        By the callee's own prototype, else by the declared pointer, else as the array has it; 1 and
        True for raw memory that the callee counts in bytes; 0 where there is no array.
    """
    true = argument.true
    if true is not None and "*" in true:
        if points_to_raw_memory(true):
            return 1, True
        element = prototype_element(true)
        if element is not None:
            return element.size, True
    declared = ctypes_element(argument.declared) if argument.declared is not None else None
    if declared is not None:
        return declared.size, True
    return (item_size(argument.given) if argument.given is not None else 0), False
