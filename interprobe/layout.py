"""How an array lies in memory, as a value."""

from __future__ import annotations

from typing import Literal

import msgspec


class Layout(msgspec.Struct, frozen=True):
    """How an array lies in memory.

    Attributes:
        dtype: NumPy's name of the element type, without byte order (``float64``).
        byteorder: ``<`` little, ``>`` big, ``|`` where it does not apply.
        shape: Length of each dimension, in elements.
        strides: Step of each dimension, in bytes.
        order: ``C`` (also where both hold), ``F``, or ``strided`` (neither).
        aligned: Whether every element lies at a multiple of its alignment.
        writeable: Whether the array may be written.
        nbytes: Elements times item size.
    """

    dtype: str
    byteorder: Literal["<", ">", "|"]
    shape: list[int]
    strides: list[int]
    order: Literal["C", "F", "strided"]
    aligned: bool
    writeable: bool
    nbytes: int
