"""Runs a program under plain python and under interprobe, and keeps what each left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

TIMEOUT = 120


class Ending(NamedTuple):
    """What a process left behind."""

    stdout: bytes
    stderr: bytes
    status: int


def run(
    command: Sequence[str],
    cwd: Path,
    stdin: bytes = b"",
    env: dict[str, str] | None = None,
    joined: bool = False,
) -> Ending:
    """Run a command.

    Args:
        command: Its words.
        cwd: Where to run it.
        stdin: What it reads.
        env: Variables added to the environment; one of "" is removed.
        joined: Whether both of its streams go to one pipe.
    """
    environment = {**os.environ, **(env or {})}
    environment = {name: value for name, value in environment.items() if value}
    done = subprocess.run(
        command,
        cwd=cwd,
        input=stdin,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if joined else subprocess.PIPE,
        timeout=TIMEOUT,
        check=False,
    )
    return Ending(done.stdout, done.stderr or b"", done.returncode)


def interprobe(*words: str) -> list[str]:
    """The command line of interprobe in this interpreter."""
    return [sys.executable, "-m", "interprobe", *words]


def plain(
    words: Sequence[str],
    cwd: Path,
    stdin: bytes = b"",
    env: dict[str, str] | None = None,
    flags: Sequence[str] = (),
    joined: bool = False,
) -> Ending:
    """Run ``python [flags] words``."""
    return run([sys.executable, *flags, *words], cwd, stdin, env, joined)


def probed(
    words: Sequence[str],
    cwd: Path,
    stdin: bytes = b"",
    env: dict[str, str] | None = None,
    flags: Sequence[str] = (),
    joined: bool = False,
) -> Ending:
    """Run the same under interprobe, whose report goes to ``report.txt``.

    It goes to a folder beside ``cwd``: a program may list its own.
    """
    report = cwd.parent / f"{cwd.name}-report.txt"
    report.unlink(missing_ok=True)
    command = [
        sys.executable, *flags, "-m", "interprobe", "run", "-o", str(report), *words
    ]  # fmt: skip
    ending = run(command, cwd, stdin, env, joined)
    assert report.exists(), f"no report: {ending}"
    assert report.read_text(), "an empty report"
    return ending
