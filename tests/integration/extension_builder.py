"""Compiles the small extensions that the tests call: C for ctypes, Cython, pybind11."""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest

SOURCES = Path(__file__).parent / "programs"


def _run(*command: str | Path) -> None:
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _includes() -> list[str]:
    return [f"-I{sysconfig.get_path('include')}", f"-I{np.get_include()}"]


def build_c_library(name: str, folder: Path) -> Path:
    """Compile programs/NAME.c into a shared library with debug information."""
    library = folder / f"lib{name}.so"
    _run("gcc", "-O2", "-g", "-shared", "-fPIC", SOURCES / f"{name}.c", "-o", library, "-ldl")
    return library


def build_cython(name: str, folder: Path) -> Path:
    """Compile programs/NAME.pyx into an extension module."""
    c_file = folder / f"{name}.c"
    _run(sys.executable, "-m", "cython", "-3", SOURCES / f"{name}.pyx", "-o", c_file)
    module = folder / f"{name}{sysconfig.get_config_var('EXT_SUFFIX')}"
    macro = "-DNPY_NO_DEPRECATED_API=NPY_2_0_API_VERSION"
    _run("gcc", "-O2", "-g", "-shared", "-fPIC", macro, *_includes(), c_file, "-o", module)
    return module


def build_pybind11(name: str, folder: Path) -> Path:
    """Compile programs/NAME.cpp into an extension module; skips where there is no C++ compiler."""
    if shutil.which("g++") is None:
        pytest.skip("needs g++")
    pybind11 = pytest.importorskip("pybind11")
    module = folder / f"{name}{sysconfig.get_config_var('EXT_SUFFIX')}"
    include = f"-I{pybind11.get_include()}"
    _run(
        "g++", "-O1", "-shared", "-fPIC", "-fvisibility=hidden", include, *_includes(),
        SOURCES / f"{name}.cpp", "-o", module,
    )  # fmt: skip
    return module
