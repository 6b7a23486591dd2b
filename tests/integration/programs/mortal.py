"""A program that copies seven times, and then ends in the way that its argument names."""

import ctypes
import os
import signal
import sys

import numpy as np

x = np.ones((500, 400), np.float32)


def copy(times):
    for _ in range(times):
        np.ascontiguousarray(x.T, dtype=np.float64)  # COPY


def forked():
    child = os.fork()
    if child == 0:
        copy(3)
        sys.exit(3)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def processes(method):
    import multiprocessing

    context = multiprocessing.get_context(method)
    started = [context.Process(target=copy, args=(times,)) for times in (2, 4)]
    for process in started:
        process.start()
    for process in started:
        process.join()


def crash_in_kernel():
    libc = ctypes.CDLL(None)
    libc.memcpy.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
    libc.memcpy(8, x.ctypes.data_as(ctypes.c_void_p), 8)


def threads():
    import threading

    started = [threading.Thread(target=copy, args=(times,)) for times in (2, 4)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()


def subprocess_of_python():
    import subprocess

    subprocess.run([sys.executable, __file__, "nothing"], check=True)


ENDINGS = {
    "nothing": lambda: None,
    "exception": lambda: 1 / 0,
    "sys.exit": lambda: sys.exit(5),
    "os._exit": lambda: os._exit(7),
    "SIGINT": lambda: (
        signal.signal(signal.SIGINT, signal.default_int_handler),  # ignored in the background
        os.kill(os.getpid(), signal.SIGINT),
    ),
    "SIGTERM": lambda: os.kill(os.getpid(), signal.SIGTERM),
    "SIGKILL": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "segfault": crash_in_kernel,
    "abort": os.abort,
    "fork": forked,
    "multiprocessing fork": lambda: processes("fork"),
    "multiprocessing spawn": lambda: processes("spawn"),
    "multiprocessing forkserver": lambda: processes("forkserver"),
    "threads": threads,
    "subprocess": subprocess_of_python,
}

if __name__ == "__main__":
    copy(7)
    print("alive", flush=True)
    ENDINGS[sys.argv[1]]()
