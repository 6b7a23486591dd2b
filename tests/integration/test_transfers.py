"""Copies inside NumPy's operations: each seen once, with exact bytes; what is no copy is not."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from interprobe import native, probes
from interprobe.recorder import Recorder
from interprobe.trace import Copy, Trace

F4, F8 = 4, 8


def record(function: Callable[[], object]) -> Trace:
    recorder = Recorder(own_paths=[__file__])
    recorder.start()
    try:
        function()
    finally:
        trace = recorder.stop()
    return trace


def copies(function: Callable[[], object]) -> list[Copy]:
    return record(function).copies


def summary(copy: Copy) -> tuple[str, str, int, int]:
    return (copy.mechanism, copy.kind, copy.count, copy.bytes)


def test_the_probe_is_in_place() -> None:
    assert not [text for text in record(lambda: None).meta.blind_spots if "left out" in text]


# --- operands that do not fit -------------------------------------------------------------------


def test_dot_copies_strided_operands() -> None:
    a, b = np.ones((60, 50)), np.ones((50, 40))
    found = copies(lambda: np.dot(a[::2, ::2], b[::2, ::2]))
    assert [summary(copy) for copy in found] == [
        ("numpy.dot", "strided", 2, (30 * 25 + 25 * 20) * F8)
    ]
    assert found[0].unmet == ["C_CONTIGUOUS"]
    assert not found[0].explicit
    assert found[0].site.expression == "np.dot(a[::2, ::2], b[::2, ::2])"
    assert found[0].source is not None
    assert (found[0].source.shape, found[0].source.strides) == ([30, 25], [800, 16])
    assert (found[0].result.shape, found[0].result.order) == ([30, 25], "C")


def test_byteswap_names_what_it_does() -> None:
    a = np.ones((30, 20))
    (found,) = copies(a.byteswap)
    assert summary(found) == ("ndarray.byteswap", "byteswap", 1, 600 * F8)
    assert found.explicit


def test_one_element_of_an_array_spread_by_the_user_is_a_copy() -> None:
    one = np.ones(1)
    (found,) = copies(lambda: np.copyto(np.empty(50), one))
    assert summary(found) == ("numpy.copyto", "broadcast", 1, 50 * F8)


def test_matmul_copies_swapped_operands() -> None:
    a = np.ones((30, 20), ">f8")
    b = np.ones((20, 10))
    found = copies(lambda: a @ b)
    assert [summary(copy) for copy in found] == [("numpy.matmul", "byteswap", 1, 600 * F8)]
    assert found[0].unmet == ["NOTSWAPPED"]


def test_a_cast_in_two_steps_is_one_copy() -> None:
    # The buffer between the steps holds 10,000 elements: more than that, long rows, and few.
    for shape in [(150, 100), (3, 25_000), (7, 3)]:
        a = np.ones(shape, ">f4")
        b = np.ones((shape[1], 2))
        (found,) = copies(lambda a=a, b=b: np.matmul(a, b))  # type: ignore[misc]
        assert summary(found) == ("numpy.matmul", "cast+byteswap", 1, a.size * F8)
        assert found.unmet == ["dtype", "NOTSWAPPED"]
        assert found.source is not None
        assert (found.source.dtype, found.source.byteorder) == ("float32", ">")
        assert found.source.shape == list(shape)


def test_linalg_names_its_public_function() -> None:
    a = np.eye(20, dtype=">f8")
    b = np.ones(20)
    found = copies(lambda: np.linalg.solve(a, b))
    assert ("numpy.linalg.solve", "byteswap", 1, 400 * F8) in [summary(copy) for copy in found]
    integers = np.eye(20, dtype=np.int32)
    found = copies(lambda: np.linalg.inv(integers))
    assert ("numpy.linalg.inv", "cast", 1, 400 * F8) in [summary(copy) for copy in found]


def test_argmax_along_the_first_axis() -> None:
    a = np.ones((30, 20))
    (found,) = copies(lambda: a.argmax(axis=0))
    assert summary(found) == ("ndarray.argmax", "strided", 1, 600 * F8)
    assert found.result.order == "F"


def test_take_copies_a_transposed_source() -> None:
    a = np.ones((30, 20))
    found = copies(lambda: a.T.take([1, 2], axis=0))
    assert [summary(copy) for copy in found] == [
        ("ndarray.take", "strided", 1, 600 * F8),
        ("ndarray.take", "gather", 1, 2 * 30 * F8),
    ]


def test_repeated_copies_of_an_unchanged_operand_are_counted() -> None:
    a = np.ones((60, 50))[:, ::2]
    b = np.ones(25)

    def work() -> None:
        for _ in range(5):
            np.dot(a, b)

    (found,) = copies(work)
    assert (found.count, found.bytes, found.repeated) == (5, 5 * 60 * 25 * F8, 4)


def test_an_operation_that_no_hook_follows_is_named_by_its_line() -> None:
    a = np.ones((4, 4), order="F")
    (found,) = copies(lambda: a.cumprod())  # noqa: PLW0108 - the line is what is read
    assert found.mechanism == "ndarray.cumprod"


def test_an_operation_behind_a_bare_name_stays_unnamed() -> None:
    (found,) = copies(np.ones((4, 4), order="F").cumprod)
    assert found.mechanism == "numpy"


# --- overlap ------------------------------------------------------------------------------------


def test_overlap_in_place() -> None:
    x = np.arange(100.0)

    def work() -> None:
        nonlocal x
        x[1:] += x[:-1]

    (found,) = copies(work)
    assert found.mechanism == "numpy.add"
    assert "overlap" in found.kind
    assert found.bytes == 99 * F8
    assert not found.explicit


def test_overlap_of_an_assignment() -> None:
    def work() -> None:
        x = np.arange(100.0)
        x[...] = x[::-1]

    found = copies(work)
    assert sorted(summary(copy) for copy in found) == [
        ("ndarray.__setitem__", "duplicate", 1, 100 * F8),
        ("ndarray.__setitem__", "strided+overlap", 1, 100 * F8),
    ]
    assert [copy.explicit for copy in sorted(found, key=summary)] == [True, False]


def test_overlap_of_copyto() -> None:
    def work() -> None:
        x = np.arange(100.0)
        np.copyto(x, x[::-1])

    found = copies(work)
    assert sorted(summary(copy) for copy in found) == [
        ("numpy.copyto", "strided", 1, 100 * F8),
        ("numpy.copyto", "strided+overlap", 1, 100 * F8),
    ]


# --- copies asked for by name -------------------------------------------------------------------


def test_assignment() -> None:
    x = np.zeros((20, 30))
    y = np.ones((20, 30), np.float32)

    def work() -> None:
        x[...] = y

    (found,) = copies(work)
    assert summary(found) == ("ndarray.__setitem__", "cast", 1, 600 * F8)
    assert found.explicit
    assert found.unmet == []


def test_assignment_through_a_mask() -> None:
    x, y = np.zeros(100), np.ones(37)
    mask = np.zeros(100, bool)
    mask[:37] = True

    def work() -> None:
        x[mask] = y

    (found,) = copies(work)
    assert summary(found) == ("ndarray.__setitem__", "duplicate", 1, 37 * F8)


@pytest.mark.parametrize("axis", [0, 1, None])
def test_concatenate(axis: int | None) -> None:
    a, b = np.ones((20, 20)), np.ones((20, 40), np.float32)[:, ::2]
    found = copies(lambda: np.concatenate([a, b], axis=axis))
    assert {copy.mechanism for copy in found} == {"numpy.concatenate"}
    assert all("gather" in copy.kind and copy.explicit for copy in found)
    assert sum(copy.count for copy in found) == 2
    assert sum(copy.bytes for copy in found) == 800 * F8


def test_stack_is_put_on_the_users_line() -> None:
    x = np.ones(100)
    (found,) = copies(lambda: np.stack([x, x, x]))
    assert (found.count, found.bytes) == (3, 300 * F8)
    assert found.user_site.expression == "np.stack([x, x, x])"


@pytest.mark.parametrize("key", [[1, 2, 3], (slice(None), [0, 2]), np.arange(20) > 4])
def test_indexing_by_arrays(key: Any) -> None:
    x = np.ones((20, 30))
    expected = x[key].nbytes
    (found,) = copies(lambda: x[key])
    assert summary(found) == ("ndarray.__getitem__", "gather", 1, expected)
    assert found.explicit


@pytest.mark.parametrize(
    ("pick", "mechanism", "elements"),
    [
        (lambda x: x.take([1, 3, 3], axis=0), "ndarray.take", 90),
        (lambda x: np.take(x, [[1, 2], [3, 4]]), "ndarray.take", 4),
        (lambda x: x.take([1, 2], out=np.empty(2), mode="clip"), "ndarray.take", 2),
        (lambda x: x.repeat(3, axis=1), "ndarray.repeat", 1800),
        (lambda x: np.repeat(x, 2), "ndarray.repeat", 1200),
        (lambda x: x.compress([False, True, True], axis=0), "ndarray.compress", 60),
    ],
)
def test_elements_that_are_picked_out(
    pick: Callable[[Any], Any], mechanism: str, elements: int
) -> None:
    x = np.arange(600.0).reshape(20, 30)
    assert pick(x).size == elements
    (found,) = copies(lambda: pick(x))
    assert summary(found) == (mechanism, "gather", 1, elements * F8)
    assert found.explicit


def test_assignment_by_an_array_of_indices() -> None:
    x = np.zeros((20, 30))
    rows, column = np.ones((3, 30), np.float32), np.ones(30)
    index = np.array([4, 7, 7])

    def work() -> None:
        x[index] = rows
        x[index] = column
        x[index] = 1.0

    found = copies(work)
    assert {(copy.mechanism, copy.kind, copy.explicit) for copy in found} == {
        ("ndarray.__setitem__", "gather", True)
    }
    assert sum(copy.count for copy in found) == 2
    assert sum(copy.bytes for copy in found) == 2 * 90 * F8


# --- what is no copy ----------------------------------------------------------------------------

A, B, X = np.ones((60, 60)), np.ones((60, 60), np.float32), np.arange(50_000.0)
EYE = np.eye(60)
OBJECTS = np.array([np.ones(3), np.ones((2, 2))], object)

CONTROLS: dict[str, Callable[[], object]] = {
    "an output": lambda: (A + A, np.sqrt(A), A @ A, np.dot(A, A.T), A.T @ A, np.linalg.inv(EYE)),
    "a buffered cast": lambda: X + X.astype(np.float32).sum(),
    "a cast of a large operand": lambda: np.add(X, X.view(np.int64)),
    "a cast of a small operand": lambda: A[0] + B[0],
    "a cast of an output": lambda: np.add(
        A, A, out=np.empty(A.shape, np.float32), casting="unsafe"
    ),
    "a fill": lambda: [A.__setitem__(..., 1), A.__setitem__(slice(2, 4), np.float32(1)), A.fill(1)],
    "new arrays": lambda: (np.zeros(9), np.full((3, 3), 7.0), np.eye(4), np.arange(5)),
    "new arrays like others": lambda: (np.zeros_like(A), np.ones_like(A), np.full((3, 3), X[:1])),
    "views": lambda: (A[::2], A.T, A[1], A[1, 2], A[None], A.reshape(30, -1), A[...]),
    "reductions": lambda: (
        A.sum(0),
        A.min(axis=0),
        A.max(1),
        A.mean(),
        np.cumsum(A, axis=1),
        A.std(),
    ),
    "sorting": lambda: (A.argsort(axis=0), A.T.argpartition(2, axis=0)),
    "choosing": lambda: np.where(A > 1, A, A.T),
    "an element taken": lambda: (X.take(3), A.take(7)),
    "iterating": lambda: sum(float(value) for value in np.nditer(X[::100])),
    "elements that are arrays": lambda: (OBJECTS[0], OBJECTS[1, ...], OBJECTS[-1]),
    "a sequence of one element": lambda: X.__setitem__(0, [1.0][0]),
}


@pytest.mark.parametrize("name", CONTROLS)
def test_what_is_no_copy(name: str) -> None:
    found = [copy for copy in copies(CONTROLS[name]) if copy.mechanism != "ndarray.astype"]
    assert [summary(copy) for copy in found] == []


# --- once, and everywhere -----------------------------------------------------------------------


class Exposing:
    """An object that gives its array away."""

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        self.array = array

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray[Any, Any]:
        return self.array


CONVERSIONS: dict[str, tuple[Callable[[], object], int]] = {
    "astype": (lambda: A.astype(np.float32), 3600 * F4),
    "swapped and cast": (lambda: A.astype(">f4"), 3600 * F4),
    "asarray": (lambda: np.asarray(A.T, dtype=np.int16, order="C"), 3600 * 2),
    "copy": (A.T.copy, 3600 * F8),
    "require": (lambda: np.require(A.T, requirements="C"), 3600 * F8),
    "ravel": (A.T.ravel, 3600 * F8),
    "copyto": (lambda: np.copyto(B, A), 3600 * F4),
    "copyto with a mask": (lambda: np.copyto(B, A, where=np.eye(60, dtype=bool)), 60 * F4),
    "a list of arrays": (lambda: np.array([X[:9], X[:9], X[:9]]), 27 * F8),
    "__array__, then a cast": (lambda: np.array(Exposing(A), dtype=np.float32), 3600 * F4),
}


@pytest.mark.parametrize("name", CONVERSIONS)
def test_a_conversion_is_counted_once(name: str) -> None:
    function, expected = CONVERSIONS[name]
    (found,) = copies(function)
    assert (found.count, found.bytes) == (1, expected)


def test_threads_are_counted_exactly() -> None:
    # Large enough for NumPy to release the GIL while it copies.
    operands = [np.ones((200, 100))[:, ::2] for _ in range(4)]
    target = [np.empty((200, 50)) for _ in range(4)]
    vector = np.ones(50)

    def work(number: int) -> None:
        for _ in range(50):
            np.dot(operands[number], vector)
            target[number][...] = operands[number]

    def run() -> None:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    found = {copy.mechanism: (copy.count, copy.bytes) for copy in copies(run)}
    assert found == {
        "numpy.dot": (200, 200 * 200 * 50 * F8),
        "ndarray.__setitem__": (200, 200 * 200 * 50 * F8),
    }


def test_an_iterator_that_outlives_the_recording_stays_valid() -> None:
    x = np.arange(20_000, dtype=">f4")
    kept: list[np.nditer] = []

    def work() -> None:
        flags: Any = ["buffered", "external_loop"]
        first = np.nditer(x, flags=flags, op_dtypes=[np.dtype("f8")], casting="unsafe")
        kept.extend([first, first.copy()])

    assert copies(work) == []
    for iterator in kept:
        assert sum(float(chunk.sum()) for chunk in iterator) == float(x.sum(dtype="f8"))
    del iterator
    kept.clear()


def test_a_failing_cast_raises_as_it_would_alone() -> None:
    words = np.array(["1", "2", "no number"])

    def work() -> None:
        target = np.empty(3)
        with pytest.raises(ValueError, match="no number"):
            target[...] = words

    record(work)


def test_callbacks_in_a_cast_are_seen_for_themselves() -> None:
    class Number:
        def __float__(self) -> float:
            np.concatenate([X[:4], X[:4]])
            return 1.0

    numbers = np.array([Number(), Number()], object)
    found = {copy.mechanism: copy for copy in copies(lambda: numbers.astype(float))}
    assert (found["ndarray.astype"].count, found["ndarray.astype"].bytes) == (1, 2 * F8)
    assert (found["numpy.concatenate"].count, found["numpy.concatenate"].bytes) == (4, 16 * F8)


def test_every_slot_is_put_back() -> None:
    probes.acquire()
    probes.release()
    before = [entry for entry in native.patched_slots() if entry[0] == "transfers"]
    assert probes.acquire() == []
    during = [entry for entry in native.patched_slots() if entry[0] == "transfers"]
    probes.release()
    after = [entry for entry in native.patched_slots() if entry[0] == "transfers"]
    assert len(before) > 600
    assert all(
        old[1] == new[1] and old[2] != new[2] for old, new in zip(before, during, strict=True)
    )
    assert after == before
