"""Tells which integer of a call is the length of which array, and how that is known."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable
from dataclasses import dataclass

from interprobe.callee_parameters import (
    argument_text,
    array_behind,
    element_bytes,
    integer_type,
    is_pointer_to_const,
    parameters,
)
from interprobe.facts import Fact
from interprobe.trace import Argument, Call

FACTORS = {"length": 1, "product": 2, "triple": 3}
"""How many neighbouring integers are multiplied, by the first word of a fact's kind."""

_LEAST_LEARNT = 8
"""Elements: shorter lengths are equal to other small integers by chance."""
_LEAST_NEAR = 16
_NEAR = 2
_LEAST_NBYTES = 256

_LENGTH_NAME = re.compile(
    r"n|n_?[a-z]|(n|num|nb|number_of)_?\w*|len\w*|size|count|dim"
    r"|\w+_(n|len|length|size|count)|[a-z]+(len|length|size|count)"
)
_OTHER_NUMBER = re.compile(
    r"byte|cap|max|min|thread|proc|worker|iter|step|stride|seed|block|chunk|order|bits?$|flag|inc"
    r"|ndims?$|null|norm|item_?size|elem_?size|name|next|noise|neg|new"
)
_DIMENSIONS = (
    {"rows", "cols"}, {"nrows", "ncols"}, {"n_rows", "n_cols"}, {"nrow", "ncol"},
    {"rows", "columns"}, {"height", "width"}, {"h", "w"}, {"nx", "ny"}, {"nx", "ny", "nz"},
)  # fmt: skip
_DIMENSIONS_OF_ONE = ({"m", "n"}, {"n", "k"}, {"m", "k"}, {"rows", "n"}, {"n", "cols"})
"""Dimensions of the one array before them; of several, each may have one."""


class Evidence(enum.Enum):
    """How it is known that an integer is the length of an array."""

    NAMED = "named"
    LEARNT = "learnt"
    NBYTES = "nbytes"
    NEAR = "near"
    WRITTEN = "written"


@dataclass(frozen=True)
class Pair:
    """An integer and a pointer of one function.

    Attributes:
        library: Path of the shared object.
        function: Name of the function.
        first: Position of the integer, or of the first of those multiplied.
        factors: How many are multiplied.
        pointer: Position of the pointer.
        size: Bytes of an element: what counts the elements of one array counts the bytes of
            another, where C takes memory of any kind.
    """

    library: str
    function: str
    first: int
    factors: int
    pointer: int
    size: int


def pair_of(call: Call, fact: Fact) -> Pair | None:
    """The integer and the pointer that a fact about a length relates."""
    factors = FACTORS.get(fact.kind.partition("-")[0])
    pointer = parameters(call).get(fact.other) if fact.other is not None else None
    if factors is None or fact.position is None or pointer is None:
        return None
    size, _ = element_bytes(pointer)
    return Pair(call.library, call.function, fact.position, factors, pointer.position, size)


def learnt_lengths(calls: Iterable[Call]) -> set[Pair]:
    """The pairs that were equal with lengths that differ: no chance, but what the integer means."""
    most: dict[Pair, int] = {}
    least: dict[Pair, int] = {}
    for call in calls:
        for fact in call.facts:
            pair = pair_of(call, fact)
            if pair is None or abs(fact.value) * pair.size != fact.limit:
                continue
            if fact.kind.endswith("-equal"):
                most[pair] = max(most.get(pair, 0), fact.value)
            elif fact.kind.endswith("-equal-least"):
                least[pair] = min(least.get(pair, -fact.value), -fact.value)
    return {
        pair
        for pair, value in most.items()
        if value >= _LEAST_LEARNT and pair in least and least[pair] != value
    }


def evidence_of(call: Call, fact: Fact, learnt: set[Pair]) -> Evidence | None:
    """How it is known that the integer of a fact is the length of its pointer's array.

    Args:
        call: The call.
        fact: A fact that the integer is larger: ``length-over`` and its like.
        learnt: The pairs of :func:`learnt_lengths`.

    Returns:
        None where nothing says so: the integer may be a seed, a flag, a leading dimension.
    """
    pair = pair_of(call, fact)
    own = parameters(call)
    pointer = own.get(pair.pointer) if pair is not None else None
    if pair is None or pointer is None or pointer.given is None:
        return None
    if any(argument.name for argument in own.values()):
        # Where the prototype is known, it decides, also against what only looks like a length.
        if not _is_named(call, pair, own):
            return None
        return None if _is_anothers(pair, own, fact.value) else Evidence.NAMED
    if pair in learnt:
        return Evidence.LEARNT
    if _is_nbytes(call, fact, pair):
        return Evidence.NBYTES
    if fact.kind == "length-over" and _is_near(call, fact, pointer):
        return Evidence.NEAR
    return Evidence.WRITTEN if _is_written(call, fact, pair, pointer) else None


