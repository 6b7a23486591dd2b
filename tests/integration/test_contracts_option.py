"""``interprobe run --contracts``: how thoroughly every process of a run compares arrays."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from plain_and_probed import interprobe, run, write

from interprobe.trace import load

PROGRAM = """
    import ctypes
    import multiprocessing
    import sys
    import numpy as np

    pointer = ctypes.POINTER(ctypes.c_double)

    def work(times):
        function = ctypes.CDLL(None)["labs"]
        function.argtypes = [pointer]
        x = np.arange(50.0)
        for _ in range(times):
            function(x.ctypes.data_as(pointer))

    if __name__ == "__main__":
        work(2000)
        for method, times in (("fork", 3000), ("spawn", 4000)):
            process = multiprocessing.get_context(method).Process(target=work, args=(times,))
            process.start()
            process.join()
"""


def looks(folder: Path, *options: str) -> Counter[int]:
    """In how many calls the array was compared, by process."""
    write(folder / "program.py", PROGRAM)
    command = interprobe("run", "--json", "t.json", "-o", "r.txt", *options, "program.py")
    ending = run(command, folder)
    assert (ending.status, ending.stderr) == (0, b"")
    counts: Counter[int] = Counter()
    for call in load(folder / "t.json").calls:
        for fact in call.facts:
            if fact.kind == "unchanged":
                counts[call.process] += fact.count
    return counts


def test_full_contracts_hold_in_every_process(tmp_path: Path) -> None:
    assert looks(tmp_path, "--contracts=full") == {0: 2000, 1: 3000, 2: 4000}


@pytest.mark.parametrize("options", [[], ["--contracts=sampled"]])
def test_by_default_few_calls_are_looked_at(tmp_path: Path, options: list[str]) -> None:
    counts = looks(tmp_path, *options)
    assert set(counts) == {0, 1, 2}
    assert all(1 <= counts[process] < times for process, times in enumerate((2000, 3000, 4000)))
