"""A program of many threads, processes, tasks and stacks; its argument names what it does.

Every copy is made by copy(); what it prints does not depend on which of them came first.
"""

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np

x = np.ones((50, 40), np.float32)


def copy(times):
    for _ in range(times):
        np.ascontiguousarray(x.T, dtype=np.float64)  # COPY
    return times


def library():
    found = ctypes.CDLL(os.environ["NATIVE_THREADS"])
    callback = ctypes.CFUNCTYPE(None, ctypes.c_int)
    found.on_threads.argtypes = [ctypes.c_int, callback]
    found.call_once.argtypes = [callback]
    found.crash.argtypes = [ctypes.c_void_p, ctypes.c_int]
    return found, callback


def native_threads():
    found, callback = library()
    function = callback(copy)
    found.on_threads(3, function)


def crash(how):
    found, _ = library()
    values = np.ones(7)
    found.crash(values.ctypes.data_as(ctypes.c_void_p), how)


def crash_in_thread(how):
    thread = threading.Thread(target=crash, args=(how,))
    thread.start()
    thread.join()


def suspended_generator():
    """A generator that is begun in one crossing's callback goes on in another's, and after both."""
    found, callback = library()

    def steps():
        for _ in range(3):
            copy(2)
            yield

    generator = steps()
    advance = callback(lambda number: next(generator))
    found.call_once(advance)
    found.call_once(advance)
    next(generator)
    generator.close()


def greenlets():
    from greenlet import getcurrent, greenlet

    found, callback = library()
    main = getcurrent()

    def work(times):
        found.call_once(callback(lambda number: (copy(times), main.switch(), copy(times))))

    runners = [greenlet(work), greenlet(work)]
    runners[0].switch(1)
    runners[1].switch(2)
    runners[0].switch()
    runners[1].switch()
    print(all(runner.dead for runner in runners))


def tasks():
    async def one(times):
        copy(times)
        await asyncio.sleep(0.001)
        copy(times)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(None, copy, times)

    async def all_of_them():
        return await asyncio.gather(*[one(times) for times in (1, 2, 3)])

    print(asyncio.run(all_of_them()))


def executor(method):
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        print(list(pool.map(copy, range(1, 6))))


def pool():
    """The end of the `with` block kills the workers with SIGTERM."""
    import multiprocessing

    with multiprocessing.get_context("fork").Pool(2) as workers:
        print(workers.map(copy, range(1, 6)))


def jobs(backend):
    from joblib import Parallel, delayed

    print(Parallel(n_jobs=2, backend=backend)(delayed(copy)(times) for times in range(1, 6)))


def forks():
    """A child of a process with other threads, and a grandchild."""
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    child = os.fork()
    if child == 0:
        copy(3)
        grandchild = os.fork()
        if grandchild == 0:
            copy(4)
            os._exit(4)
        status = os.waitstatus_to_exitcode(os.waitpid(grandchild, 0)[1])
        print("grandchild", status, flush=True)
        os._exit(3)
    print("child", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    stop.set()
    thread.join()
    copy(1)


def killed_child(number):
    ready, told = os.pipe()
    child = os.fork()
    if child == 0:
        copy(3)
        os.write(told, b"!")
        time.sleep(60)
    os.read(ready, 1)
    os.kill(child, number)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def interpreter():
    code = "import numpy as np; np.ascontiguousarray(np.ones((50, 40), np.float32).T, np.float64)"
    print(subprocess.run([sys.executable, "-c", code], check=True).returncode)
    print(subprocess.run(["/bin/sh", "-c", "exit 3"], check=False).returncode)


def environments():
    """Interpreters that get an environment which the program has put together."""
    code = "import numpy as np; np.ascontiguousarray(np.ones((50, 40), np.float32).T, np.float64)"
    command = [sys.executable, "-c", code + "; import os; print(sorted(os.environ) == ['A', 'B'])"]
    given = {"A": "1", "B": "2"}
    subprocess.run(command, check=True, env=given)
    sys.stdout.flush()
    spawned = os.posix_spawn(sys.executable, command, given)
    print(os.waitstatus_to_exitcode(os.waitpid(spawned, 0)[1]), flush=True)
    if (child := os.fork()) == 0:
        os.execve(sys.executable, command, env={b"A": "1", "B": b"2"})
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    print(given, [hash(os.execve) == hash(os.execve)])
    print(subprocess.run(["/usr/bin/env"], check=True, env=given, capture_output=True).stdout)
    for wrong in (5, {"A": 1}, None):
        try:
            os.execve(sys.executable, command, wrong)
        except TypeError as error:
            print(error)


def interrupted():
    # A shell has background commands, and what they start, ignore it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    copy(2)
    print("ready", flush=True), time.sleep(60)  # one line: tracebacks agree


def unhandled_in_thread():
    thread = threading.Thread(target=lambda: (copy(2), 1 / 0), name="worker")
    thread.start()
    thread.join()


def exit_in_callback():
    found, callback = library()
    found.call_once(callback(lambda number: (copy(2), os._exit(9))))


def daemon_at_exit():
    """A thread that is still at work when the interpreter goes."""
    started = threading.Event()

    def work():
        small = np.ones((3, 2), np.float32)
        while True:
            np.concatenate([small, small])
            started.set()

    threading.Thread(target=work, daemon=True).start()
    started.wait()


TASKS = {
    "native threads": native_threads,
    "abort in a kernel": lambda: crash(1),
    "segfault in a kernel": lambda: crash(2),
    "segfault in a thread's kernel": lambda: crash_in_thread(2),
    "suspended generator": suspended_generator,
    "greenlets": greenlets,
    "asyncio": tasks,
    "executor fork": lambda: executor("fork"),
    "executor spawn": lambda: executor("spawn"),
    "executor forkserver": lambda: executor("forkserver"),
    "pool": pool,
    "joblib loky": lambda: jobs("loky"),
    "joblib threading": lambda: jobs("threading"),
    "forks": forks,
    "child killed": lambda: killed_child(signal.SIGKILL),
    "child terminated": lambda: killed_child(signal.SIGTERM),
    "interpreter": interpreter,
    "environments": environments,
    "interrupted": interrupted,
    "unhandled in a thread": unhandled_in_thread,
    "exit in a callback": exit_in_callback,
    "daemon at exit": daemon_at_exit,
}

if __name__ == "__main__":
    copy(7)
    TASKS[sys.argv[1]]()