def _is_named(call: Call, pair: Pair, own: dict[int, Argument]) -> bool:
    """Whether the prototype's parameter names make the integer the length of the pointer."""
    integers = [own.get(pair.first + index) for index in range(pair.factors)]
    if any(each is None or not _is_integer(each) for each in integers):
        return False
    names = [_plain(each.name) for each in integers if each is not None]
    if pair.factors == 1 and _is_tied(names[0], _plain(own[pair.pointer].name)):
        return True
    group = _pointers_before(own, pair.first)
    behind = own.get(pair.first + pair.factors)
    if pair.pointer not in group or (behind is not None and _is_dimension(behind)):
        return False
    if pair.factors > 1:
        known = set(names) in _DIMENSIONS or (len(group) == 1 and set(names) in _DIMENSIONS_OF_ONE)
        return known and len(set(names)) == pair.factors
    if not is_length_name(names[0]):
        return False
    if len(group) == 1 or all(is_pointer_to_const(own[each].true) for each in group):
        return True
    # One of several may be a short result; not where the length exceeds every one of them.
    beyond = {
        fact.other
        for fact in call.facts
        if fact.position == pair.first and fact.kind in {"length-over", "length-past-array"}
    }
    return set(group) <= beyond


def _is_anothers(pair: Pair, own: dict[int, Argument], value: int) -> bool:
    """Whether the integer is the length of an array that comes behind it: ``(x, nt, t)``."""
    behind = own.get(pair.first + pair.factors)
    first = own[pair.first]
    if behind is None or "*" not in (behind.true or "") or behind.position == pair.pointer:
        return False
    if _is_tied(_plain(first.name), _plain(own[pair.pointer].name)):
        return False
    size, _ = element_bytes(behind)
    given = behind.given
    holds = given is not None and size > 0 and given.nbytes // size == value
    return holds or _is_tied(_plain(first.name), _plain(behind.name))


def is_length_name(name: str) -> bool:
    """Whether a C parameter of this name counts elements."""
    plain = _plain(name)
    return bool(_LENGTH_NAME.fullmatch(plain)) and not _OTHER_NUMBER.search(plain)


def _plain(name: str | None) -> str:
    return (name or "").lower().strip("_")


def _is_integer(argument: Argument) -> bool:
    return argument.name is not None and integer_type(argument.true) is not None


def _is_dimension(argument: Argument) -> bool:
    name = _plain(argument.name)
    return _is_integer(argument) and (
        is_length_name(name) or any(name in names for names in _DIMENSIONS)
    )


def _is_tied(length: str, array: str) -> bool:
    """Whether a length is named after an array: ``x`` and ``n_x``, ``x_len``, ``size_x``."""
    if not array:
        return False
    word = re.escape(array)
    before, behind = r"(n|num|len|length|size|count)", r"(n|len|length|size|count)"
    return bool(re.fullmatch(rf"{before}_?{word}s?|{word}_?{behind}", length))


def _pointers_before(own: dict[int, Argument], position: int) -> list[int]:
    """The positions of the pointers that stand directly before one."""
    found = []
    at = position - 1
    while at in own and "*" in (own[at].true or ""):
        found.append(at)
        at -= 1
    return found


def _is_nbytes(call: Call, fact: Fact, pair: Pair) -> bool:
    """Whether the integer is the array's size in bytes, where a prototype has wider elements."""
    return any(
        other.kind.endswith("-nbytes")
        and pair_of(call, other) == pair
        and other.value == fact.value >= _LEAST_NBYTES
        for other in call.facts
    )


def _is_near(call: Call, fact: Fact, pointer: Argument) -> bool:
    """Whether the only integer of a call is just above the number of elements of the array before.

    Where there are several, one of them is near by chance too often: CBLAS_ROW_MAJOR is 101.
    """
    others = [each for each in parameters(call).values() if each.position != fact.position]
    if pointer.position + 1 != fact.position or any(_may_be_integer(each) for each in others):
        return False
    size, _ = element_bytes(pointer)
    elements = fact.limit // size if size > 0 else 0
    return elements >= _LEAST_NEAR and 0 < fact.value - elements <= _NEAR


def _may_be_integer(argument: Argument) -> bool:
    """Whether an argument is an integer, or something of which that is not known."""
    if argument.given is not None:
        return False
    declared = argument.declared
    return declared is None or re.fullmatch(r"c_(float|double|longdouble)", declared) is None


def _is_written(call: Call, fact: Fact, pair: Pair, pointer: Argument) -> bool:
    """Whether the program's own text takes the integer from the size of this very array."""
    array = array_behind(call, pair.pointer)
    text = argument_text(call, pair.first)
    if array is None or pair.factors > 1 or fact.kind != "length-over" or not text:
        return False
    if (
        # Memory without a type may be counted in bytes.
        not element_bytes(pointer)[1]
        and pointer.given is not None
        and fact.value <= pointer.given.nbytes
    ):
        return False
    name = re.escape(array)
    of_array = rf"(?<![\w.]){name}\.(size|shape|nbytes)\b|\blen\({name}\)"
    return re.search(of_array, text) is not None
