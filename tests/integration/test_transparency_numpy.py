"""NumPy's own operations on arrays of every make are, bit by bit, what they are unrecorded."""

# ruff: noqa: PLW0108 - every call goes through Python code of this file, the user's

import copy
import ctypes
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from any_arrays import Array, Call, any_arrays, assert_transparent, examples
from extension_builder import SOURCES
from hypothesis import given
from hypothesis import strategies as st

CONVERSIONS: dict[str, Callable[[Array, str, Any], object]] = {
    "array": lambda x, dtype, order: np.array(x, order=order),
    "array_subok": lambda x, dtype, order: np.array(x, subok=True, ndmin=3),
    "array_no_copy": lambda x, dtype, order: np.array(x, dtype, copy=False, order=order),
    "asarray": lambda x, dtype, order: np.asarray(x, dtype, order),
    "asanyarray": lambda x, dtype, order: np.asanyarray(x, order=order),
    "ascontiguousarray": lambda x, dtype, order: np.ascontiguousarray(x, dtype=dtype),
    "asfortranarray": lambda x, dtype, order: np.asfortranarray(x),
    "require": lambda x, dtype, order: np.require(x, requirements=["C", "A", "W", "E"]),
    "astype": lambda x, dtype, order: x.astype(dtype, order),
    "astype_safe": lambda x, dtype, order: x.astype(dtype, casting="safe", copy=False),
    "copy": lambda x, dtype, order: x.copy(order),
    "np_copy": lambda x, dtype, order: np.copy(x, subok=True),
    "copy_copy": lambda x, dtype, order: copy.copy(x),
    "deepcopy": lambda x, dtype, order: copy.deepcopy(x),
    "ravel": lambda x, dtype, order: x.ravel(order),
    "reshape": lambda x, dtype, order: x.reshape(-1, order="A"),
    "reshape_bad": lambda x, dtype, order: x.reshape(7, 11, 13),
    "flatten": lambda x, dtype, order: x.flatten(order),
    "tobytes": lambda x, dtype, order: len(x.tobytes(order)),
    "tolist": lambda x, dtype, order: x.tolist(),
    # Strings of StringDType crash NumPy 2.4 by themselves.
    "byteswap": lambda x, dtype, order: None if x.dtype.kind == "T" else x.byteswap(),
    "pickle": lambda x, dtype, order: pickle.loads(pickle.dumps(np.array(x), protocol=5)),
    "from_list": lambda x, dtype, order: np.array(np.asarray(x).tolist()),
    "bad_order": lambda x, dtype, order: x.copy("Z"),  # type: ignore[arg-type]
    "bad_keyword": lambda x, dtype, order: np.asarray(x, nothing=1),  # type: ignore[call-overload]
}  # fmt: skip


def _assigned(x: Array) -> object:
    target = np.zeros(x.shape, x.dtype)
    target[...] = x
    target[::-1] = x
    return target


def _overlapping(x: Array) -> object:
    target = np.array(x)
    target[1:] = target[:-1]
    np.add(target[1:], target[:-1], out=target[1:])
    return target


def _copied_to(x: Array) -> object:
    target = np.zeros(x.shape, x.dtype)
    np.copyto(target, x, where=np.arange(x.size).reshape(x.shape) % 2 == 0)
    return target


def _buffered(x: Array) -> object:
    with np.nditer(
        [x, None], flags=["buffered", "refs_ok", "zerosize_ok"],
        op_flags=[["readonly"], ["writeonly", "allocate"]], op_dtypes=["f8", "f8"],
        casting="unsafe",
    ) as iterator:  # fmt: skip
        for a, b in iterator:
            b[...] = a
        return iterator.operands[1]


