"""Arrays that functions bound with nanobind, f2py, Cython and the C API have to convert."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.pitfalls import Pitfall, Sides


def _case(
    name: str, binding: str, what: str,
    given: Callable[[], Any], wanted: Callable[[Any], Any], *rounds: int,
) -> Pitfall:  # fmt: skip
    """``total`` of a binding's module with what ``given`` makes, and with what is wanted."""
    module = f"pitfall_{'fortran' if binding == 'f2py' else binding.lower().replace(' ', '_')}"

    def prepare(built: Path) -> Sides:
        total = importlib.import_module(module).total
        array = given()
        converted = wanted(array)

        def bad() -> float:
            return total(array, *rounds)

        def good() -> float:
            return total(converted, *rounds)

        return Sides(bad, good)

    return Pitfall(name, binding, what, prepare, (module,))


def _floats() -> Any:
    return np.linspace(0.0, 1.0, 300_000, dtype="f4")


def _doubles(array: Any) -> Any:
    return np.ascontiguousarray(array, dtype="f8")


def _matrix() -> Any:
    return np.linspace(0.0, 1.0, 360_000).reshape(600, 600)


CASES = (
    _case("nanobind-dtype", "nanobind", "float32", _floats, _doubles, 2),
    _case("nanobind-order", "nanobind", "Fortran order", lambda: _matrix().T, _doubles, 0),
    _case("f2py-order", "f2py", "C order", _matrix, np.asfortranarray, 2),
    _case(
        "f2py-dtype", "f2py", "float32 in Fortran order",
        lambda: np.asfortranarray(_matrix().astype("f4")),
        lambda array: np.asfortranarray(array, dtype="f8"), 0,
    ),
    _case(
        "cython-strided", "Cython", "every 4th value, converted inside",
        lambda: np.linspace(0.0, 1.0, 800_000)[::4], _doubles, 0,
    ),
    _case("c-api-dtype", "C API", "int32", lambda: np.arange(250_000, dtype="i4"), _doubles, 4),
    _case(
        "c-api-byte-order", "C API", "big-endian values",
        lambda: np.linspace(0.0, 1.0, 60_000).astype(">f8"), _doubles, 0,
    ),
)  # fmt: skip
