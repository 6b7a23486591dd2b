"""Arrays made for a conversion, written back, and iterators in C: once, exact, with their cause."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from extension_builder import build_c_module

from interprobe.recorder import Recorder
from interprobe.trace import Copy

A = np.arange(3000.0).reshape(60, 50)
F = np.asfortranarray(A)
SINGLE = A.astype(np.float32)
SWAPPED = A.astype(">f8")
F4, F8 = 4, 8


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    folder = tmp_path_factory.mktemp("layout_tools")
    build_c_module("layout_tools", folder)
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module("layout_tools")
    finally:
        sys.path.remove(str(folder))


def copies(function: Callable[[], object]) -> list[Copy]:
    recorder = Recorder(own_paths=[__file__])
    recorder.start()
    try:
        function()
    finally:
        trace = recorder.stop()
    return trace.copies


def summary(copy: Copy) -> tuple[str, str, int, int, list[str]]:
    return (copy.mechanism, copy.kind, copy.count, copy.bytes, copy.unmet)


# --- copied into an array that was made for it ---------------------------------------------------


@pytest.mark.parametrize(
    ("source", "fortran", "kind", "unmet"),
    [
        (A, 1, "strided", ["F_CONTIGUOUS"]),
        (F, 0, "strided", ["C_CONTIGUOUS"]),
        (SINGLE, 1, "strided+cast", ["dtype", "F_CONTIGUOUS"]),
        (SINGLE, 0, "cast", ["dtype"]),
        (SWAPPED, 0, "byteswap", ["NOTSWAPPED"]),
        (A, 0, "duplicate", ["OWNDATA"]),
        (F, 1, "duplicate", ["OWNDATA"]),
        (A[0], 1, "duplicate", ["OWNDATA"]),
        (A[:, 0], 0, "strided", ["C_CONTIGUOUS"]),
    ],
)
def test_the_layout_of_an_array_made_for_it_is_the_demand(
    tools: ModuleType, source: Any, fortran: int, kind: str, unmet: list[str]
) -> None:
    (found,) = copies(lambda: tools.sum_of_made(source, fortran))
    assert summary(found) == ("PyArray_CopyInto", kind, 1, source.size * F8, unmet)
    assert found.native is not None
    assert found.native.symbol == "sum_of_made"
    assert not found.explicit


def test_a_loop_is_counted_exactly(tools: ModuleType) -> None:
    def work() -> None:
        for _ in range(100):
            tools.sum_of_made(A, 1)

    (found,) = copies(work)
    assert summary(found) == ("PyArray_CopyInto", "strided", 100, 100 * A.nbytes, ["F_CONTIGUOUS"])
    assert found.repeated == 99


def test_an_array_that_is_filled_twice_was_made_for_the_first_time_only(tools: ModuleType) -> None:
    found = copies(lambda: tools.fill_made_twice(F))
    assert sorted((copy.count, copy.unmet) for copy in found) == [(1, []), (1, ["C_CONTIGUOUS"])]


def test_an_array_that_was_there_before_demands_nothing(tools: ModuleType) -> None:
    def work() -> None:
        tools.keep(A)
        for _ in range(3):
            tools.fill_kept(F)

    (found,) = copies(work)
    assert summary(found) == ("PyArray_CopyInto", "strided", 3, 3 * A.nbytes, [])


def test_one_place_that_makes_and_then_fills_is_told_apart(tools: ModuleType) -> None:
    def work() -> None:
        for function in (tools.keep, tools.fill_kept):
            function(F)

    (found,) = copies(work)
    assert found.unmet == []


# --- f2py ----------------------------------------------------------------------------------------


def test_blas_wants_fortran_order() -> None:
    blas = pytest.importorskip("scipy.linalg.blas")
    a, b = np.ones((40, 30)), np.ones((30, 20))
    (found,) = copies(lambda: blas.dgemm(1.0, a, b))
    assert (found.kind, found.unmet) == ("strided", ["F_CONTIGUOUS"])
    assert (found.count, found.bytes) == (2, a.nbytes + b.nbytes)
    assert found.mechanism in {"PyArray_CopyInto", "PyArray_FromArray"}
    assert found.native is not None
    assert "_fblas" in found.native.library
    fortran = np.asfortranarray(a), np.asfortranarray(b)
    assert copies(lambda: blas.dgemm(1.0, *fortran)) == []


def test_blas_converts_another_type() -> None:
    blas = pytest.importorskip("scipy.linalg.blas")
    a, b = np.ones((40, 30), np.float32), np.ones((30, 20), np.float32)
    (found,) = copies(lambda: blas.dgemm(1.0, a, b))
    assert (found.kind, found.unmet) == ("strided+cast", ["dtype", "F_CONTIGUOUS"])
    assert (found.count, found.bytes) == (2, 2 * (a.nbytes + b.nbytes))
    vector = np.ones(100, ">f8")
    (found,) = copies(lambda: blas.dnrm2(vector))
    assert (found.kind, found.unmet, found.bytes) == ("byteswap", ["NOTSWAPPED"], 800)


def test_lapack_copies_what_it_overwrites() -> None:
    lapack = pytest.importorskip("scipy.linalg.lapack")
    matrix, right = np.eye(30), np.ones(30)
    found = {copy.bytes: copy for copy in copies(lambda: lapack.dgesv(matrix, right))}
    assert set(found) == {matrix.nbytes, right.nbytes}
    assert found[matrix.nbytes].unmet == ["F_CONTIGUOUS"]
    assert found[right.nbytes].kind == "duplicate"
    owned = np.asfortranarray(matrix), right.copy()
    assert copies(lambda: lapack.dgesv(*owned, overwrite_a=1, overwrite_b=1)) == []


# --- written back --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "kind", "unmet"),
    [
        (F, "strided", ["C_CONTIGUOUS"]),
        (SINGLE, "cast", ["dtype"]),
        (SWAPPED, "byteswap", ["NOTSWAPPED"]),
    ],
)
def test_a_converted_array_is_written_back(
    tools: ModuleType, source: Any, kind: str, unmet: list[str]
) -> None:
    target = source.copy("K")
    found = copies(lambda: tools.double_in_place(target))
    assert np.array_equal(target, source * 2)
    assert target.flags.writeable
    there, back = found
    assert summary(there) == ("PyArray_FromAny", kind, 1, A.size * F8, unmet)
    assert there.source is not None
    assert there.source.writeable
    assert summary(back) == (
        "PyArray_ResolveWritebackIfCopy",
        f"{kind}+writeback",
        1,
        target.nbytes,
        [],
    )
    assert not back.explicit
    assert back.native is not None
    assert back.native.symbol == "double_in_place"


def test_a_conforming_array_is_neither_copied_nor_written_back(tools: ModuleType) -> None:
    target = A.copy()
    assert copies(lambda: tools.double_in_place(target)) == []
    assert np.array_equal(target, A * 2)


def test_what_is_discarded_is_not_written_back(tools: ModuleType) -> None:
    target = SINGLE.copy()
    found = copies(lambda: tools.double_in_vain(target))
    assert [copy.mechanism for copy in found] == ["PyArray_FromAny"]
    assert np.array_equal(target, SINGLE)


def test_a_refused_write_back_raises_as_it_would_alone(tools: ModuleType) -> None:
    target = SINGLE.copy()
    target.flags.writeable = False

    def work() -> None:
        with pytest.raises(ValueError, match="WRITEBACKIFCOPY"):
            tools.double_in_place(target)

    assert copies(work) == []


# --- iterators -----------------------------------------------------------------------------------

WAYS = ["NpyIter_New", "NpyIter_MultiNew", "NpyIter_AdvancedNew"]


@pytest.mark.parametrize("way", range(3))
def test_an_operand_that_an_iterator_copies_as_a_whole(tools: ModuleType, way: int) -> None:
    totals = []
    (found,) = copies(lambda: totals.append(tools.sum_of_copied(SINGLE, way)))
    assert totals == [A.sum()]
    assert summary(found) == (WAYS[way], "cast", 1, A.size * F8, ["dtype"])
    assert copies(lambda: tools.sum_of_copied(A.T, way)) == []


def test_an_iterator_demands_no_order(tools: ModuleType) -> None:
    (found,) = copies(lambda: tools.sum_of_copied(SINGLE[::2, ::2], 1))
    assert summary(found) == ("NpyIter_MultiNew", "strided+cast", 1, 750 * F8, ["dtype"])
    (found,) = copies(lambda: tools.sum_of_copied(SWAPPED.T, 2))
    assert summary(found) == ("NpyIter_AdvancedNew", "byteswap", 1, 3000 * F8, ["NOTSWAPPED"])


def test_what_passes_an_iterators_buffers_is_no_copy(tools: ModuleType) -> None:
    large = np.ones(100_000, np.float32)
    assert copies(lambda: tools.sum_of_buffered(large)) == []


def test_an_iterator_writes_a_converted_operand_back(tools: ModuleType) -> None:
    target = SINGLE.copy()
    there, back = copies(lambda: tools.double_through_iterator(target))
    assert np.array_equal(target, SINGLE * 2)
    assert summary(there) == ("NpyIter_MultiNew", "cast", 1, A.size * F8, ["dtype"])
    assert summary(back) == ("NpyIter_Deallocate", "cast+writeback", 1, A.size * F4, [])
    double = A.copy()
    assert copies(lambda: tools.double_through_iterator(double)) == []


def test_an_iterator_copies_an_operand_that_overlaps_its_output(tools: ModuleType) -> None:
    x = np.arange(1000.0)
    expected = x.copy()
    expected[1:] += x[:-1]
    found = copies(lambda: tools.add_through_iterator(x[1:], x[:-1]))
    assert np.array_equal(x, expected)
    assert all("overlap" in copy.kind or "writeback" in copy.kind for copy in found)
    assert {copy.bytes for copy in found} == {999 * F8}
    other = np.ones(999)
    assert copies(lambda: tools.add_through_iterator(x[1:], other)) == []


def test_nditer_copies_and_writes_back() -> None:
    x = np.arange(1000, dtype=np.float32)

    def work() -> None:
        flags: Any = [["readwrite", "updateifcopy"]]
        with np.nditer([x], [], flags, op_dtypes=[np.float64], casting="unsafe") as iterator:  # type: ignore[arg-type]
            for value in iterator:
                value[...] *= 2  # type: ignore[index]

    there, back = copies(work)
    assert np.array_equal(x, np.arange(1000) * 2)
    assert summary(there) == ("numpy.nditer", "cast", 1, 8000, ["dtype"])
    assert summary(back) == ("nditer.__exit__", "cast+writeback", 1, 4000, [])


def test_a_buffered_nditer_that_is_closed_writes_nothing_back() -> None:
    x = np.arange(100_000, dtype=np.float32)

    def work() -> None:
        flags: Any = ["buffered", "external_loop"]
        iterator = np.nditer(x, flags=flags, op_dtypes=[np.dtype("f8")], casting="unsafe")
        sum(float(chunk.sum()) for chunk in iterator)
        iterator.close()

    assert copies(work) == []


def test_arrays_that_nditer_first_puts_together_overlap_nothing() -> None:
    found = copies(lambda: np.nditer([[A[0], A[1]]]).close())  # type: ignore[arg-type,list-item]
    assert not [copy for copy in found if "overlap" in copy.kind]


def test_numexpr_reads_any_layout_in_place() -> None:
    numexpr = pytest.importorskip("numexpr")
    names = {"a": SINGLE[:, ::2], "b": F[:, ::2]}
    results = []
    found = copies(lambda: results.append(numexpr.evaluate("a + b", names)))
    assert np.array_equal(results[0], names["a"] + names["b"])
    assert found == []


# --- operands of linalg --------------------------------------------------------------------------

SYMMETRIC = np.eye(20) * 2


@pytest.mark.parametrize("dtype", [">f8", "i4"])
@pytest.mark.parametrize(
    "function",
    [
        np.linalg.inv,
        np.linalg.det,
        np.linalg.cholesky,
        np.linalg.eigh,
        np.linalg.svd,
        np.linalg.qr,
        lambda a: np.linalg.solve(a, np.ones(20)),
        lambda a: np.linalg.lstsq(a, np.ones(20)),
    ],
    ids=["inv", "det", "cholesky", "eigh", "svd", "qr", "solve", "lstsq"],
)
def test_a_converted_operand_of_linalg_is_seen(
    function: Callable[[Any], object], dtype: str
) -> None:
    operand = SYMMETRIC.astype(dtype)
    needed = ["NOTSWAPPED"] if dtype == ">f8" else ["dtype"]
    converted = [
        copy
        for copy in copies(lambda: function(operand))
        if copy.source is not None and copy.source.shape == [20, 20] and needed[0] in copy.unmet
    ]
    assert sum(copy.count for copy in converted) == 1
    assert sum(copy.bytes for copy in converted) == 400 * F8
