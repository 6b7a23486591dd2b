"""The demonstration kernels: ``libcdemo_kernels.so`` for ctypes, with its prototypes declared.

``kernels`` is the loaded library; ``kernels.h``, installed beside it, states what each function
promises. The Cython twin is :mod:`interprobe.cdemo.cykernels`.
"""

from __future__ import annotations

import ctypes
from importlib import resources
from typing import Any

import numpy as np

DOUBLE_POINTER = ctypes.POINTER(ctypes.c_double)
"""What the kernels declare for ``double *``: pass ``array.ctypes.data_as(DOUBLE_POINTER)``."""

FLOAT_POINTER = ctypes.POINTER(ctypes.c_float)
"""What the one kernel declares that takes ``float *``."""


class Record(ctypes.Structure):
    """``struct cdemo_record``: an ``int`` id and a ``double`` value, with padding between them."""

    _fields_ = (("id", ctypes.c_int32), ("value", ctypes.c_double))


RECORD_POINTER = ctypes.POINTER(Record)
"""What the kernels declare for ``struct cdemo_record *``."""

RECORD = np.dtype([("id", np.int32), ("value", np.float64)], align=True)
"""NumPy's dtype of ``struct cdemo_record``; without ``align`` NumPy would pack the members."""


def _raise_for(status: int, function: Any, arguments: tuple[Any, ...]) -> None:
    """Turn a kernel's status into an exception; ctypes calls it after each call."""
    if status != 0:
        reason = kernels.cdemo_describe(status).decode("ascii")
        raise ValueError(f"{function.__name__} refused its arguments: {reason}")


def _load() -> ctypes.CDLL:
    """Load the library and declare the prototype of every function of ``kernels.h``.

    Raises:
        ImportError: The library is not there, since interprobe was not built.
    """
    library = resources.files("interprobe.cdemo").joinpath("libcdemo_kernels.so")
    if not library.is_file():
        raise ImportError(
            "libcdemo_kernels.so is missing: build interprobe with 'python3 -m pip install .'"
        )
    with resources.as_file(library) as path:
        loaded = ctypes.CDLL(str(path))

    double, size = ctypes.c_double, ctypes.c_size_t
    doubles, records = DOUBLE_POINTER, RECORD_POINTER
    for name, returned, taken in (
        ("cdemo_sum", double, (doubles, size)),
        ("cdemo_dot", double, (doubles, doubles, size)),
        ("cdemo_axpy", ctypes.c_int, (double, doubles, doubles, size)),
        ("cdemo_row_sweep", ctypes.c_int, (doubles, size, size, doubles)),
        ("cdemo_column_sweep", ctypes.c_int, (doubles, size, size, doubles)),
        ("cdemo_column_sweep_fortran", ctypes.c_int, (doubles, size, size, doubles)),
        ("cdemo_stencil", ctypes.c_int, (doubles, doubles, size, size, double)),
        ("cdemo_records_sum", double, (records, size)),
        ("cdemo_longest_gap", double, (FLOAT_POINTER, size)),
        ("cdemo_peak", double, (doubles, size, ctypes.c_ssize_t)),
        ("cdemo_scale_columns", ctypes.c_int, (doubles, size, size, size, size, doubles, doubles)),
        ("cdemo_transpose", ctypes.c_int, (doubles, size, size, size, doubles, size)),
        ("cdemo_settle", ctypes.c_int, (doubles, doubles, size, size, double)),
        ("cdemo_orbit", double, (double, size)),
        ("cdemo_orbits", ctypes.c_int, (doubles, doubles, size, size)),
        ("cdemo_saturation", double, (doubles, double, size)),
        ("cdemo_describe", ctypes.c_char_p, (ctypes.c_int,)),
    ):
        function = getattr(loaded, name)
        function.argtypes, function.restype = taken, returned
        if returned is ctypes.c_int:
            function.errcheck = _raise_for
    return loaded


kernels = _load()
"""The C library; a function that returns a status raises ``ValueError`` where that is an error."""
