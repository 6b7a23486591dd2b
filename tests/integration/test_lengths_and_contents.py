"""What C functions do beyond and beside their arguments; correct programs are left alone."""

from __future__ import annotations

import ctypes
import importlib
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from extension_builder import build_c_library, build_cython
from numpy.typing import NDArray

from interprobe.analysis import analyse
from interprobe.contracts import Contracts
from interprobe.facts import Fact
from interprobe.findings import Finding, Severity
from interprobe.recorder import Recorder
from interprobe.trace import Trace

DP = ctypes.POINTER(ctypes.c_double)
MINE = {"IP306", "IP308", "IP309", "IP312", "IP314"}
Array = NDArray[Any]


def record(
    work: Callable[[], object], contracts: Contracts = "sampled", boundary: Sequence[str] = ()
) -> Trace:
    recorder = Recorder(own_paths=[__file__], contracts=contracts, boundary=boundary)
    recorder.start()
    try:
        work()
    finally:
        trace = recorder.stop()
    return analyse(trace)


def found(trace: Trace) -> list[Finding]:
    return [finding for finding in trace.findings if finding.rule in MINE]


def only(trace: Trace, rule: str) -> Finding:
    findings = found(trace)
    assert [finding.rule for finding in findings] == [rule], findings
    return findings[0]


def facts(trace: Trace, kind: str) -> list[Fact]:
    return [fact for call in trace.calls for fact in call.facts if fact.kind == kind]


def declared(path: Path) -> Any:
    library = ctypes.CDLL(str(path))
    size, double = ctypes.c_size_t, ctypes.c_double
    library.total.argtypes = [DP, size]
    library.total.restype = double
    library.grid_total.argtypes = [DP, size, size]
    library.grid_total.restype = double
    for name in ("add_to", "add_to_other", "move", "half"):
        getattr(library, name).argtypes = [DP, DP, size]
    library.median.argtypes = [DP, size]
    library.median.restype = double
    library.count_int.argtypes = [DP, ctypes.c_int]
    library.fill_16.argtypes = [DP, ctypes.c_ulong]
    library.histogram.argtypes = [DP, size, ctypes.c_void_p, size]
    library.daxpy.argtypes = [ctypes.c_int, double, DP, ctypes.c_int, DP, ctypes.c_int]
    library.read_values.argtypes = [DP, ctypes.c_int]
    library.checksum.argtypes = [ctypes.c_void_p, size]
    library.checksum.restype = ctypes.c_uint32
    return library


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The library with debug information: its own prototypes are known."""
    return declared(build_c_library("contract_kernels", tmp_path_factory.mktemp("described")))


@pytest.fixture(scope="module")
def lib(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The same without: only what was declared and what was seen."""
    folder = tmp_path_factory.mktemp("stripped")
    path = build_c_library("contract_kernels", folder)
    bare = folder / "libbare.so"
    subprocess.run(["strip", "--strip-debug", "-o", bare, path], check=True)
    return declared(bare)


def p(array: Array) -> Any:
    return array.ctypes.data_as(DP)


def pooled(size: int) -> tuple[Array, Array]:
    """An array whose memory goes on in good numbers, but that ends where its memory ends to NumPy.

    So that a test can overrun it, and say what comes of it.
    """
    memory = np.ones(4 * size)
    memory[size:] = 100.0

    class Window:
        @property
        def __array_interface__(self) -> dict[str, Any]:
            address = memory.ctypes.data
            return {"data": (address, False), "shape": (size,), "typestr": "<f8", "version": 3}

    return np.asarray(Window()), memory


# IP306


def test_a_length_learnt_from_other_calls_is_overrun(lib: Any) -> None:
    x, _memory = pooled(50)
    sums = []

    def work() -> None:
        for size in (30, 40):
            good = np.ones(size)
            sums.append(lib.total(p(good), good.size))
        sums.append(lib.total(p(x), 51))

    finding = only(record(work), "IP306")
    assert sums == [30, 40, 150]  # 50 ones, and a hundred that is not the array's
    assert "says 51 elements of 8 bytes, but behind argument 1 there are 50" in finding.cause
    assert "C goes 8 bytes past the end" in finding.cause


def test_an_overrun_of_a_blocks_end_is_an_error(lib: Any) -> None:
    x = np.ones(64)
    whole = p(x)

    def work() -> None:
        for size in (30, 40):
            lib.total(p(x[:size]), size)
        # count_int reads nothing: nobody is hurt by what it is told.
        for size in (30, 40):
            lib.count_int(p(x[:size]), size)
        lib.count_int(whole, 66)

    finding = only(record(work), "IP306")
    assert finding.severity is Severity.ERROR
    assert "16 bytes past the end of the memory that the array lies in" in finding.cause


