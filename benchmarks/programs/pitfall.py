"""Calls one side of a pitfall again and again, and times each call.

``pitfall.py RESULT BUILT NAME SIDE CALLS SECONDS`` writes ``{"calls": ..., "seconds": ...}`` to
RESULT: how many calls were made, CALLS of them or as many as take SECONDS where CALLS is 0, and
their mean in seconds, the first tenth left out: what a cure gains is the time of all calls,
whatever each of them found in the caches. It prints a digest of what the first and the last call
returned. BUILT is the folder of the compiled modules.
"""

import hashlib
import json
import statistics
import sys
from pathlib import Path
from time import perf_counter

import numpy as np

RESULT, BUILT, NAME, SIDE, CALLS, SECONDS = sys.argv[1:]

sys.path.insert(0, BUILT)
sys.path.append(str(Path(__file__).resolve().parents[2]))

from benchmarks.pitfalls import pitfalls  # noqa: E402

(case,) = [each for each in pitfalls() if each.name == NAME]
work = getattr(case.prepare(Path(BUILT)), SIDE)


def digest(result):
    parts = result if isinstance(result, tuple | list) else (result,)
    said = b"".join(np.ascontiguousarray(part).tobytes() for part in parts if part is not None)
    return hashlib.sha256(said).hexdigest()[:16]


print(digest(work()))
seconds = []
until = perf_counter() + float(SECONDS)
while len(seconds) < int(CALLS) if CALLS != "0" else perf_counter() < until or len(seconds) < 20:
    began = perf_counter()
    result = work()
    seconds.append(perf_counter() - began)
    if len(seconds) > 1:
        del result
print(digest(work()))
with open(RESULT, "w") as file:
    mean = statistics.fmean(seconds[len(seconds) // 10 :])
    json.dump({"calls": len(seconds), "seconds": mean}, file)
