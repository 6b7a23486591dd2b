"""Makes a million calls of one family while they are recorded, and fails where memory grew."""

# ruff: noqa: PLW0108 - every call comes from Python code of this file, the user's

import ctypes
import importlib.util
import os
import sys

import numpy as np

from interprobe.recorder import Recorder

CALLS = 1_000_000
WARM = 20_000
BLOCKS = 300  # of pymalloc, of some 10^5: what a cache may take
RESIDENT = 3 << 20  # bytes

small = np.ones((2, 3), np.float32).T
row = np.ones(3)
target = np.zeros(3)
pair = [row, row]
indices = np.array([0, 1])
DOUBLES = ctypes.POINTER(ctypes.c_double)

FAMILIES = {
    "conversions": [
        lambda: np.asarray(row),
        lambda: np.array(row),
        lambda: np.ascontiguousarray(small, np.float64),
        lambda: np.asfortranarray(small),
        lambda: small.astype(np.int32),
        lambda: small.copy(),
        lambda: small.ravel(),
        lambda: small.reshape(-1),
        lambda: small.flatten(),
        lambda: small.tobytes(),
        lambda: np.copyto(target, row),
        lambda: np.array([1.0, 2.0]),
    ],
    "operations": [
        lambda: np.dot(row, row),
        lambda: row + 1.0,
        lambda: np.add(target[1:], target[:-1], out=target[1:]),
        lambda: np.concatenate(pair),
        lambda: row[indices],
        lambda: row[::-1],
        lambda: target.__setitem__(slice(None), row),
        lambda: small @ small.T,
        lambda: np.add.reduce(row),
        lambda: row.take(indices),
    ],
    "borrows": [
        lambda: memoryview(row),
        lambda: row.data,
        lambda: row.ctypes.data,
        lambda: row.__array_interface__,
        lambda: row.__array_struct__,
        lambda: row.__dlpack__(),
        lambda: bytes(row),
    ],
}


def load(name):
    found = [
        entry for entry in os.listdir(os.environ["EXTENSIONS"]) if entry.startswith(name + ".")
    ]
    path = os.path.join(os.environ["EXTENSIONS"], next(e for e in found if e.endswith(".so")))
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def add_bindings():
    """Makes the modules global: a recording watches the functions of modules that are imported."""
    for name in ("slot_calls", "field_tools", "vector_tools", "nano_tools", "filters", "_areas"):
        globals()[name] = load(name)
    import cffi

    ffi = cffi.FFI()
    kernels = ctypes.CDLL(os.path.join(os.environ["EXTENSIONS"], "libsignal_kernels.so"))
    energy = kernels.signal_energy
    energy.argtypes = [DOUBLES, ctypes.c_size_t]
    energy.restype = ctypes.c_double
    plain = ctypes.CDLL(os.path.join(os.environ["EXTENSIONS"], "libsignal_kernels.so"))
    from_numbers = plain.signal_energy
    from_numbers.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    hoisted = row.ctypes.data_as(DOUBLES)
    FAMILIES["bindings"] = [
        lambda: energy(hoisted, 3),
        lambda: from_numbers(row.ctypes.data, 3),
        lambda: slot_calls.from_any(row, 0),  # noqa: F821
        lambda: slot_calls.from_any(small, 1),  # noqa: F821
        lambda: slot_calls.new_copy(small),  # noqa: F821
        lambda: field_tools.total(row),  # noqa: F821
        lambda: vector_tools.sum(row),  # noqa: F821
        lambda: nano_tools.sum(row),  # noqa: F821
        lambda: filters.total(row),  # noqa: F821
        lambda: _areas.area(2.0, 3.0),  # noqa: F821
        lambda: ffi.from_buffer("double[]", row),
    ]


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def rounds(functions, times):
    for _ in range(times):
        for function in functions:
            function()


def references():
    return [sys.getrefcount(each) for each in (row, small, target, row.dtype, indices)]


def main(family):
    if family == "bindings":
        add_bindings()
    functions = FAMILIES[family]
    tenth = -(-CALLS // (10 * len(functions)))
    rounds(functions, 1)
    start = references()
    rounds(functions, tenth)
    # NumPy itself leaks a reference here and there (2.5's dot, of the dtype).
    own = [now - then for now, then in zip(references(), start, strict=True)]
    recorder = Recorder(own_paths=[__file__])
    recorder.start()
    rounds(functions, WARM // len(functions))
    start = references()
    blocks, before = sys.getallocatedblocks(), resident()
    rounds(functions, 10 * tenth)
    blocks, grown = sys.getallocatedblocks() - blocks, resident() - before
    kept = [now - then for now, then in zip(references(), start, strict=True)]
    trace = recorder.stop()
    calls = 10 * tenth * len(functions)
    print(f"{family}: {calls} calls, {blocks} blocks and {grown} bytes more")
    if kept != [10 * each for each in own] or blocks > BLOCKS or grown > RESIDENT:
        sys.exit(f"references kept: {kept}, unrecorded a tenth of {own}")
    seen = sum(each.count for kind in (trace.copies, trace.calls, trace.borrows) for each in kind)
    if calls < CALLS or seen < CALLS // 3:
        sys.exit(f"only {seen} events were recorded")


main(sys.argv[1])
