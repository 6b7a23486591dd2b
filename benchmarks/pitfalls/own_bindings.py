"""Arrays that functions bound with nanobind, f2py, Cython and the C API have to convert."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.pitfalls import Pitfall, Sides


# The statements themselves: interprobe watches what the program's own code imports by name.
def _nanobind() -> Any:
    import pitfall_nanobind

    return pitfall_nanobind.total


def _f2py() -> Any:
    import pitfall_fortran

    return pitfall_fortran.total


def _cython() -> Any:
    import pitfall_cython

    return pitfall_cython.total


def _c_api() -> Any:
    import pitfall_c_api

    return pitfall_c_api.total


_TOTALS = {
    "nanobind": ("pitfall_nanobind", _nanobind),
    "f2py": ("pitfall_fortran", _f2py),
    "Cython": ("pitfall_cython", _cython),
    "C API": ("pitfall_c_api", _c_api),
}


def _case(
    name: str, binding: str, what: str,
    given: Callable[[], Any], wanted: Callable[[Any], Any], *rounds: int,
) -> Pitfall:  # fmt: skip
    """``total`` of a binding's module with what ``given`` makes, and with what is wanted."""
    module, load = _TOTALS[binding]

    def prepare(built: Path) -> Sides:
        total = load()
        array = given()
        converted = wanted(array)

        def bad() -> Any:
            return total(array, *rounds)

        def good() -> Any:
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
