"""Arrays of every make, and what a call of them leaves behind: for comparison with a recording."""

from __future__ import annotations

import gc
import re
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import as_strided

from interprobe.recorder import Recorder
from interprobe.trace import Trace

Array = np.ndarray[Any, Any]
Call = Callable[[Array], object]

PADDED = np.dtype({"names": ["a", "b"], "formats": ["i1", "f8"]}, align=True)
DTYPES: list[Any] = [
    "<f8", ">f8", "<f4", ">f4", "<f2", "<i8", ">i2", "u1", "?", "<c16", ">c8", "g", "G",
    "S5", "U3", ">U2", "M8[ns]", ">M8[s]", "m8[D]", "V7", "O", "i4,>f8", PADDED,
    [("x", "i2", (2, 2)), ("y", [("z", "f4")])], np.dtypes.StringDType(),
]  # fmt: skip
SHAPES = [(), (0,), (1,), (3,), (7,), (4, 3), (2, 0, 3), (2, 3, 4), (1,) * 64, (1,) * 31 + (2, 3)]
ADDRESS = re.compile("0x[0-9a-f]+")
MEMORY = Path(tempfile.mkdtemp(prefix="any-arrays-"), "mapped")
MEMORY.write_bytes(bytes(range(256)) * 64)


class Tagged(np.ndarray[Any, Any]):
    """A subclass that passes something on to what is made of it."""

    tag = "none"

    def __array_finalize__(self, source: object) -> None:
        self.tag = getattr(source, "tag", "none") + "+"


class Overriding(np.ndarray[Any, Any]):
    """A subclass that takes part in NumPy's functions."""

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return super().__array_function__(function, types, args, kwargs)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        def plain(given: Any) -> Any:
            return given.view(np.ndarray) if isinstance(given, Overriding) else given

        if "out" in kwargs:
            kwargs["out"] = tuple(plain(out) for out in kwargs["out"])
        return getattr(ufunc, method)(*(plain(given) for given in inputs), **kwargs)


def _filled(dtype: np.dtype[Any], shape: tuple[int, ...], seed: int, offset: int) -> Array:
    """An array of that kind with reproducible contents, `offset` bytes from an aligned address."""
    count = int(np.prod(shape))
    numbers = np.random.default_rng(seed).integers(0, 100, count)
    if dtype.kind in "OTU":
        texts = [str(number)[:2] for number in numbers]
        # Objects of the array's own: small ints are everybody's.
        values: list[Any] = texts if dtype.kind in "TU" else [float(each) for each in numbers]
        array = np.empty(count, dtype)
        array[:] = values
        return array.reshape(shape)
    raw = np.zeros(count * dtype.itemsize + 16, np.uint8)
    array = raw[offset : offset + count * dtype.itemsize].view(dtype) if count else raw[:0]
    if not count:
        return np.empty(shape, dtype)
    if dtype.kind == "V" and dtype.names is None:
        raw[:] = numbers[0]
    elif dtype.names is not None:
        for index in range(count):
            array[index] = np.zeros((), dtype)
        first = array[dtype.names[0]]
        first[...] = numbers.reshape((count,) + (1,) * (first.ndim - 1))
    else:
        array[:] = numbers.astype(dtype) if dtype.kind not in "mM" else numbers.astype(dtype.str)
    return array.reshape(shape)


def _subclassed(array: Array, kind: str) -> Array:
    if kind == "matrix" and array.ndim == 2:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return array.view(np.matrix)
    if kind == "masked" and array.dtype.kind in "fiu":
        masked = np.ma.MaskedArray(array, mask=np.arange(array.size).reshape(array.shape) % 2 == 1)
        return masked  # type: ignore[no-any-return]
    if kind == "recarray" and array.dtype.names is not None:
        return array.view(np.recarray)
    views: dict[str, type[Array]] = {"tagged": Tagged, "overriding": Overriding}
    return array.view(views[kind]) if kind in views else array


