"""Times the repeats of a program's work, and marks its functions for line profilers."""

import builtins
import json
from time import perf_counter


def marked(function, decorated):
    """``function`` under the ``@profile`` of a line profiler, unless ``decorated`` is "no".

    With "held" the profiler is switched on for good: to switch line_profiler on and off around each
    call costs tens of times what its lines cost.
    """
    if decorated == "no":
        return function
    if decorated == "held":
        builtins.profile.enable_by_count()
    return builtins.profile(function)


def write_times(path, work, repeats):
    """Run ``work`` once unmeasured, then ``repeats`` times: seconds of each, as JSON."""
    work()
    times = []
    for _ in range(int(repeats)):
        began = perf_counter()
        work()
        times.append(perf_counter() - began)
    with open(path, "w") as file:
        json.dump(times, file)
