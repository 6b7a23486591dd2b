"""Passes every hook of every probe, twice: what memcheck and the sanitizers look at."""

import contextlib
import copy
import ctypes
import subprocess
import sys
import threading

import numpy as np

from interprobe import native
from interprobe.recorder import Recorder


class Pointers(ctypes.Structure):
    """A structure that holds an array's address."""

    _fields_ = (("data", ctypes.c_void_p), ("count", ctypes.c_size_t))


def conversions(x: np.ndarray) -> None:
    """Functions and methods that convert."""
    for order in "CFAK":
        np.array(x, order=order)
        x.astype(">f8", order)
        x.copy(order)
        x.ravel(order)
        x.flatten(order)
        x.tobytes(order)
    np.asarray(x.T, np.float64)
    np.asanyarray(x)
    np.ascontiguousarray(x.T)
    np.asfortranarray(x)
    np.require(x.T, requirements=["C", "W"])
    np.copyto(np.zeros(x.shape), x, where=x > 0)
    np.array([[1, 2.0], [3, 4]])
    np.array(bytearray(b"abc"))
    copy.deepcopy(x)
    for shape in ((), (0,), (1,) * 64):
        np.zeros(shape, np.float32).astype(np.float64)
    with contextlib.suppress(ValueError):
        x.copy("Z")


def operations(x: np.ndarray) -> None:
    """What moves elements inside NumPy."""
    y = x.copy()
    y[...] = x[::-1]
    y[1:] = y[:-1]
    np.add(y[1:], y[:-1], out=y[1:])
    np.dot(x.T, x)
    x.T @ x.astype(">f4")
    np.einsum("ij,kj", x, x)
    np.concatenate([x, x.astype(">f4"), np.ones((1, x.shape[1]), object)])
    x[[0, 1]]
    x[x > 0]
    x.take([0, 1])
    np.where(x > 0, x, y)
    np.sort(x, axis=None)
    np.add.reduce(x)
    np.linalg.inv(np.eye(3, dtype=">f8"))
    np.fft.fft(np.ones(8, np.float32))
    mixed = np.zeros(3, "i4,f8,O")
    mixed.copy()[0] = mixed[1]
    np.array(["a", "bc"]).astype(object).astype("S2")
    np.array(["a", "bc" * 40], np.dtypes.StringDType()).copy()
    np.array([1.5, 2.5], object) + np.array([1, 2])
    np.frompyfunc(lambda one: np.ones(3).astype(np.float32), 1, 1)(np.ones(2))


def borrows(x: np.ndarray) -> None:
    """Buffers and raw addresses."""
    memoryview(x).release()
    bytes(x)
    _ = x.data, x.__array_interface__, x.__array_struct__
    np.from_dlpack(x)
    np.frombuffer(x, np.uint8)


def calls(x: np.ndarray) -> None:
    """Foreign functions."""
    libc = ctypes.CDLL(None)
    address = ctypes.c_void_p(x.ctypes.data)
    libc.memcmp(x.ctypes.data_as(ctypes.c_void_p), address, 8)
    libc.memcmp.argtypes = [ctypes.c_void_p] * 2 + [ctypes.c_size_t]
    libc.memcmp(x.ctypes.data, x.ctypes, 8)
    held = Pointers(x.ctypes.data, x.size)
    libc.memcmp(ctypes.byref(held), ctypes.pointer(held), 8)
    libc.memcmp((ctypes.c_void_p * 2)(x.ctypes.data, 0), ctypes.addressof(held), 0)
    compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(
        lambda one, other: len(np.ones(3).astype(np.float32)) - 3
    )
    libc.qsort((ctypes.c_int * 3)(3, 2, 1), ctypes.c_size_t(3), ctypes.c_size_t(4), compare)
    try:
        import cffi
    except ImportError:
        return
    ffi = cffi.FFI()
    ffi.cdef("int memcmp(const void *, const void *, size_t);")
    ffi.dlopen(None).memcmp(ffi.from_buffer(x), ffi.cast("void *", x.ctypes.data), 8)


def everything() -> None:
    """All of it, here, in a thread and beside a child."""
    x = np.ones((20, 10), np.float32)
    for work in (conversions, operations, borrows, calls):
        work(x)
        thread = threading.Thread(target=work, args=(x,))
        thread.start()
        thread.join()
    subprocess.run(["/bin/true"], check=True, env={"A": "1"})


for _ in range(2):
    recorder = Recorder(own_paths=[__file__])
    recorder.start()
    everything()
    # What else a run patches: the functions of a module that is imported by name.
    native.scan_import_statement("math", ("fsum",))
    trace = recorder.stop()
    everything()
sys.stdout.write(
    f"{trace.copy_count} copies, {len(trace.calls)} calls, {len(trace.borrows)} borrows\n"
)
