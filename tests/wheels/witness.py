"""Runs a program on a wheel with and without interprobe, and counts its heap blocks on the side."""

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROGRAMS = Path(__file__).parent / "programs"
MALLOC_LOG = Path(__file__).parents[1] / "integration" / "programs" / "malloc_log.c"
ITEM_SIZES = (1, 2, 4, 8, 16)
LEAST_BLOCK = 1 << 16
NUMPY_CORE = "_multiarray_umath"

# Unless a requirement was unmet, their copies lie in a block that another copy shares, or that was
# there before, or in no array.
INTO_NO_BLOCK_OF_ITS_OWN = {
    "PyArray_CopyInto",
    "PyArray_CopyAnyInto",
    "numpy.copyto",
    "numpy.concatenate",
    "ndarray.__setitem__",
    "ndarray.tobytes",
}

# The digests must not depend on how threads share the work.
ONE_THREAD = {
    f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "LOKY_MAX")
}


@dataclass(frozen=True)
class Evidence:
    """What three runs of one program left.

    Attributes:
        script: The program.
        trace: Of the run under interprobe.
        plain: Standard output, standard error and status of the run without it.
        probed: The same of the run under it.
        blocks: The blocks that NumPy asked malloc for in the plain run, by size in bytes.
        made: Those of them that are no copies, as the program knows, by size in bytes.
        elements: The numbers of elements of the cases' arrays.
    """

    script: Path
    trace: dict[str, Any]
    plain: tuple[str, str, int]
    probed: tuple[str, str, int]
    blocks: dict[int, int]
    made: dict[int, int]
    elements: frozenset[int]

    def cases(self) -> list[str]:
        """The names of all cases, in the program's order."""
        lines = self.script.read_text().splitlines()
        return [text.partition("# CASE ")[2] for text in lines if "# CASE " in text]

    def is_of_a_case(self, nbytes: int) -> bool:
        """Whether a block of that size holds the elements of a case's array."""
        return nbytes >= LEAST_BLOCK and any(
            nbytes == elements * size for elements in self.elements for size in ITEM_SIZES
        )

    def line_of(self, case: str) -> int:
        """The line that ends in ``# CASE case``."""
        lines = self.script.read_text().splitlines()
        found = [at for at, text in enumerate(lines, 1) if text.endswith(f"# CASE {case}")]
        assert len(found) == 1, (case, found)
        return found[0]

    def copies_at(self, case: str) -> list[dict[str, Any]]:
        """The copies on a case's line, as the user sees it, of blocks that the log keeps."""
        line = self.line_of(case)
        return [
            copy
            for copy in self.trace["copies"]
            if copy["user_site"]["line"] == line
            and copy["user_site"]["file"] == str(self.script)
            and copy["nbytes_max"] >= LEAST_BLOCK
        ]

    def calls_at(self, case: str) -> list[dict[str, Any]]:
        """The crossings on a case's line."""
        line = self.line_of(case)
        return [
            call
            for call in self.trace["calls"]
            if call["user_site"]["line"] == line and call["user_site"]["file"] == str(self.script)
        ]

    def copied(self) -> Counter[int]:
        """How many copies the trace has into blocks of their own, by size."""
        counted: Counter[int] = Counter()
        for copy in self.trace["copies"]:
            if copy["mechanism"] in INTO_NO_BLOCK_OF_ITS_OWN and not copy["unmet"]:
                continue
            if copy["nbytes_min"] == copy["nbytes_max"]:
                counted[copy["nbytes_max"]] += copy["count"]
                continue
            per_element = copy["result"]["nbytes"] // size_of(copy["result"]["shape"])
            for variant in copy["variants"]:
                if variant["shape"] is None:
                    continue  # what did not fit: many small arrays, which no case makes
                counted[size_of(variant["shape"]) * per_element] += variant["count"]
        return counted

    def unexplained(self) -> dict[int, tuple[int, int, int]]:
        """Sizes of the cases' blocks where the trace and the log of malloc disagree.

        Returns:
            By size in bytes: blocks in the log, those that the program made, copies in the trace.
        """
        sizes = {n * size for n in self.elements for size in ITEM_SIZES}
        copied = self.copied()
        rows = {
            size: (self.blocks.get(size, 0), self.made.get(size, 0), copied.get(size, 0))
            for size in sorted(sizes)
            if size >= LEAST_BLOCK
        }
        return {size: row for size, row in rows.items() if row[0] != row[1] + row[2]}


def size_of(shape: list[int]) -> int:
    """The number of elements of a shape."""
    total = 1
    for length in shape:
        total *= length
    return total


def build_malloc_log(folder: Path) -> Path:
    """Compile the log of malloc that is preloaded."""
    library = folder / "libmalloc_log.so"
    command = ["gcc", "-O2", "-shared", "-fPIC", str(MALLOC_LOG), "-o", str(library), "-ldl"]
    subprocess.run(command, check=True)
    return library


def examine(name: str, folder: Path, *options: str) -> Evidence:
    """Run programs/NAME.py plain, plain under the log of malloc, and under interprobe.

    Args:
        name: The program.
        folder: Where the log of malloc was built, and where files may be left.
        options: Of ``interprobe run``.
    """
    script = PROGRAMS / f"{name}.py"
    noted, log, trace = (folder / f"{name}.{kind}" for kind in ("noted", "malloc", "json"))
    plain = _run(folder, [str(script)], {})
    library = str(folder / "libmalloc_log.so")
    logged = _run(
        folder,
        [str(script)],
        {
            "LD_PRELOAD": library,
            "MALLOC_LOG": str(log),
            "MALLOC_LOG_CALLER": NUMPY_CORE,
            "NOTED": str(noted),
        },
    )
    assert (logged[0], logged[2]) == (plain[0], plain[2]), logged[1]
    words = ["-m", "interprobe", "run", *options, "--json", str(trace)]
    words += ["-o", str(folder / f"{name}.txt"), str(script)]
    probed = _run(folder, words, {})
    notes = json.loads(noted.read_text())
    return Evidence(
        script=script,
        trace=json.loads(trace.read_text()),
        plain=plain,
        probed=probed,
        blocks=_pairs([line.split() for line in log.read_text().splitlines()]),
        made=_pairs(notes["made"]),
        elements=frozenset(notes["elements"]),
    )


def _pairs(rows: list[Any]) -> dict[int, int]:
    return {int(size): int(count) for size, count in rows}


def _run(folder: Path, words: list[str], variables: dict[str, str]) -> tuple[str, str, int]:
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={**os.environ, **ONE_THREAD, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout, done.stderr, done.returncode
