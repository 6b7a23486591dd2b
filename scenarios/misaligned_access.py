"""Numbers behind a header of 13 bytes are read where they lie, by a function that then goes slowly.

``np.frombuffer(content, offset=13)`` opens the content of a file without a copy, but no number in
it starts at a multiple of 8. The function here takes that, as many do: like a library with vector
code, it has a fast version for aligned buffers, and another for all others that goes from number to
number. Nothing fails and nothing is copied; the call only takes several times as long. The cure is
a header padded to a multiple of 8 bytes. Both versions yield the same numbers, to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interprobe.cdemo import DOUBLE_POINTER, cykernels, kernels

TITLE = "numbers at odd addresses, for which a function has only its slow version"
EXPECTED = ("IP204",)
SAME_NUMBERS = True
SIZE = 16

HEADER = 13
PADDED_HEADER = 16
AT_ONCE = 65536
STEPS = 40
RATE = 0.015625


@dataclass(frozen=True)
class Inputs:
    """The content of two files that hold the same numbers, and room for the answers to them.

    Attributes:
        file: uint8, shape (13 + 8 n,): the header, then n float64; the size asked for.
        padded_file: uint8, shape (16 + 8 n,): the same numbers behind a padded header.
        answers: float64, shape (n,); overwritten.
    """

    file: NDArray[np.uint8]
    padded_file: NDArray[np.uint8]
    answers: NDArray[np.float64]


def prepare(size: int) -> Inputs:
    """Make files of ``size`` MiB."""
    values = np.random.default_rng(204).random(size * 2**20 // 8)
    return Inputs(_file(values, HEADER), _file(values, PADDED_HEADER), np.ones(values.size))


def bad(data: Inputs | None = None) -> tuple[float, ...]:
    """Read the numbers at their odd addresses."""
    data = prepare(SIZE) if data is None else data
    return _settled(np.frombuffer(data.file, np.float64, offset=HEADER), data.answers)


def good(data: Inputs | None = None) -> tuple[float, ...]:
    """Read the numbers where they lie, aligned by the padded header."""
    data = prepare(SIZE) if data is None else data
    return _settled(np.frombuffer(data.padded_file, np.float64, offset=PADDED_HEADER), data.answers)


def _file(values: NDArray[np.float64], header: int) -> NDArray[np.uint8]:
    """The bytes of a file: ``header`` zero bytes, then the numbers."""
    content = np.zeros(header + values.nbytes, dtype=np.uint8)
    content[header:] = values.view(np.uint8)
    return content


def _settled(inputs: NDArray[np.float64], answers: NDArray[np.float64]) -> tuple[float, float]:
    """A number of the answers, through ctypes and through Cython."""
    for first in range(0, inputs.size, AT_ONCE):
        part, room = inputs[first : first + AT_ONCE], answers[first : first + AT_ONCE]
        pointer = part.ctypes.data_as(DOUBLE_POINTER)
        answers_pointer = room.ctypes.data_as(DOUBLE_POINTER)
        kernels.cdemo_settle(pointer, answers_pointer, part.size, STEPS, RATE)
    through_ctypes = float(answers[7])

    for first in range(0, inputs.size, AT_ONCE):
        part, room = inputs[first : first + AT_ONCE], answers[first : first + AT_ONCE]
        cykernels.settle(part, room, STEPS, RATE)
    return through_ctypes, float(answers[7])