@st.composite
def any_arrays(draw: st.DrawFn) -> Array:
    """An array of any dtype, shape, stride, order, alignment, byte order and subclass."""
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    shape = draw(st.sampled_from(SHAPES))
    kind = draw(
        st.sampled_from(
            ["plain", "plain", "tagged", "overriding", "matrix", "masked", "recarray", "memmap"]
        )
    )
    if kind == "memmap" and dtype.kind in "fiuV" and dtype.names is None and 0 not in shape:
        return np.memmap(MEMORY, dtype, mode=draw(st.sampled_from(["r", "c"])), shape=shape)
    array = _filled(dtype, shape, draw(st.integers(0, 9)), draw(st.sampled_from([0, 0, 1])))
    for change in draw(
        st.lists(st.sampled_from(["T", "-1", "2", "F", "0", "windows"]), max_size=2)
    ):
        if change == "T":
            array = array.T
        elif change == "-1" and array.ndim:
            array = array[::-1]
        elif change == "2" and array.ndim:
            array = array[..., ::2]
        elif change == "F":
            array = np.asfortranarray(array)
        elif change == "0" and array.ndim < 60:
            array = np.broadcast_to(array, (2, *array.shape))
        elif change == "windows" and array.ndim == 1 and array.size > 2:
            step = array.strides[0]
            array = as_strided(array, (array.size - 1, 2), (step, step))
    array = _subclassed(array, kind)
    if draw(st.booleans()) and kind != "masked":
        array.flags.writeable = False
    return array


class Left(NamedTuple):
    """What a call left behind."""

    result: object
    warnings: list[tuple[type, str]]


def _name_of(result: object) -> str:
    """The type's name: the type itself would be one more reference to it."""
    return f"{type(result).__module__}.{type(result).__qualname__}"


def _described(result: object, given: Array, depth: int = 0) -> object:
    if isinstance(result, np.ma.MaskedArray):
        data = _described(result.data, given, depth)
        return ("masked", data, _described(np.ma.getmaskarray(result), given, depth))
    if isinstance(result, np.ndarray):
        plain = result.view(np.ndarray)
        exact = result.dtype.kind in "fiucbmMSU" and result.dtype.char not in "gG"
        # Padding between fields, and in long doubles, holds whatever was there.
        contents = plain.tobytes() if exact else repr(plain.tolist())
        flags = result.flags
        return (_name_of(result), str(result.dtype), result.shape, result.strides, contents,
                flags.c_contiguous, flags.f_contiguous, flags.aligned, flags.writeable,
                flags.owndata, np.may_share_memory(plain, given.view(np.ndarray)),
                getattr(result, "tag", None))  # fmt: skip
    if isinstance(result, (list, tuple)) and depth < 3:
        return (_name_of(result), [_described(each, given, depth + 1) for each in result])
    return (_name_of(result), ADDRESS.sub("0x", repr(result)))


def left_by(call: Call, array: Array) -> Left:
    """Result or exception, and warnings, of one call."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result: object = _described(call(array), array)
        except Exception as error:
            result = (_name_of(error), ADDRESS.sub("0x", str(error)))
    return Left(result, [(each.category, str(each.message)) for each in caught])


def references(array: Array) -> list[int]:
    """Reference counts of an array and of what it is made of."""
    counts = [sys.getrefcount(array), sys.getrefcount(array.dtype)]
    if array.base is not None:
        counts.append(sys.getrefcount(array.base))
    if array.dtype.kind == "O":
        counts += [sys.getrefcount(each) for each in array.view(np.ndarray).reshape(-1)]
    return counts


def _gained(calls: dict[str, Call], array: Array) -> tuple[dict[str, Left], list[int]]:
    """What calls left behind, and the references that they kept: NumPy itself leaks some."""
    counts = references(array)
    left = {name: left_by(call, array) for name, call in calls.items()}
    return left, [now - then for now, then in zip(references(array), counts, strict=True)]


def assert_transparent(calls: dict[str, Call], array: Array, own_paths: Iterable[str]) -> Trace:
    """Assert that calls leave the same behind, and the same references, while recorded."""
    _gained(calls, array)  # what is made at the first call stays: caches
    before = _described(array, array)
    recorder = Recorder(own_paths=list(own_paths))
    gc.collect()
    gc.disable()  # older garbage that went in between would take its references along
    try:
        plain = _gained(calls, array)
        counts = references(array)
        recorder.start()
        try:
            probed = _gained(calls, array)
        finally:
            trace = recorder.stop()
        kept = [now - then for now, then in zip(references(array), counts, strict=True)]
    finally:
        gc.enable()
    assert probed == plain
    assert kept == plain[1]
    assert _described(array, array) == before
    return trace


def examples(number: int) -> settings:
    """Settings for a test of `number` examples; --hypothesis-profile=thorough sets its own."""
    thorough = settings.default is not None and settings.default.max_examples > 100
    return settings(
        max_examples=settings.default.max_examples if thorough and settings.default else number,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
