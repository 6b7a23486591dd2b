"""Has a kernel touch memory beside an array, in the way that is named on the command line."""

import ctypes
import faulthandler
import os
import signal
import sys
import threading

import numpy as np

library_path, what, binding = sys.argv[1:4]
DP = ctypes.POINTER(ctypes.c_double)
c = ctypes.CDLL(library_path)
c.sum_of.argtypes = [DP, ctypes.c_long]
c.sum_of.restype = ctypes.c_double
c.set_element.argtypes = [DP, ctypes.c_long, ctypes.c_double]
c.get_element.argtypes = [DP, ctypes.c_long]
c.get_element.restype = ctypes.c_double
c.remember.argtypes = [DP]
c.set_remembered.argtypes = [ctypes.c_long, ctypes.c_double]
c.get_in_thread.argtypes = [DP, ctypes.c_long]
c.get_in_thread.restype = ctypes.c_double
c.try_element.argtypes = [DP, ctypes.c_long, ctypes.c_double]
c.try_element.restype = ctypes.c_double
c.copy_bytes.argtypes = [DP, DP, ctypes.c_ulong]
NOTHING = ctypes.CFUNCTYPE(None)
c.call_back.argtypes = [NOTHING, DP, ctypes.c_long]
c.overflow_stack.argtypes = [ctypes.c_long]


def pointer(array):
    return array.ctypes.data_as(DP)


if binding == "cython":
    import beside_memoryviews as kernels

    sum_of, set_element, remember = kernels.sum_of, kernels.set_element, kernels.remember
    set_remembered = kernels.set_remembered
else:

    def sum_of(array, n):
        return c.sum_of(array.ctypes.data_as(DP), n)

    def set_element(array, i, value):
        c.set_element(array.ctypes.data_as(DP), i, value)

    def remember(array):
        c.remember(array.ctypes.data_as(DP))

    set_remembered = c.set_remembered

samples = np.arange(100.0)
others = np.arange(100.0)

if what == "nothing":
    print(sum_of(samples, 100), set_element(samples, 99, 1.0))
elif what == "read past":
    print(sum_of(samples, 101))
elif what == "write past":
    set_element(samples, 100, 1.0)
elif what == "write before":
    set_element(samples, -1, 1.0)
    print(samples[0])
elif what == "stale write":
    remember(samples)
    samples = None
    set_remembered(2, 5.0)
elif what == "stale read":
    remember(samples)
    del samples
    print(kernels.get_remembered(3))
elif what == "freed address":
    address = samples.ctypes.data
    del samples
    print(c.get_element(ctypes.cast(address, DP), 0))
elif what == "padding":
    odd = np.zeros(13, dtype=np.uint8)
    c.set_element(ctypes.cast(odd.ctypes.data_as(ctypes.c_void_p), DP), 1, -1.0)
    print(odd.sum())
elif what == "written between":
    ctypes.memset(samples.ctypes.data - 8, 1, 8)  # through Python's own C API: no crossing
    print(c.sum_of(pointer(samples), 100))
elif what == "written and freed":
    ctypes.memset(samples.ctypes.data - 8, 1, 8)
    del samples
elif what == "memcpy":
    c.copy_bytes(pointer(others), pointer(samples), 100 * 8 + 4096)
elif what == "thread":
    c.get_in_thread(pointer(samples), 100)
elif what == "python thread":
    thread = threading.Thread(target=sum_of, args=(samples, 101))
    thread.start()
    thread.join()
elif what == "nested":

    @NOTHING
    def inner():
        c.sum_of(pointer(others), 100)

    c.call_back(inner, pointer(samples), 100)
elif what == "view":
    print(np.lib.stride_tricks.as_strided(samples, (101,)).sum())
elif what == "faulthandler later":
    faulthandler.enable()
    sum_of(samples, 101)
elif what == "faulthandler on and off":
    for _ in range(20):
        faulthandler.enable()
        sum_of(samples, 100)
        faulthandler.disable()
        sum_of(samples, 100)
    sum_of(samples, 101)
elif what == "own handler":
    c.handle_faults(0)
    sum_of(samples, 101)
elif what == "recovers":
    c.handle_faults(1)
    for _ in range(3):
        print(c.try_element(pointer(samples), 100, -1.0), c.try_element(pointer(samples), 1, 0.0))
elif what == "other fault":
    ctypes.string_at(8)
elif what == "signal sent":
    os.kill(os.getpid(), signal.SIGSEGV)
elif what == "stack overflow":
    c.overflow_stack(1)
elif what == "fork":
    child = os.fork()
    if child == 0:
        sum_of(samples, 101)
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), sum_of(samples, 100))
elif what == "subprocess":
    import subprocess

    words = [sys.executable, __file__, library_path, "read past", binding]
    print(subprocess.run(words, check=False).returncode)
