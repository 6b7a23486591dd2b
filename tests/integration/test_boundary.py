"""The packages that are watched inside, or left alone: by option, by argument, in every process."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from extension_builder import build_c_module
from plain_and_probed import interprobe, run, write

import interprobe as public
from interprobe.trace import Trace, load

DRAWING = """
    import multiprocessing
    import sys
    import numpy as np

    def draw(times):
        generator = np.random.default_rng(1)
        for _ in range(times):
            generator.random(3)

    if __name__ == "__main__":
        draw(2)
        for method, times in (("fork", 5), ("spawn", 7)):
            process = multiprocessing.get_context(method).Process(target=draw, args=(times,))
            process.start()
            process.join()
"""


def record(folder: Path, *options: str, program: str = DRAWING) -> Trace:
    """The trace of a program that is run with these options."""
    write(folder / "program.py", program)
    command = interprobe("run", "--json", "t.json", "-o", "r.txt", *options, "program.py")
    ending = run(command, folder)
    assert (ending.status, ending.stderr) == (0, b"")
    return load(folder / "t.json")


def drawn(trace: Trace) -> Counter[int]:
    counts: Counter[int] = Counter()
    for call in trace.calls:
        if call.function == "Generator.random":
            counts[call.process] += call.count
    return counts


def test_a_package_is_watched_inside_in_every_process(tmp_path: Path) -> None:
    trace = record(tmp_path, "--boundary", "numpy.random")
    assert sorted(drawn(trace).items()) == [(0, 2), (1, 5), (2, 7)]


def test_without_an_option_numpy_is_no_foreign_code(tmp_path: Path) -> None:
    assert record(tmp_path).calls == []


def test_a_package_is_left_alone_in_every_process(tmp_path: Path) -> None:
    build_c_module("plain_calls", tmp_path)
    program = """
        import subprocess, sys
        import numpy as np
        import plain_calls

        plain_calls.fast(1)
        if len(sys.argv) == 1:
            subprocess.run([sys.executable, __file__, "again"], check=True)
    """
    watched = record(tmp_path, program=program)
    assert [(call.process, call.function) for call in watched.calls] == [(0, "fast"), (1, "fast")]
    alone = record(tmp_path, "--no-boundary", "plain_calls", program=program)
    assert len(alone.processes) == 2
    assert alone.calls == []


def test_a_module_beside_the_program_is_found(tmp_path: Path) -> None:
    build_c_module("plain_calls", tmp_path)
    # Its user is a package elsewhere, whose own imports nobody watches.
    write(
        tmp_path / "elsewhere" / "user.py",
        "import plain_calls\n\ndef call(): plain_calls.fast(1)\n",
    )
    program = """
        import sys
        sys.path.insert(0, "elsewhere")
        import numpy as np
        import user

        user.call()
    """
    seen = record(tmp_path, "--boundary", "plain_calls", program=program)
    assert [(call.function, call.count) for call in seen.calls] == [("fast", 1)]


def test_a_block_is_recorded_with_its_own_boundary() -> None:
    generator = np.random.default_rng(1)
    with public.record(boundary="numpy.random") as inside:
        generator.random(3)
    with public.record() as outside:
        generator.random(3)
    assert [(call.function, call.count) for call in inside.trace.calls] == [("Generator.random", 1)]
    assert outside.trace.calls == []


def test_a_boundary_is_drawn_while_another_recording_is_open() -> None:
    generator = np.random.default_rng(1)
    with public.record() as around:
        generator.random(3)
        with public.record(boundary=["numpy.random"]) as inside:
            generator.random(3)
    assert sum(call.count for call in inside.trace.calls) == 1
    assert sum(call.count for call in around.trace.calls) == 1


def test_an_unknown_package_is_refused_by_name() -> None:
    with (
        pytest.raises(LookupError, match=r"^there is no package 'nmpy'; did you mean 'numpy'\?$"),
        public.record(boundary="nmpy"),
    ):
        pass
    with pytest.raises(LookupError, match="cannot be watched and left alone"):
        public.profile(lambda: None, boundary=["numpy.fft"], no_boundary="numpy")
    assert "nmpy" not in sys.modules


def test_a_name_is_checked_without_an_import(tmp_path: Path) -> None:
    write(tmp_path / "loud" / "__init__.py", "print('imported')")
    write(tmp_path / "loud" / "inner.py", "print('imported too')")
    write(tmp_path / "program.py", "print('it was run')")
    command = interprobe("run", "-o", "r.txt", "--boundary", "loud.inner", "program.py")
    assert run(command, tmp_path).stdout == b"it was run\n"
    command = interprobe("run", "-o", "r.txt", "--boundary", "loud.iner", "program.py")
    ending = run(command, tmp_path)
    assert (ending.status, ending.stdout) == (2, b"")
    assert b"no module 'loud.iner' in 'loud'; did you mean 'loud.inner'?" in ending.stderr