def test_the_last_part_of_a_loop_over_addresses_is_overrun(lib: Any) -> None:
    x = np.ones(100)
    function = lib.count_int
    function.argtypes = [ctypes.c_void_p, ctypes.c_int]

    def work() -> None:
        base = x.ctypes.data
        function(base, 100)
        function(base + 8 * 50, 50)
        for start in range(0, 100, 30):
            function(base + 8 * start, 30)

    finding = only(record(work), "IP306")
    assert "says 30 elements of 8 bytes, but behind argument 1 there are 10" in finding.cause
    assert "160 bytes past the end" in finding.cause


def test_the_functions_own_prototype_tells_the_length(described: Any) -> None:
    x, _memory = pooled(50)
    sums = []

    def work() -> None:
        sums.append(described.total(p(x), 53))
        sums.append(described.grid_total(p(x), 13, 4))

    findings = found(record(work))
    assert [finding.rule for finding in findings] == ["IP306", "IP306"]
    assert sums == [350, 250]
    assert "24 bytes past the end" in findings[0].cause
    assert "`const double *x, size_t n`" in findings[0].cause
    assert "16 bytes past the end" in findings[1].cause
    assert "Argument 2 (rows) times argument 3 (cols)" in findings[1].cause


def test_the_size_in_bytes_is_not_the_number_of_elements(lib: Any) -> None:
    pool = np.ones(1000)
    x = pool[:100]
    sums = []
    finding = only(record(lambda: sums.append(lib.total(p(x), x.nbytes))), "IP306")
    assert sums == [800]
    assert finding.severity is Severity.WARNING
    assert "size in bytes" in finding.cause


def test_lengths_through_cffi(lib: Any) -> None:
    cffi = pytest.importorskip("cffi")
    ffi = cffi.FFI()
    ffi.cdef("int count_int(const double *x, int n);")
    library = ffi.dlopen(lib._name)
    x = np.ones(64)

    def work() -> None:
        for size in (30, 40):
            library.count_int(ffi.from_buffer("double[]", x[:size]), size)
        library.count_int(ffi.cast("double *", x.ctypes.data), 66)

    finding = only(record(work), "IP306")
    assert "16 bytes past the end" in finding.cause


# IP308


def test_a_read_only_array_is_written(lib: Any) -> None:
    table = np.arange(8.0)
    table.flags.writeable = False
    finding = only(record(lambda: lib.add_to(p(table), p(np.ones(8)), 8)), "IP308")
    assert table[0] == 1.0
    assert finding.severity is Severity.ERROR
    assert "element 0 was 0 and is 1" in finding.cause


@pytest.mark.parametrize(
    "address",
    [
        lambda x: ctypes.cast(x.ctypes.data, DP),
        lambda x: ctypes.cast(x.ctypes.data_as(ctypes.c_void_p).value, DP),
    ],
)
def test_a_bare_address_tells_whether_somebody_else_may_write(lib: Any, address: Any) -> None:
    table, ones = np.arange(8.0), np.ones(8)
    table.flags.writeable = False
    finding = only(record(lambda: lib.add_to(address(table), p(ones), 8)), "IP308")
    assert finding.severity is Severity.ERROR
    view = np.arange(8.0).view()
    view.flags.writeable = False
    finding = only(record(lambda: lib.add_to(address(view), p(ones), 8)), "IP308")
    assert finding.severity is Severity.WARNING
    assert "may be written elsewhere" in finding.cause


def test_the_memory_of_a_bytes_object_is_written(lib: Any) -> None:
    constant = bytes(64)
    x = np.frombuffer(constant)
    finding = only(record(lambda: lib.add_to(p(x), p(np.ones(8)), 8)), "IP308")
    assert constant != bytes(64)
    assert finding.severity is Severity.ERROR


def test_a_large_read_only_array_is_written_in_one_place(lib: Any) -> None:
    table = np.zeros(100_000)
    table.flags.writeable = False
    target = ctypes.cast(table.ctypes.data + 8 * 54_321, DP)
    keep = p(table)
    target._arr = table  # type: ignore[attr-defined]
    finding = only(record(lambda: lib.add_to(target, p(np.ones(1)), 1), "full"), "IP308")
    assert keep[54_321] == 1.0
    assert finding.severity is Severity.ERROR


