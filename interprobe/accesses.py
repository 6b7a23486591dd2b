"""Puts accesses beside arrays in words: whose they were, which array, how many bytes off."""

from __future__ import annotations

import ast

from interprobe.expressions import pointed_array
from interprobe.findings import Site
from interprobe.layout import Layout
from interprobe.trace import Call, Native, Violation
from interprobe.wording import bytes_text, element_count, file_name, item_size, quoted, shape_text

NOWHERE = Site(file="<native thread>", line=0)


def user_site(violation: Violation) -> Site:
    """The user's line that the violation is shown at: where it happened, or else what is known."""
    by_known_call = violation.call.user_site if violation.call is not None else violation.running
    last = violation.last_call.user_site if violation.last_call is not None else None
    return by_known_call or last or violation.allocated or NOWHERE


def site(violation: Violation) -> Site:
    """Where it happened, perhaps inside a library."""
    call = violation.call
    return call.site if call is not None else user_site(violation)


def culprit(violation: Violation) -> str:
    """The function that did it, in backquotes; "native code" where it is not known."""
    if violation.call is not None:
        return quoted(violation.call.function)
    symbol = _readable_symbol(violation.native)
    return quoted(symbol) if symbol else "native code"


def subject(violation: Violation) -> str:
    """What the finding is about, in a word."""
    if violation.call is not None:
        return violation.call.function
    symbol = _readable_symbol(violation.native)
    if symbol:
        return symbol
    if violation.last_call is not None:
        return violation.last_call.function
    return "an array's memory"


def native_place(violation: Violation) -> str:
    """Library, function and C line of the access; "" where the processor did not stop at it."""
    native = violation.native
    if native is None:
        last = violation.instruction
        return f"a function of {file_name(last.library)}" if last is not None else ""
    inner = violation.instruction
    words = _function_words(native)
    if inner is not None and (inner.library, inner.symbol) != (native.library, native.symbol):
        within = quoted(inner.symbol) if inner.symbol else "a function"
        words += f", in {within} of {file_name(inner.library)}, which that called"
    return words


def _readable_symbol(native: Native | None) -> str | None:
    """The function's name, unless it is one that Cython has made up."""
    symbol = native.symbol if native is not None else None
    return None if symbol is None or symbol.startswith("__pyx_") else symbol


def _function_words(native: Native) -> str:
    symbol = _readable_symbol(native)
    words = f"{quoted(symbol)} of " if symbol else ""
    words += file_name(native.library)
    if native.file and native.line:
        words += f", {file_name(native.file)}:{native.line}"
    return words


def c_line(violation: Violation) -> str | None:
    """``kernel.c:12``, where debug information says so."""
    native = violation.native
    if native is None or not native.file or not native.line:
        return None
    return f"{file_name(native.file)}:{native.line}"


def line_text(place: Site) -> str:
    """A line of the program in a sentence: "line 12 of script.py"."""
    return f"line {place.line} of {file_name(place.file)}"


def argument_text(call: Call | None, position: int | None) -> str:
    """The argument as the call shows it, "argument 2, `y`,"; "" where none leads to the array."""
    if call is None or position is None:
        return ""
    shown = shown_array(call, position)
    return f"argument {position + 1}, {quoted(shown)}" if shown else f"argument {position + 1}"


def shown_array(call: Call, position: int) -> str | None:
    """The source text of the array in a call, where that is short enough to speak of."""
    expression = call.user_site.expression
    found = pointed_array(expression, position)
    if found is not None:
        return found.text if "\n" not in found.text else None
    try:
        tree = ast.parse(expression.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    if not isinstance(tree.body, ast.Call) or position >= len(tree.body.args):
        return None
    given = tree.body.args[: position + 1]
    if any(isinstance(each, ast.Starred) for each in given):
        return None
    if not isinstance(given[-1], ast.Name | ast.Attribute | ast.Subscript):
        return None
    return ast.unparse(given[-1])


def array_text(violation: Violation) -> str:
    """The array: its layout, its bytes, and where it was made."""
    array = violation.array
    size = bytes_text(violation.nbytes)
    if array is None:
        words = f"an array of {size}"
    elif array.nbytes == violation.nbytes:
        words = f"{array.dtype} {shape_text(array.shape)}, {size}"
    else:
        words = f"{array.dtype} {shape_text(array.shape)} in a block of {size}"
    made = made_text(violation)
    return f"{words}, {made}" if made else words


def made_text(violation: Violation) -> str:
    """Where the array was made; "" where nobody saw it."""
    made = violation.allocated
    if made is None:
        return ""
    by = f" by {quoted(made.expression)}" if made.expression else ""
    return f"made in {line_text(made)}{by}"


def element_past(violation: Violation) -> int | None:
    """The index that the first byte touched would have; None where the array is no plain row."""
    array = violation.array
    size = item_size(array) if array is not None else 0
    if array is None or size == 0 or not _is_whole_row(array, violation.nbytes):
        return None
    if violation.kind == "past-end":
        return element_count(array) + violation.distance // size
    return -((violation.distance + size - 1) // size)


def _is_whole_row(array: Layout, nbytes: int) -> bool:
    return len(array.shape) == 1 and array.order == "C" and array.nbytes == nbytes


def last_given_text(violation: Violation) -> str:
    """Which call was given the array last; "" where that is not known."""
    call, position = violation.last_call, violation.last_position
    if call is None:
        return ""
    as_argument = f" as argument {position + 1}" if position is not None else ""
    return (
        f"It was last given to {quoted(call.function)} of {file_name(call.library)}{as_argument}, "
        f"in {line_text(call.user_site)}."
    )
