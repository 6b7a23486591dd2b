"""Compiles the small modules that the benchmark programs call, once for each Python."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

_SOURCES = Path(__file__).parent / "native"
_BUILT = Path(__file__).parent.parent / "build" / "benchmarks"


class BuildError(Exception):
    """A module could not be compiled; the text is one sentence, then the compiler's own words."""


def build(parent: Path = _BUILT) -> tuple[Path, list[str]]:
    """Compile what is missing or older than its source.

    Args:
        parent: Holds a folder for each Python.

    Returns:
        The folder of the compiled modules, and a sentence for each part that was left out.

    Raises:
        BuildError: No C compiler or no Cython, or a source that does not compile.
    """
    folder = parent / str(sysconfig.get_config_var("SOABI"))
    folder.mkdir(parents=True, exist_ok=True)
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    includes = [f"-I{sysconfig.get_path('include')}"]
    shared = ["-O2", "-g", "-shared", "-fPIC"]
    _make("kernels.c", folder / "libkernels.so", ["gcc", *shared])
    _make("c_calls.c", folder / f"c_calls{suffix}", ["gcc", *shared, *includes])
    c_file = folder / "cython_calls.c"
    _make("cython_calls.pyx", c_file, [sys.executable, "-m", "cython", "-3"])
    _make(c_file, folder / f"cython_calls{suffix}", ["gcc", *shared, *includes])
    if shutil.which("g++") is None or importlib.util.find_spec("pybind11") is None:
        return folder, ["The call of a pybind11 function needs g++ and pybind11."]
    import pybind11

    includes.append(f"-I{pybind11.get_include()}")
    target = folder / f"pybind11_calls{suffix}"
    _make("pybind11_calls.cpp", target, ["g++", *shared, "-fvisibility=hidden", *includes])
    return folder, []


def _make(source_name: str | Path, target: Path, command: list[str]) -> None:
    source = _SOURCES / source_name
    if target.exists() and target.stat().st_mtime >= source.stat().st_mtime:
        return
    if shutil.which(command[0]) is None:
        raise BuildError(f"The benchmarks need {command[0]}, which is not installed.")
    words = [*command, str(source), "-o", str(target)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BuildError(f"{source.name} does not compile.\n{done.stderr.strip()}")
