"""Counts, bytes, lines, libraries and causes of copies, against independent witnesses."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from extension_builder import SOURCES, build_c_library, build_cython, build_pybind11

SCRIPT = SOURCES / "survey.py"
F4, F8 = 4, 8


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("extensions")
    build_c_library("signal_kernels", folder)
    build_c_library("malloc_log", folder)
    build_cython("grid_tools", folder)
    build_pybind11("image_filter", folder)
    return folder


def run(folder: Path, *command: str, log: str | None = None) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"EXTENSIONS": str(folder)}
    if log is not None:
        env |= {"LD_PRELOAD": str(folder / "libmalloc_log.so"), "MALLOC_LOG": log}
    words = [sys.executable, *command]
    return subprocess.run(words, env=env, capture_output=True, text=True, check=False)


def line_of(tag: str) -> int:
    lines = SCRIPT.read_text().splitlines()
    return next(number for number, text in enumerate(lines, 1) if f"# COPY {tag}" in text)


@pytest.fixture(scope="module")
def trace(folder: Path) -> dict[str, Any]:
    path = folder / "trace.json"
    done = run(folder, "-m", "interprobe", "run", "--json", str(path), str(SCRIPT))
    assert done.returncode == 0, done.stderr
    return json.loads(path.read_text())  # type: ignore[no-any-return]


def at(trace: dict[str, Any], tag: str) -> list[dict[str, Any]]:
    return [copy for copy in trace["copies"] if copy["user_site"]["line"] == line_of(tag)]


def only(trace: dict[str, Any], tag: str) -> dict[str, Any]:
    found = at(trace, tag)
    assert len(found) == 1, found
    assert found[0]["user_site"]["file"] == str(SCRIPT)
    return found[0]


def test_output_is_that_of_the_plain_run(folder: Path) -> None:
    plain = run(folder, str(SCRIPT))
    probed = run(folder, "-m", "interprobe", "run", "-o", str(folder / "report.txt"), str(SCRIPT))
    assert plain.returncode == probed.returncode == 0
    assert probed.stdout == plain.stdout
    assert probed.stderr == plain.stderr == ""


def test_ctypes_conversion(trace: dict[str, Any]) -> None:
    found = at(trace, "ctypes")
    # All three steps are Fortran-ordered or strided: two classes of one cause, three copies.
    assert sum(copy["count"] for copy in found) == 3
    assert sum(copy["bytes"] for copy in found) == (301 + 151 + 101) * 401 * F8
    for copy in found:
        assert copy["mechanism"] == "numpy.ascontiguousarray"
        assert copy["unmet"] == ["dtype", "C_CONTIGUOUS"]
        assert copy["native"] is None
        assert copy["user_site"]["expression"].startswith("np.ascontiguousarray(samples")


def test_order_conversion(trace: dict[str, Any]) -> None:
    copy = only(trace, "order")
    assert (copy["count"], copy["bytes"]) == (1, 301 * 401 * F4)
    assert copy["unmet"] == ["F_CONTIGUOUS"]
    assert copy["kind"] == "strided"


def test_pybind11_conversion(trace: dict[str, Any], folder: Path) -> None:
    copy = only(trace, "pybind11")
    assert (copy["count"], copy["bytes"]) == (5, 5 * 301 * 401 * F8)
    assert copy["unmet"] == ["dtype", "C_CONTIGUOUS"]
    assert copy["mechanism"] == "PyArray_FromAny"
    assert Path(copy["native"]["library"]).name.startswith("image_filter")
    assert copy["repeated"] == 4


def test_pybind11_forcecast(trace: dict[str, Any]) -> None:
    copies = [copy for copy in at(trace, "forcecast") if copy["native"] is not None]
    assert [(copy["count"], copy["bytes"]) for copy in copies] == [(1, 103 * 107 * F4)]
    assert copies[0]["unmet"] == ["dtype", "F_CONTIGUOUS"]


def test_cython_conversion(trace: dict[str, Any]) -> None:
    copy = only(trace, "cython")
    assert (copy["count"], copy["bytes"]) == (1, 200 * 401 * F8)
    assert copy["source"]["order"] == "strided"
    assert Path(copy["native"]["library"]).name.startswith("grid_tools")
    assert "mean_of_rows" in copy["native"]["symbol"]
    assert Path(copy["native"]["file"]).name == "grid_tools.pyx"  # compiled elsewhere
    lines = (SOURCES / "grid_tools.pyx").read_text().splitlines()
    assert "np.ascontiguousarray" in lines[copy["native"]["line"] - 1]


def test_c_api_conversion(trace: dict[str, Any]) -> None:
    copy = only(trace, "c-api")
    assert (copy["count"], copy["bytes"]) == (1, 301 * 251 * F8)
    assert copy["mechanism"] == "PyArray_FromAny"
    assert copy["unmet"] == ["dtype", "C_CONTIGUOUS"]
    assert "corner" in copy["native"]["symbol"]


def test_copies_into_existing_arrays(trace: dict[str, Any]) -> None:
    into = only(trace, "into")
    assert (into["count"], into["bytes"]) == (2, 2 * 301 * 401 * F8)
    assert into["mechanism"] == "PyArray_CopyInto"
    copyto = only(trace, "copyto")
    assert (copyto["count"], copyto["bytes"]) == (1, 100 * 401 * F8)
    assert copyto["explicit"] is True


def test_no_copy_is_reported_where_none_is_made(trace: dict[str, Any]) -> None:
    lines = SCRIPT.read_text().splitlines()
    controls = {number for number, text in enumerate(lines, 1) if "no copy" in text}
    assert controls
    assert not [copy for copy in trace["copies"] if copy["user_site"]["line"] in controls]


def test_counts_equal_a_malloc_log(trace: dict[str, Any], folder: Path) -> None:
    """Every array of a distinctive size in the plain run is a copy, or one that the script made."""
    log = folder / "malloc.log"
    done = run(folder, str(SCRIPT), log=str(log))
    assert done.returncode == 0, done.stderr
    blocks = {int(size): int(count) for size, count in map(str.split, log.read_text().splitlines())}
    made_by_the_script = Counter(
        {
            301 * 401 * F4: 1,  # random.random
            301 * 401 * F8: 1,  # np.zeros
            103 * 107 * F8: 1,  # np.ones
        }
    )
    into_existing = {"PyArray_CopyInto", "numpy.copyto"}
    copied: Counter[int] = Counter()
    for copy in trace["copies"]:
        if copy["mechanism"] not in into_existing and copy["nbytes_min"] >= 1 << 16:
            assert copy["nbytes_min"] == copy["nbytes_max"] or copy["variants"]
            for shape, count in shapes_of(copy):
                itemsize = F8 if copy["result"]["dtype"] == "float64" else F4
                copied[shape[0] * shape[1] * itemsize] += count
    expected = copied + made_by_the_script
    assert len(copied) >= 6
    assert {size: blocks.get(size, 0) for size in expected} == dict(expected)


def shapes_of(copy: dict[str, Any]) -> list[tuple[list[int], int]]:
    if copy["variants"]:
        return [(variant["shape"], variant["count"]) for variant in copy["variants"]]
    return [(copy["result"]["shape"], copy["count"])]
