"""Compiles the small extensions that the tests call, one for every kind of binding."""

import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from functools import wraps
from pathlib import Path

import numpy as np
import pytest

SOURCES = Path(__file__).parent / "programs"


def _run(*command: str | Path) -> None:
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


_built: dict[tuple[str, str], Path] = {}


def _once(build: Callable[[str, Path], Path]) -> Callable[[str, Path], Path]:
    """Compile an extension once per session; other folders get a copy of it."""

    @wraps(build)
    def build_or_copy(name: str, folder: Path) -> Path:
        known = _built.get((build.__name__, name))
        if known is None or not known.exists():
            known = _built[build.__name__, name] = build(name, folder)
        companion = known.with_name(f"{name}.py")  # what SWIG writes beside the extension
        if companion.exists():
            _place(companion, folder)
        return _place(known, folder)

    return build_or_copy


def _place(file: Path, folder: Path) -> Path:
    """Have a copy of a file in a folder, and never write into one that may be in use."""
    target = folder / file.name
    if not target.exists():
        shutil.copy(file, target)
    return target


def _includes() -> list[str]:
    return [f"-I{sysconfig.get_path('include')}", f"-I{np.get_include()}"]


@_once
def build_c_library(name: str, folder: Path) -> Path:
    """Compile programs/NAME.c into a shared library with debug information."""
    library = folder / f"lib{name}.so"
    _run("gcc", "-O2", "-g", "-shared", "-fPIC", SOURCES / f"{name}.c", "-o", library, "-ldl")
    return library


@_once
def build_cython(name: str, folder: Path) -> Path:
    """Compile programs/NAME.pyx into an extension module."""
    c_file = folder / f"{name}.c"
    _run(sys.executable, "-m", "cython", "-3", SOURCES / f"{name}.pyx", "-o", c_file)
    module = folder / f"{name}{sysconfig.get_config_var('EXT_SUFFIX')}"
    macro = "-DNPY_NO_DEPRECATED_API=NPY_2_0_API_VERSION"
    _run("gcc", "-O2", "-g", "-shared", "-fPIC", macro, *_includes(), c_file, "-o", module)
    return module


def build_shared_cython(names: list[str], folder: Path) -> None:
    """Compile programs/NAME.pyx into modules that keep what they have in common in one: _shared."""
    pytest.importorskip("Cython", minversion="3.1")
    cython = [sys.executable, "-m", "cython", "-3"]
    _run(*cython, f"--generate-shared={folder / '_shared.c'}")
    for name in names:
        _run(*cython, "--shared=_shared", SOURCES / f"{name}.pyx", "-o", folder / f"{name}.c")
    for name in ["_shared", *names]:
        module = folder / f"{name}{sysconfig.get_config_var('EXT_SUFFIX')}"
        _run("gcc", "-O1", "-shared", "-fPIC", *_includes(), folder / f"{name}.c", "-o", module)


@_once
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


@_once
def build_c_module(name: str, folder: Path) -> Path:
    """Compile programs/NAME.c into an extension module."""
    module = folder / f"{name}{sysconfig.get_config_var('EXT_SUFFIX')}"
    _run("gcc", "-O2", "-g", "-shared", "-fPIC", *_includes(), SOURCES / f"{name}.c", "-o", module)
    return module


@_once
def build_nanobind(name: str, folder: Path) -> Path:
    """Compile programs/NAME.cpp with nanobind; skips where nanobind is not installed."""
    nanobind = pytest.importorskip("nanobind")
    source = Path(nanobind.source_dir())
    robin_map = source.parent / "ext" / "robin_map" / "include"
    module = folder / f"{name}{sysconfig.get_config_var('EXT_SUFFIX')}"
    _run(
        "g++", "-std=c++17", "-O1", "-shared", "-fPIC", "-fvisibility=hidden",
        "-fno-strict-aliasing", "-DNB_COMPACT_ASSERTIONS", f"-I{nanobind.include_dir()}",
        f"-I{robin_map}", *_includes(),
        source / "nb_combined.cpp", SOURCES / f"{name}.cpp", "-o", module,
    )  # fmt: skip
    return module


@_once
def build_f2py(name: str, folder: Path) -> Path:
    """Compile programs/NAME.f90 with f2py's wrappers; NAME.c where that or gfortran is missing."""
    fortran = shutil.which("gfortran") is not None and (SOURCES / f"{name}.f90").exists()
    wrapped = [SOURCES / f"{name}.f90", "-m", name, "--lower"] if fortran else [f"{name}.pyf"]
    if not fortran:
        shutil.copy(SOURCES / f"{name}.pyf", folder)
    subprocess.run(
        [sys.executable, "-m", "numpy.f2py", *wrapped], cwd=folder, check=True, capture_output=True
    )
    support = Path(np.get_include()).parents[1] / "f2py" / "src"
    # The wrappers of a Fortran module use its interface: the module itself comes first.
    sources = [SOURCES / f"{name}.{'f90' if fortran else 'c'}"]
    if fortran:
        sources += sorted(folder.glob(f"{name}-f2pywrappers*.f*"))
    sources += [folder / f"{name}module.c", support / "fortranobject.c"]
    objects = [folder / f"{source.stem}.o" for source in sources]
    for source, target in zip(sources, objects, strict=True):
        words = ["gcc", "-w"] if source.suffix == ".c" else ["gfortran", f"-J{folder}"]
        _run(*words, "-O1", "-fPIC", *_includes(), f"-I{support}", "-c", source, "-o", target)
    module = folder / f"{name}{sysconfig.get_config_var('EXT_SUFFIX')}"
    _run("gfortran" if fortran else "gcc", "-shared", *objects, "-o", module)
    return module


@_once
def build_swig(name: str, folder: Path) -> Path:
    """Compile programs/NAME.i into the extension module _NAME; skips where SWIG is missing."""
    c_file = folder / f"{name}_wrap.c"
    _run(_swig(), "-python", "-outdir", folder, "-o", c_file, SOURCES / f"{name}.i")
    module = folder / f"_{name}{sysconfig.get_config_var('EXT_SUFFIX')}"
    _run("gcc", "-O1", "-shared", "-fPIC", *_includes(), c_file, "-o", module)
    return module


def _swig() -> str | Path:
    """SWIG itself: of the system, or of the package from PyPI, which need not be on the path."""
    found = shutil.which("swig")
    if found is not None:
        return found
    # Its import also sets SWIG_LIB, without which that SWIG does not find its own files.
    package = pytest.importorskip("swig")
    return Path(package.BIN_DIR) / "swig"


def build_cffi(folder: Path) -> Path:
    """Compile a cffi module in API mode, _kernel_api; skips where cffi is not installed."""
    cffi = pytest.importorskip("cffi")
    builder = cffi.FFI()
    builder.cdef("double kernel_sum(const double *values, int count);")
    builder.cdef("double kernel_half(double x);")
    builder.set_source(
        "_kernel_api",
        """
        static double kernel_sum(const double *values, int count)
        {
            double sum = 0.0;
            for (int i = 0; i < count; i++) sum += values[i];
            return sum;
        }
        static double kernel_half(double x) { return x / 2; }
        """,
    )
    c_file = folder / "_kernel_api.c"
    builder.emit_c_code(str(c_file))
    module = folder / f"_kernel_api{sysconfig.get_config_var('EXT_SUFFIX')}"
    _run("gcc", "-O1", "-w", "-shared", "-fPIC", *_includes(), c_file, "-o", module)
    return module
