"""Probed conversions give the same bits, exceptions and reference counts as unprobed ones."""

import gc
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from interprobe.recorder import Recorder

Array = np.ndarray[Any, Any]
pytestmark = pytest.mark.filterwarnings("ignore::numpy.exceptions.ComplexWarning")

DTYPES = ["<f8", ">f8", "<f4", "<i4", ">i2", "u1", "?", "<c16", "S5", "U3", "M8[ns]", "i4,f8", "O"]


class Tagged(np.ndarray[Any, Any]):
    """A subclass, as programs have them."""


@st.composite
def arrays(draw: st.DrawFn) -> Array:
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5))
    size = int(np.prod(shape)) * dtype.itemsize
    if dtype.hasobject:
        array = np.arange(int(np.prod(shape))).astype(object).reshape(shape)
    else:
        raw = np.frombuffer(draw(st.binary(min_size=size + 1, max_size=size + 1)), np.uint8).copy()
        offset = draw(st.integers(0, 1))  # 1: misaligned
        array = (
            raw[offset : offset + size].view(dtype).reshape(shape)
            if size
            else np.empty(shape, dtype)
        )
        if dtype.kind == "U":
            array = np.full(shape, "ab", dtype)
        if dtype.kind == "b":
            array = np.zeros(shape, dtype)
    if draw(st.booleans()):
        array = array.T
    if array.ndim and draw(st.booleans()):
        array = array[:: draw(st.sampled_from([1, 2, -1]))]
    if draw(st.booleans()):
        array = np.broadcast_to(array, (2, *array.shape))
    if draw(st.booleans()):
        array = array.view(Tagged)
    return array


def entry_points(target: str, order: Any) -> dict[str, Callable[[Array], object]]:
    def fill(x: Array) -> object:
        out = np.zeros(x.shape, x.dtype)
        np.copyto(out, x)
        return out

    return {
        "array": lambda x: np.array(x, order=order),
        "array_dtype": lambda x: np.array(x, dtype=target, copy=True),
        "asarray": lambda x: np.asarray(x, target, order),
        "asanyarray": lambda x: np.asanyarray(x, order=order),
        "ascontiguousarray": lambda x: np.ascontiguousarray(x, dtype=target),
        "asfortranarray": np.asfortranarray,
        "require": lambda x: np.require(x, requirements=["C", "A", "W"]),
        "astype": lambda x: x.astype(target, order),
        "copy": lambda x: x.copy(order),
        "np_copy": np.copy,
        "ravel": lambda x: x.ravel(order),
        "reshape": lambda x: x.reshape(-1, order="C"),
        "flatten": lambda x: x.flatten(order),
        "tobytes": lambda x: x.tobytes(),
        "copyto": fill,
        "take": lambda x: x.take([0, -1], mode="clip"),
        "repeat": lambda x: x.repeat(2),
        "compress": lambda x: x.compress([True]),
        "indexed": lambda x: x[np.array([0])],
        "iterated": lambda x: len(list(np.nditer(x, ["copy_if_overlap"]))),
        "expression": lambda x: np.atleast_1d(np.sqrt(np.multiply(x, x) + x)),
        "bad_order": lambda x: x.copy("Z"),  # type: ignore[arg-type]
        "bad_shape": lambda x: x.reshape(7, 11, 13),
    }


def outcome(function: Callable[[Array], object], array: Array) -> tuple[object, ...]:
    try:
        result = function(array)
    except Exception as error:
        return (type(error), str(error))
    if isinstance(result, np.ndarray):
        content = result.tolist() if result.dtype.hasobject else result.tobytes()
        return (type(result), str(result.dtype), result.shape, result.strides, content,
                result.flags.c_contiguous, result.flags.aligned, result.flags.writeable,
                np.may_share_memory(result, array))  # fmt: skip
    return (type(result), result)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(arrays(), st.sampled_from(DTYPES[:9]), st.sampled_from(["C", "F", "A", "K"]))
def test_results_exceptions_and_references_are_those_of_numpy(
    array: Array, target: str, order: str
) -> None:
    points = entry_points(target, order)
    with np.errstate(all="ignore"):
        plain = {name: outcome(function, array) for name, function in points.items()}
        gc.collect()  # what is garbage already may hold the dtype, and go at any moment
        references = sys.getrefcount(array), sys.getrefcount(array.dtype)
        recorder = Recorder(own_paths=[__file__])
        recorder.start()
        try:
            probed = {name: outcome(function, array) for name, function in points.items()}
        finally:
            trace = recorder.stop()
        assert (sys.getrefcount(array), sys.getrefcount(array.dtype)) == references
    # Conversions of random bytes to complex or datetime may hold NaN: bytes are compared.
    assert probed == plain
    for copy in trace.copies:
        assert copy.bytes > 0
        assert copy.nbytes_min <= copy.nbytes_max


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(arrays(), st.sampled_from(["C", "F", "A", "K"]))
def test_a_copy_is_reported_exactly_when_memory_is_not_shared(array: Array, order: Any) -> None:
    for function in (
        lambda x: np.asarray(x, order=order),
        np.ascontiguousarray,
        lambda x: x.ravel(order),
        lambda x: x.reshape(-1),
    ):
        recorder = Recorder(own_paths=[__file__])
        recorder.start()
        try:
            result = function(array)
        finally:
            trace = recorder.stop()
        copied = result.nbytes > 0 and not np.may_share_memory(result, array)
        assert [copy.bytes for copy in trace.copies] == ([result.nbytes] if copied else [])


def test_a_million_calls_leak_nothing() -> None:
    """10^6 probed conversions: reference counts stay, and so does the ledger's size."""
    array = np.ones((2, 3), np.float32).T
    recorder = Recorder(own_paths=[__file__])
    recorder.start()
    try:
        for _ in range(1000):
            np.ascontiguousarray(array, np.float64)
        references = sys.getrefcount(array), sys.getrefcount(array.dtype)
        early = len(recorder._open_ledger().snapshot())
        for _ in range(1_000_000):
            np.ascontiguousarray(array, np.float64)
        assert (sys.getrefcount(array), sys.getrefcount(array.dtype)) == references
        assert len(recorder._open_ledger().snapshot()) - early < 2000
    finally:
        trace = recorder.stop()
    assert trace.copy_count == 1_001_000
    assert trace.bytes_copied == 1_001_000 * 48