OPERATIONS: dict[str, Call] = {
    "dot": lambda x: np.dot(x, x.T),
    "matmul": lambda x: x @ x.T,
    "einsum": lambda x: np.einsum("...i,...i", x, x),
    "inner": lambda x: np.inner(x, x),
    "concatenate": lambda x: np.concatenate([x, x, x[:1]]),
    "stack": lambda x: np.stack([x, np.zeros(x.shape)]),
    "where": lambda x: np.where(np.ones(x.shape, bool), x, x),
    "add": lambda x: x + x,
    "add_out": lambda x: np.add(x, x, out=np.zeros(x.shape, x.dtype)),
    "negative_dtype": lambda x: np.negative(x, dtype="f4"),
    "sum": lambda x: x.sum(axis=0),
    "accumulate": lambda x: np.add.accumulate(x),
    "take": lambda x: x.take([0, 0]),
    "choose": lambda x: np.choose([0, 1], [x, x]),
    "repeat": lambda x: x.repeat(2),
    "sort": lambda x: np.sort(x, axis=None),
    "argsort": lambda x: x.argsort(axis=-1, kind="stable"),
    "searchsorted": lambda x: x.searchsorted(x),
    "index_first": lambda x: x[0],
    "index_reversed": lambda x: x[..., ::-1],
    "index_list": lambda x: x[[0, 0]],
    "index_mask": lambda x: x[np.ones(x.shape, bool)],
    "index_none": lambda x: x[None],
    "index_wrong": lambda x: x["nothing"],
    "assign": _assigned,
    "assign_list": lambda x: np.zeros(3).__setitem__([0, 1], x),
    "overlap": _overlapping,
    "copyto": _copied_to,
    "nditer": _buffered,
    "linalg": lambda x: np.linalg.det(x),
    "fft": lambda x: np.fft.fft(x),
    "bincount": lambda x: np.bincount(x),
    "put": lambda x: np.zeros(4).put([1, 2], x),
    "fill": lambda x: np.full((2, 2), x),
    "ma": lambda x: np.ma.concatenate([x, x]),
}

BORROWS: dict[str, Call] = {
    "memoryview": lambda x: (memoryview(x).format, memoryview(x).strides, memoryview(x).readonly),
    "memoryview_bytes": lambda x: memoryview(x).tobytes()[:0],
    "bytes": lambda x: len(bytes(x)),
    "frombuffer": lambda x: np.frombuffer(x, np.uint8),
    "data": lambda x: x.data.shape,
    "ctypes": lambda x: (x.ctypes.data - x.__array_interface__["data"][0], x.ctypes.shape[:]),
    "data_as": lambda x: type(x.ctypes.data_as(ctypes.POINTER(ctypes.c_double))),
    "interface": lambda x: {
        k: v for k, v in x.__array_interface__.items() if k not in ("data", "descr")
    },
    "struct": lambda x: type(x.__array_struct__),
    "dlpack": lambda x: np.from_dlpack(x),
    "dlpack_copy": lambda x: np.from_dlpack(x, copy=True),
    "dlpack_method": lambda x: type(x.__dlpack__(max_version=(1, 0))),
}


@examples(40)
@given(any_arrays(), st.sampled_from(["<f8", ">f4", "<i2", "?", "<c16", "S3", "U4", "M8[s]", "O"]),
       st.sampled_from(["C", "F", "A", "K"]))  # fmt: skip
def test_conversions(array: Array, dtype: str, order: str) -> None:
    def bound(call: Callable[[Array, str, Any], object]) -> Call:
        return lambda x: call(x, dtype, order)

    with np.errstate(all="ignore"):
        assert_transparent(
            {name: bound(call) for name, call in CONVERSIONS.items()}, array, [__file__]
        )


@examples(60)
@given(any_arrays())
def test_operations(array: Array) -> None:
    with np.errstate(all="ignore"):
        assert_transparent(OPERATIONS, array, [__file__])


@examples(30)
@given(any_arrays())
def test_borrows(array: Array) -> None:
    assert_transparent(BORROWS, array, [__file__])


@pytest.mark.parametrize("family", ["conversions", "operations", "borrows"])
def test_a_million_calls_leak_nothing(family: str) -> None:
    done = subprocess.run(
        [sys.executable, str(SOURCES / "million_calls.py"), family],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{family}: 1000")
