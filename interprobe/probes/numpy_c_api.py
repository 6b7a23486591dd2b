"""Watches conversions that C and C++ code asks for through NumPy's C-API table."""

from interprobe import native
from interprobe.probes import KnownWork

SEES = (
    "conversions that extensions ask of NumPy through its C API, with the requirement that forced "
    "each, what is written back after them, and operands that iterators copy"
)
CANNOT_SEE = (
    "copy loops that an extension runs itself, and conversions by pybind11 modules that were used "
    "before recording began"
)


def install() -> None:
    """Put the hooks in place.

    Raises:
        RuntimeError: This NumPy or Python does not allow it; nothing is left patched.
    """
    native.install("numpy-c-api")


def uninstall() -> None:
    """Put every pointer back."""
    native.uninstall("numpy-c-api")


KNOWN_WORK = KnownWork(
    code="""
import ctypes
python = ctypes.pythonapi
python.PyCapsule_GetPointer.restype = ctypes.POINTER(ctypes.c_void_p)
python.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
table = python.PyCapsule_GetPointer(np._core._multiarray_umath._ARRAY_API, None)
new_copy = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object, ctypes.c_int)(table[85])
new_copy(values, 0)
""",
    records="copies",
    name="PyArray_NewCopy",
    count=1,
    bytes=9600,
)