def test_what_errcheck_writes_is_not_the_functions_doing(lib: Any) -> None:
    values = np.arange(50.0)
    frozen = values.view()
    frozen.flags.writeable = False

    def add_one(result: float, function: object, arguments: object) -> float:
        values[:] += 1
        return result

    lib.total.errcheck = add_one
    try:
        trace = record(lambda: lib.total(frozen.ctypes.data_as(DP), 50), "full")
    finally:
        del lib.total.errcheck
    assert values[0] == 1
    assert not found(trace)
    assert not facts(trace, "changed")


def test_a_read_only_array_that_is_only_read_is_no_finding(lib: Any) -> None:
    table = np.arange(8.0)
    table.flags.writeable = False
    trace = record(lambda: [lib.total(p(table), 8) for _ in range(100)])
    assert not found(trace)
    assert facts(trace, "unchanged")


def test_an_extension_writes_a_read_only_array(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("Cython")
    build_cython("contract_breaker", tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("contract_breaker")
    table, free = np.arange(8.0), np.arange(8.0)
    table.flags.writeable = False

    def work() -> None:
        module.overwrite(free)
        module.overwrite(table)

    finding = only(record(work, boundary=["contract_breaker"]), "IP308")
    monkeypatch.delitem(sys.modules, "contract_breaker")
    assert table[0] == free[0] == 7.0
    assert "element 0 was 0 and is 7" in finding.cause


# IP309


def test_a_shifted_output_gets_sums_of_sums(lib: Any) -> None:
    x = np.ones(10)
    finding = only(record(lambda: lib.add_to(p(x[1:]), p(x[:-1]), 9)), "IP309")
    assert x[-1] != 2.0  # what NumPy's x[1:] += x[:-1] gives
    assert finding.severity is Severity.WARNING
    assert "share 64 bytes" in finding.cause
    assert "begins 1 element after" in finding.cause


def test_restrict_forbids_it(described: Any) -> None:
    x = np.ones(10)
    finding = only(record(lambda: described.add_to_other(p(x[1:]), p(x[:-1]), 9)), "IP309")
    assert finding.severity is Severity.ERROR
    assert "restrict" in finding.cause


# IP312


def test_a_length_beyond_32_bits_is_cut(lib: Any) -> None:
    x = np.ones(4)
    arrived = []
    n = 5_000_000_000
    finding = only(record(lambda: arrived.append(lib.count_int(p(x), n))), "IP312")
    assert arrived == [705_032_704]
    assert "was 5,000,000,000, and C got 705,032,704" in finding.cause


def test_a_declaration_that_is_wider_than_the_function(described: Any) -> None:
    described.count_int.argtypes = [DP, ctypes.c_size_t]
    arrived = []
    x = np.ones(4)
    n = 3_000_000_000
    trace = record(lambda: arrived.append(described.count_int(p(x), n)))
    described.count_int.argtypes = [DP, ctypes.c_int]
    assert arrived == [-1_294_967_296]
    assert "IP312" in {finding.rule for finding in found(trace)}


# IP314


def test_an_input_is_sorted_against_its_prototype(described: Any) -> None:
    x = np.array([3.0, 1.0, 2.0])
    finding = only(record(lambda: described.median(p(x), 3)), "IP314")
    assert x.tolist() == [1.0, 2.0, 3.0]
    assert "element 0 was 3 and is 1" in finding.cause


def test_without_a_prototype_a_changed_array_is_an_output(lib: Any) -> None:
    x = np.array([3.0, 1.0, 2.0])
    trace = record(lambda: lib.median(p(x), 3))
    assert not found(trace)
    assert [argument.role for argument in trace.calls[0].arguments] == ["output", None]


# Programs that are right


@pytest.fixture(params=["lib", "described"])
def either(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


def test_correct_calls_of_all_kinds_are_no_finding(either: Any) -> None:
    x, y = np.arange(100.0), np.arange(100.0)
    grid = np.ones((10, 20))
    bins = np.zeros(7, np.int64)
    work_space = np.zeros(100)

    def work() -> None:
        for size in (10, 50, 100):
            either.total(p(x), size)
            either.add_to(p(y), p(x), size)
            either.half(p(x[:size]), p(np.empty(size // 2 + 1)), size)
            either.histogram(p(x[:size]), size, bins.ctypes.data, bins.size)
            either.move(p(x[1:]), p(x[:-1]), size - 1)
            either.move(p(x[:-1]), p(x[1:]), size - 1)
        either.grid_total(p(grid), 10, 20)
        either.total(p(grid[3]), 20)
        either.total(p(grid[3:]), 7 * 20)
        either.total(p(grid[3]), 7 * 20)  # the row's address, and all rows from there
        either.fill_16(p(np.empty(16)), 5489)
        either.fill_16(p(np.empty(16)), 2**40 + 1)
        either.daxpy(100, 2.0, p(x), 1, p(y), 1)
        either.daxpy(50, 2.0, p(x), 2, p(y[1:]), 2)
        either.daxpy(10, 1.0, p(work_space), 1, p(work_space[50:]), 1)
        either.add_to(p(x), p(x), 100)
        either.read_values(p(np.empty(3)), -1)
        either.checksum(p(x), x.nbytes)
        either.checksum(x.ctypes.data, x.nbytes)
        either.checksum(x.ctypes.data + 400, 400)
        either.total(p(np.empty(0)), 0)

    assert not found(record(work))
    assert not found(record(work, "full"))


def test_the_c_librarys_own_functions_are_no_finding() -> None:
    libc = ctypes.CDLL(None)
    x, y = np.arange(100.0), np.zeros(100)
    compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)

    def work() -> None:
        libc.memcpy(p(y), p(x), ctypes.c_size_t(x.nbytes))
        libc.memmove(p(x[1:]), p(x[:-1]), ctypes.c_size_t(99 * 8))
        libc.memset(p(y), 0, ctypes.c_size_t(y.nbytes))
        libc.qsort(p(x), ctypes.c_size_t(100), ctypes.c_size_t(8), compare(lambda a, b: 0))
        ctypes.memmove(y.ctypes.data, x.ctypes.data, x.nbytes)
        ctypes.memset(y.ctypes.data, 0, y.nbytes)

    assert not found(record(work))
    assert not found(record(work, "full"))


def test_seeds_flags_and_handles_are_no_cut_integers(lib: Any) -> None:
    function = lib.count_int
    seed, handle = 2**40 + 1, 0x7FFF_0000_1234
    WRITE_THROUGH = 0x8000_0000

    def work() -> None:
        function(None, seed)
        function(None, hash("a"))
        function(None, handle)
        function(None, WRITE_THROUGH)
        function(None, 0x8000_0000 | 1)
        function(None, -1)

    assert not found(record(work))


def test_what_a_callback_or_another_thread_writes_is_not_the_callees(described: Any) -> None:
    table = np.zeros(64)
    view = table.view()
    view.flags.writeable = False
    visit = ctypes.CFUNCTYPE(None, ctypes.c_double)
    described.each.argtypes = [DP, ctypes.c_size_t, visit]
    described.each.restype = ctypes.c_double

    def write(_value: float) -> None:
        table[:] += 1

    assert not found(record(lambda: described.each(p(view), 64, visit(write)), "full"))

    stop = threading.Event()

    def keep_writing() -> None:
        while not stop.is_set():
            table[:] += 1

    thread = threading.Thread(target=keep_writing)
    thread.start()
    try:
        trace = record(lambda: [described.total(p(view), 64) for _ in range(2000)], "full")
    finally:
        stop.set()
        thread.join()
    assert not found(trace)


def test_results_and_reference_counts_are_those_of_the_plain_program(lib: Any) -> None:
    x, y = np.arange(50.0), np.zeros(50)

    def work() -> list[float]:
        y[:] = 0
        sums = []
        for size in range(1, 50):
            lib.add_to(p(y), p(x), size)
            sums.append(lib.total(p(y), size))
        return sums

    plain = work()
    before = sys.getrefcount(x), sys.getrefcount(y)
    for contracts in ("sampled", "full"):
        recorded: list[float] = []
        record(lambda into=recorded: into.extend(work()), contracts)  # type: ignore[arg-type,misc]
        assert recorded == plain
    assert (sys.getrefcount(x), sys.getrefcount(y)) == before


def test_full_contracts_look_at_every_call_and_sampled_ones_at_few(lib: Any) -> None:
    x = np.arange(50.0)

    def work() -> None:
        for _ in range(5000):
            lib.total(p(x), 50)

    def looks(contracts: Contracts) -> int:
        return sum(fact.count for fact in facts(record(work, contracts), "unchanged"))

    assert looks("full") == 5000
    assert 1 <= looks("sampled") < 5000


def test_a_recorder_takes_only_known_contracts() -> None:
    with pytest.raises(ValueError, match="'sampled' or 'full', not 'most'"):
        Recorder(contracts="most")  # type: ignore[arg-type]
