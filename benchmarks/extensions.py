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
_SHARED = ("-O2", "-g", "-shared", "-fPIC")


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
    left_out = []
    for name in ("kernels", "pitfall_library"):
        _make(f"{name}.c", folder / f"lib{name}.so", ["gcc", *_SHARED])
    for name in ("c_calls", "pitfall_c_api"):
        _make(f"{name}.c", _module(folder, name), ["gcc", *_SHARED, *_includes()])
    for name in ("cython_calls", "pitfall_cython"):
        c_file = folder / f"{name}.c"
        _make(f"{name}.pyx", c_file, [sys.executable, "-m", "cython", "-3"])
        _make(c_file, _module(folder, name), ["gcc", *_SHARED, *_includes()])
    if shutil.which("g++") is None or importlib.util.find_spec("pybind11") is None:
        left_out.append("Calls of pybind11 functions need g++ and pybind11.")
    else:
        _build_pybind11(folder)
    if shutil.which("g++") is None or importlib.util.find_spec("nanobind") is None:
        left_out.append("Calls of nanobind functions need g++ and nanobind.")
    else:
        _build_nanobind(folder)
    if shutil.which("gfortran") is None:
        left_out.append("Calls of functions that f2py wraps need gfortran.")
    else:
        _build_f2py(folder)
    return folder, left_out


def _build_pybind11(folder: Path) -> None:
    import pybind11

    command = ["g++", *_SHARED, "-fvisibility=hidden", f"-I{pybind11.get_include()}"]
    for name in ("pybind11_calls", "pitfall_pybind11"):
        _make(f"{name}.cpp", _module(folder, name), [*command, *_includes()])


def _build_nanobind(folder: Path) -> None:
    import nanobind

    its_own = Path(nanobind.source_dir()) / "nb_combined.cpp"
    robin_map = its_own.parents[1] / "ext" / "robin_map" / "include"
    command = [
        "g++", "-std=c++17", *_SHARED, "-fvisibility=hidden", "-fno-strict-aliasing",
        "-DNB_COMPACT_ASSERTIONS", f"-I{nanobind.include_dir()}", f"-I{robin_map}", *_includes(),
        str(its_own),
    ]  # fmt: skip
    _make("pitfall_nanobind.cpp", _module(folder, "pitfall_nanobind"), command)


def _build_f2py(folder: Path) -> None:
    import numpy.f2py

    name = "pitfall_fortran"
    c_file = folder / f"{name}module.c"
    wrapping = [sys.executable, "-m", "numpy.f2py", "--lower", "-m", name]
    _make(f"{name}.f90", c_file, wrapping, names_target=False)
    support = Path(numpy.f2py.get_include())
    objects = []
    sources = ((_SOURCES / f"{name}.f90", "gfortran"), (c_file, "gcc"))
    for source, compiler in (*sources, (support / "fortranobject.c", "gcc")):
        target = folder / f"{source.stem}.o"
        words = [compiler, "-O2", "-g", "-w", "-fPIC", *_includes(), f"-I{support}", "-c"]
        _make(source, target, words)
        objects.append(str(target))
    _make(objects[0], _module(folder, name), ["gfortran", "-shared", *objects[1:]])


def _module(folder: Path, name: str) -> Path:
    return folder / f"{name}{sysconfig.get_config_var('EXT_SUFFIX')}"


def _includes() -> list[str]:
    import numpy as np

    return [f"-I{sysconfig.get_path('include')}", f"-I{np.get_include()}", f"-I{_SOURCES}"]


def _make(
    source_name: str | Path, target: Path, command: list[str], *, names_target: bool = True
) -> None:
    source = _SOURCES / source_name
    if target.exists() and target.stat().st_mtime >= source.stat().st_mtime:
        return
    if shutil.which(command[0]) is None:
        raise BuildError(f"The benchmarks need {command[0]}, which is not installed.")
    words = [*command, str(source), *(["-o", str(target)] if names_target else [])]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=target.parent)
    if done.returncode != 0:
        raise BuildError(f"{source.name} does not compile.\n{done.stderr.strip()}")
