"""Makes the arrays of the wheels' programs, and notes every block of NumPy's that is no copy.

Each case of a program has a shape of its own, so that a block's size tells which case made it. What
is printed is compared with the plain run; what is noted goes to the file that NOTED names.
"""

import atexit
import hashlib
import inspect
import json
import operator
import os
import pickle
from collections import Counter
from typing import Any

import numpy as np

_made: Counter[int] = Counter()
_elements: set[int] = set()


def source(shape: int | tuple[int, ...], dtype: str = "f8") -> np.ndarray:
    """An array of rising numbers in a block of its own; its number of elements is a case's."""
    array = np.arange(np.prod(shape), dtype=dtype)
    made(array.nbytes)
    _elements.add(array.size)
    return array.reshape(shape)


def made(nbytes: int, count: int = 1) -> None:
    """Note blocks of NumPy's that are no copies: a library's outputs and temporary results."""
    _made[nbytes] += count


def output(*results: Any) -> Any:
    """Note the blocks of results that hold no copy: the library computed them. Returns the last."""
    for result in results:
        if isinstance(result, np.ndarray):
            owner = result
            while isinstance(owner.base, np.ndarray):
                owner = owner.base
            made(owner.nbytes)
        elif isinstance(result, tuple | list):
            output(*result)
    return results[-1]


def case(elements: int) -> None:
    """Note that blocks of so many elements belong to a case too: a part of an array, say."""
    _elements.add(elements)


def show(*results: Any) -> None:
    """Print what a library gave back: types, shapes and every bit of the numbers."""
    print(*map(_digest, results))


def _digest(result: Any) -> str:
    if isinstance(result, np.ndarray) and result.dtype != object:
        bits = hashlib.sha256(memoryview(np.ravel(result, "K").view("u1"))).hexdigest()[:16]
        return f"{type(result).__name__}{result.shape}{result.dtype.str}{result.flags.num} {bits}"
    if isinstance(result, tuple | list):
        return f"{type(result).__name__}[{', '.join(map(_digest, result))}]"
    return repr(result)


def describe(*functions: Any) -> None:
    """Print all that another program can ask of a function: kind, name, signature, pickle, ..."""
    for function in functions:
        try:
            signature = str(inspect.signature(function))
        except (TypeError, ValueError) as error:
            signature = type(error).__name__
        try:
            loaded = pickle.loads(pickle.dumps(function))
            pickled = "itself" if loaded is function else type(loaded).__name__
        except Exception as error:
            pickled = type(error).__name__
        owner = getattr(function, "__self__", None)
        print(
            type(function).__module__, type(function).__qualname__, signature, pickled,
            getattr(function, "__name__", None), getattr(function, "__qualname__", None),
            getattr(function, "__module__", None), type(owner).__name__,
            hashlib.sha256(str(function.__doc__).encode()).hexdigest()[:8],
            callable(function), inspect.isbuiltin(function), inspect.isroutine(function),
            operator.eq(function, function), _hash_is_constant(function), dir(function),
        )  # fmt: skip


def _hash_is_constant(function: Any) -> bool | None:
    try:
        return hash(function) == hash(function)
    except TypeError:
        return None


@atexit.register
def _write_notes() -> None:
    path = os.environ.get("NOTED")
    if path is not None:
        notes = {"made": sorted(_made.items()), "elements": sorted(_elements)}
        with open(path, "w") as file:
            json.dump(notes, file)
