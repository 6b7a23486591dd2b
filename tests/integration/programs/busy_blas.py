"""Keeps BLAS threads busy around calls that are repeated in children: ``busy_blas.py FOLDER MODE``.

FOLDER holds the extension. Prints what the calls returned, and what became of the replays.
"""

import sys
import threading
from collections import Counter

sys.path.insert(0, sys.argv[1])

import numpy as np
import replayed_calls

from interprobe.recorder import Recorder

SIDE = 600
left = np.random.default_rng(3).random((SIDE, SIDE))
view = np.arange(80_000.0).reshape(10_000, 8)[:, ::4]
results = []
stop = threading.Event()


def multiply():
    while not stop.is_set():
        np.dot(left, left)


def after_a_product(line):
    """Calls from a place of its own, right after BLAS's threads have worked."""
    code = compile("\n" * line + "np.dot(left, left); value = total(view)", __file__, "exec")
    names = {"np": np, "left": left, "total": replayed_calls.total, "view": view}
    exec(code, names)
    results.append(names["value"])


recorder = Recorder(own_paths=[__file__], boundary=["replayed_calls"], what_if=sys.argv[2])
recorder.start()
for line in range(1000, 1020):
    after_a_product(line)
# BLAS's threads do not exist in the child that repeats this.
results.append(replayed_calls.call(view, lambda: np.dot(left, left)))
threads = [threading.Thread(target=multiply) for _ in range(2)]
for thread in threads:
    thread.start()
for line in range(2000, 2020):
    after_a_product(line)
stop.set()
for thread in threads:
    thread.join()
trace = recorder.stop()
print(results)
ends = Counter(replay.reason or "measured" for call in trace.calls for replay in call.replays)
print(dict(ends), file=sys.stderr)
