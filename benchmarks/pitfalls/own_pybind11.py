"""Arrays that a function bound with pybind11 has to convert at each call."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.pitfalls import Pitfall, Sides

_MODULE = "pitfall_pybind11"


def _total(given: Callable[[], Any], wanted: Callable[[Any], Any], rounds: int) -> Any:
    """``total`` with what ``given`` makes, against what ``wanted`` makes of that beforehand."""

    def prepare(built: Path) -> Sides:
        import pitfall_pybind11

        array = given()
        converted = wanted(array)

        def bad() -> float:
            return pitfall_pybind11.total(array, rounds)

        def good() -> float:
            return pitfall_pybind11.total(converted, rounds)

        return Sides(bad, good)

    return prepare


def _case(name: str, what: str, given: Any, wanted: Any, rounds: int = 0) -> Pitfall:
    return Pitfall(name, "pybind11", what, _total(given, wanted, rounds), (_MODULE,))


def _prepare_cold(built: Path) -> Sides:
    import pitfall_pybind11

    arrays = [np.full(400_000, float(i), dtype="f4") for i in range(32)]
    converted = cycle([array.astype("f8") for array in arrays])
    given = cycle(arrays)

    def bad() -> float:
        return pitfall_pybind11.total(next(given), 0)

    def good() -> float:
        return pitfall_pybind11.total(next(converted), 0)

    return Sides(bad, good)


def _prepare_halves(built: Path) -> Sides:
    import pitfall_pybind11

    array = np.linspace(0.0, 1.0, 300_000, dtype="f4")
    converted = array.astype("f8")

    def bad() -> Any:
        return pitfall_pybind11.halves(array)

    def good() -> Any:
        return pitfall_pybind11.halves(converted)

    return Sides(bad, good)


def _floats() -> Any:
    return np.linspace(0.0, 1.0, 300_000, dtype="f4")


def _doubles(array: Any) -> Any:
    return np.ascontiguousarray(array, dtype="f8")


CASES = (
    _case("pybind11-dtype", "float32, the kernel is cheap", _floats, _doubles),
    _case("pybind11-dtype-middling", "float32, some work", _floats, _doubles, 6),
    _case("pybind11-dtype-slight", "float32, much work", _floats, _doubles, 16),
    _case("pybind11-dtype-heavy", "float32, very much work", _floats, _doubles, 120),
    _case(
        "pybind11-strided", "every 8th value",
        lambda: np.linspace(0.0, 1.0, 1_600_000)[::8], _doubles,
    ),
    _case(
        "pybind11-byte-order", "big-endian values",
        lambda: np.linspace(0.0, 1.0, 300_000).astype(">f8"), _doubles,
    ),
    _case(
        "pybind11-order", "Fortran order",
        lambda: np.asfortranarray(np.linspace(0.0, 1.0, 360_000).reshape(600, 600)), _doubles,
    ),
    _case("pybind11-list", "a list", lambda: np.linspace(0.0, 1.0, 30_000).tolist(), _doubles, 20),
    Pitfall(
        "pybind11-cold", "pybind11", "float32, each time another array", _prepare_cold, (_MODULE,)
    ),
    Pitfall(
        "pybind11-result", "pybind11", "float32, and a result as large", _prepare_halves, (_MODULE,)
    ),
)  # fmt: skip
