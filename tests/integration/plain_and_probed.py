"""Runs a program under plain python and under interprobe, and compares what each left behind."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

_TIMEOUT = 120

# They differ from one run of plain python to the next.
_ADDRESSES_AND_THREADS = re.compile(rb"0x[0-9a-f]{6,}|(?<=started )\d{6,}")


class Ending(NamedTuple):
    """What a process left behind."""

    stdout: bytes
    stderr: bytes
    status: int

    def without_addresses(self) -> Ending:
        """The same with all memory addresses and thread numbers made equal."""
        stdout, stderr = (_ADDRESSES_AND_THREADS.sub(b"0x", text) for text in self[:2])
        return Ending(stdout, stderr, self.status)


def run(
    command: Sequence[str],
    folder: Path,
    *,
    stdin: bytes = b"",
    env: dict[str, str] | None = None,
    joined: bool = False,
) -> Ending:
    """Run a command.

    Args:
        command: Its words.
        folder: Where to run it.
        stdin: What it reads.
        env: Variables added to the environment.
        joined: Whether both of its streams go to one pipe.
    """
    done = subprocess.run(
        command,
        cwd=folder,
        input=stdin,
        env={**os.environ, **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if joined else subprocess.PIPE,
        timeout=_TIMEOUT,
        check=False,
    )
    return Ending(done.stdout, done.stderr or b"", done.returncode)


def interprobe(*words: str) -> list[str]:
    """The command line of interprobe in this interpreter."""
    return [sys.executable, "-m", "interprobe", *words]


def assert_same(
    words: Sequence[str],
    folder: Path,
    *,
    flags: Sequence[str] = (),
    stdin: bytes = b"",
    env: dict[str, str] | None = None,
    joined: bool = False,
) -> None:
    """Assert that a program leaves the same behind under interprobe, whose report is in a file.

    Args:
        words: The program and its arguments, as after ``python``.
        folder: Where to run it.
        flags: Options of the interpreter.
        stdin: As for :func:`run`.
        env: As for :func:`run`.
        joined: As for :func:`run`.
    """
    report = Path(tempfile.mkdtemp(), "report.txt")
    plain = [sys.executable, *flags, *words]
    probed = [sys.executable, *flags, "-m", "interprobe", "run", "-o", str(report), *words]
    with ThreadPoolExecutor(2) as pool:
        endings = [
            pool.submit(run, command, folder, stdin=stdin, env=env, joined=joined)
            for command in (plain, probed)
        ]
        expected, ending = (each.result().without_addresses() for each in endings)
    assert ending == expected
    assert report.read_text(), "the report is empty"
    shutil.rmtree(report.parent)


def write(path: Path, source: str | bytes) -> Path:
    """Write a source file; a text that begins on a line of its own is dedented."""
    if isinstance(source, str):
        text = textwrap.dedent(source[1:]) if source.startswith("\n  ") else source
        source = text.encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(source)
    return path
