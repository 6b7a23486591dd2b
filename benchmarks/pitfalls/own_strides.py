"""Layouts that Cython's memoryviews take as they are, and that are slow without any copy."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.pitfalls import Pitfall, Sides

_MODULE = "pitfall_cython"


def _prepare_column(built: Path) -> Sides:
    from pitfall_cython import total_of_view

    column = np.linspace(0.0, 1.0, 6_400_000).reshape(100_000, 64)[:, 5]
    row = column.copy()

    def bad() -> float:
        return total_of_view(column)

    def good() -> float:
        return total_of_view(row)

    return Sides(bad, good)


def _prepare_traversal(built: Path) -> Sides:
    from pitfall_cython import total_by_rows

    fortran = np.asfortranarray(np.linspace(0.0, 1.0, 1_152_000).reshape(96, 12_000))
    c_order = np.ascontiguousarray(fortran)

    def bad() -> float:
        return total_by_rows(fortran)

    def good() -> float:
        return total_by_rows(c_order)

    return Sides(bad, good)


def _prepare_power_of_two(built: Path) -> Sides:
    from pitfall_cython import total_by_columns

    wide = np.linspace(0.0, 1.0, 1024 * 512).reshape(1024, 512)
    padded = np.empty((1024, 520))[:, :512]
    padded[...] = wide

    def bad() -> float:
        return total_by_columns(wide, 64)

    def good() -> float:
        return total_by_columns(padded, 64)

    return Sides(bad, good)


CASES = (
    Pitfall(
        "strided-access", "Cython", "a column of 64, read in place", _prepare_column, (_MODULE,)
    ),
    Pitfall(
        "traversal-against-layout", "Cython", "long rows in Fortran order, read in place",
        _prepare_traversal, (_MODULE,),
    ),
    Pitfall(
        "power-of-two-stride", "Cython", "columns of rows of 4096 bytes, read in place",
        _prepare_power_of_two, (_MODULE,),
    ),
)  # fmt: skip
