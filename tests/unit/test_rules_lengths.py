"""IP306 length-overrun and IP312 index-overflow on hand-made traces."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from trace_builder import argument, called, trace_of

from interprobe.facts import Fact
from interprobe.findings import Finding, Severity
from interprobe.rules import ip306_length_overrun as ip306
from interprobe.rules import ip312_index_overflow as ip312
from interprobe.trace import Argument, Call

DP = "POINTER(c_double)"
EXPRESSION = "lib.total(x.ctypes.data_as(DP), n)"


def _call(
    arguments: list[Argument], *facts: Fact, expression: str = EXPRESSION, **options: Any
) -> Call:
    return replace(called(expression, arguments, **options), facts=list(facts))


def _total(
    size: int = 100,
    *facts: Fact,
    declared: str | None = DP,
    names: tuple[str, str, str] | None = None,
    expression: str = EXPRESSION,
    **options: Any,
) -> Call:
    """A call of total(pointer, integer); ``names`` are true type and names of its prototype."""
    true, pointer, integer = names or (None, None, None)
    given = [
        argument(0, declared, np.zeros(size), true, pointer),
        argument(1, "c_ulong", None, "size_t" if names else None, integer),
    ]
    return _call(given, *facts, expression=expression, **options)


def _over(value: int, limit: int, kind: str = "length-over", first: int = 1) -> Fact:
    return Fact(kind, position=first, other=0, value=value, limit=limit)


def _equal(value: int, kind: str = "length", first: int = 1) -> list[Fact]:
    return [
        Fact(f"{kind}-equal", position=first, other=0, value=value, limit=8 * value),
        Fact(f"{kind}-equal-least", position=first, other=0, value=-value, limit=8 * value),
    ]


def _found(*calls: Call) -> list[Finding]:
    return list(ip306.check(trace_of(*calls)))


def test_a_larger_integer_alone_is_no_finding() -> None:
    assert not _found(_total(100, _over(12345, 800)))
    assert not _found(_total(100, _over(200, 800)))


def test_the_relation_of_other_calls_makes_it_an_error() -> None:
    calls = [
        _total(100, *_equal(100)),
        _total(50, *_equal(50)),
        _total(30, _over(31, 240), line=20),
    ]
    (finding,) = _found(*calls)
    assert finding.severity is Severity.ERROR
    assert finding.user_site.line == 20
    assert "says 31 elements of 8 bytes" in finding.cause
    assert "(`x`) there are 30: C goes 8 bytes past the end of the memory" in finding.cause
    assert "in other calls of the function" in finding.cause.lower()
    assert finding.fix.code == "x.size  # 30 elements, 240 bytes"


def test_one_length_that_happened_to_be_equal_teaches_nothing() -> None:
    calls = [_total(100, *_equal(100)), _total(100, *_equal(100)), _total(30, _over(100, 240))]
    assert not _found(*calls)
    short = [_total(3, *_equal(3)), _total(4, *_equal(4)), _total(30, _over(100, 240))]
    assert not _found(*short)


def test_another_function_or_library_teaches_nothing() -> None:
    learnt = [_total(100, *_equal(100)), _total(50, *_equal(50))]
    assert not _found(*learnt, _total(30, _over(60, 240), function="mean"))
    assert not _found(*learnt, _total(30, _over(60, 240), library="/other.so"))


def test_lengths_of_bytes_say_nothing_of_arrays_of_doubles() -> None:
    def learnt(size: int) -> Call:
        facts = [replace(fact, limit=size) for fact in _equal(size)]
        given = [argument(0, "c_void_p", np.zeros(size, np.uint8)), argument(1, "c_ulong", None)]
        return _call(given, *facts)

    # memcpy(bytes, n), and then memcpy(doubles, nbytes)
    calls = [learnt(100), learnt(50), _total(100, _over(800, 800), declared="c_void_p")]
    assert not _found(*calls)


def test_a_view_that_is_left_for_the_rest_of_its_memory_is_a_warning() -> None:
    calls = [
        _total(100, *_equal(100)),
        _total(50, *_equal(50)),
        _total(30, _over(31, 240, "length-past-array")),
    ]
    (finding,) = _found(*calls)
    assert finding.severity is Severity.WARNING
    assert "past the end of the array, into memory that is not the array's" in finding.cause


@pytest.mark.parametrize("name", ["n", "len", "size", "count", "n_samples", "nx", "x_len", "num"])
def test_a_prototype_that_names_the_length_makes_it_an_error(name: str) -> None:
    (finding,) = _found(_total(100, _over(101, 800), names=("const double *", "x", name)))
    assert finding.severity is Severity.ERROR
    assert f"`const double *x, size_t {name}`" in finding.cause


@pytest.mark.parametrize(
    "name", ["seed", "nbytes", "stride", "ldx", "nthreads", "flags", "maxiter", "block_size", "k"]
)
def test_a_prototype_that_names_something_else_is_no_finding(name: str) -> None:
    assert not _found(_total(100, _over(101, 800), names=("const double *", "x", name)))


def test_a_prototype_counts_raw_memory_in_bytes() -> None:
    def written(value: int) -> list[Finding]:
        return _found(_total(100, _over(value, 800), names=("const void *", "buffer", "n")))

    assert not written(800)
    (finding,) = written(808)
    assert "8 bytes past the end" in finding.cause


def _two_pointers(true: str, *facts: Fact) -> Call:
    given = [
        argument(0, DP, np.zeros(100), "const double *", "x"),
        argument(1, DP, np.zeros(90), true, "y"),
        argument(2, "c_ulong", None, "size_t", "n"),
    ]
    return _call(given, *facts)


def test_a_short_result_beside_a_long_input_is_no_overrun() -> None:
    fact = Fact("length-over-shared", position=2, other=1, value=100, limit=720)
    assert not _found(_two_pointers("double *", fact))
    (finding,) = _found(_two_pointers("const double *", fact))
    assert "80 bytes past the end" in finding.cause


def test_a_length_beyond_all_arrays_is_an_overrun_of_each() -> None:
    facts = [
        Fact("length-over", position=2, other=0, value=200, limit=800),
        Fact("length-over", position=2, other=1, value=200, limit=720),
    ]
    (finding,) = _found(_two_pointers("double *", *facts))
    assert finding.severity is Severity.ERROR
    assert len(finding.cause.splitlines()) == 2


def _matrix(names: tuple[str, str], *facts: Fact) -> Call:
    given = [
        argument(0, DP, np.zeros((10, 20)), "const double *", "matrix"),
        argument(1, "c_ulong", None, "size_t", names[0]),
        argument(2, "c_ulong", None, "size_t", names[1]),
    ]
    return _call(given, *facts)


def test_a_product_of_dimensions_is_a_length() -> None:
    fact = _over(220, 1600, "product-over")
    (finding,) = _found(_matrix(("rows", "cols"), fact))
    assert "Argument 2 (rows) times argument 3 (cols) of total says 220 elements" in finding.cause
    assert "160 bytes past the end" in finding.cause
    assert finding.fix.code.startswith("*x.shape")
    assert not _found(_matrix(("n", "stride"), fact))
    assert not _found(_matrix(("rows", "rows"), fact))


def test_one_of_two_dimensions_is_no_length() -> None:
    # An lda, a column of a matrix: rows alone may exceed a single column.
    assert not _found(_matrix(("rows", "cols"), _over(300, 1600)))


def test_a_blas_call_is_no_overrun() -> None:
    given = [
        argument(0, "c_int", None, "int", "n"),
        argument(1, DP, np.zeros(100), "const double *", "x"),
        argument(2, "c_int", None, "int", "incx"),
    ]
    fact = Fact("length-over", position=2, other=1, value=101, limit=800)
    assert not _found(_call(given, fact))


def _nbytes(*more: Fact, size: int = 100, **options: Any) -> list[Finding]:
    facts = [_over(8 * size, 8 * size), _over(8 * size, 8 * size, "length-nbytes")]
    return _found(_total(size, *facts, *more, **options))


def test_bytes_where_elements_are_declared_are_a_warning() -> None:
    (finding,) = _nbytes()
    assert finding.severity is Severity.WARNING
    assert "5.60 kB past the end" in finding.cause
    assert "the array's size in bytes" in finding.cause


def test_bytes_are_right_where_the_prototype_names_them_or_the_array_is_small() -> None:
    assert not _nbytes(names=("const double *", "x", "nbytes"))
    assert not _nbytes(size=4)


def test_functions_of_the_c_standard_count_bytes_however_they_are_declared() -> None:
    libc = "/usr/lib/libc.so.6"
    assert not _nbytes(function="memcpy", library=libc)
    assert _nbytes(function="write")  # another library's counts what it likes
    expression = "libc.memcpy(x.ctypes.data_as(DP), x.nbytes + 1)"
    call = _total(100, _over(801, 800), function="memcpy", library=libc, expression=expression)
    (finding,) = _found(call)
    assert "1 byte past the end" in finding.cause
    assert finding.fix.code == "x.nbytes  # 800 bytes"


def test_one_element_too_many_is_a_warning() -> None:
    (finding,) = _found(_total(100, _over(101, 800)))
    assert finding.severity is Severity.WARNING
    assert "plus 1" in finding.cause
    assert not _found(_total(100, _over(101, 800, "length-over-shared")))
    assert not _found(_total(100, _over(101, 800, "length-past-array")))
    assert not _found(_total(5, _over(6, 40)))


def test_one_of_several_integers_is_near_by_chance() -> None:
    # cblas_dgemv(CblasRowMajor, ...) has a 101 first, whatever the arrays are.
    given = [
        argument(0, "c_int", None),
        argument(1, DP, np.zeros(100)),
        argument(2, "c_int", None),
    ]
    assert not _found(_call(given, Fact("length-over", position=0, other=1, value=101, limit=800)))
    assert not _found(_call(given, Fact("length-over", position=2, other=1, value=101, limit=800)))


@pytest.mark.parametrize("text", ["x.size * 2", "len(x) * 2", "2 * x.shape[0]"])
def test_a_length_taken_from_the_array_itself_is_a_warning(text: str) -> None:
    expression = f"lib.total(x.ctypes.data_as(DP), {text})"
    (finding,) = _found(_total(100, _over(200, 800), expression=expression))
    assert "takes it from the array's own size" in finding.cause
    other = f"lib.total(x.ctypes.data_as(DP), {text.replace('x', 'y')})"
    assert not _found(_total(100, _over(200, 800), expression=other))


def test_an_array_of_narrower_elements_is_for_another_rule() -> None:
    array = np.zeros(100, np.float32)
    learnt = [_total(100, *_equal(100)), _total(50, *_equal(50))]
    wrong = _call([argument(0, DP, array), argument(1, "c_ulong", None)], _over(100, 400))
    assert not _found(*learnt, wrong)


def test_calls_of_one_place_are_one_finding_with_the_worst_instance() -> None:
    learnt = [_total(100, *_equal(100), line=1), _total(50, *_equal(50), line=2)]
    wrong = [_total(30, _over(31, 240), count=2), _total(30, _over(40, 240), count=3)]
    (finding,) = _found(*learnt, *wrong)
    assert [record.index for record in finding.records] == [2, 3]
    assert "80 bytes past" in finding.cause
    assert finding.evidence.startswith("5 calls of total")


# IP312


def _cut(
    value: int, bits: int = 32, how: str = "signed", *, expression: str = EXPRESSION, **options: Any
) -> list[Finding]:
    given = [
        argument(0, DP, np.zeros(100)),
        argument(1, options.pop("declared", "c_int"), None, **options),
    ]
    fact = Fact("cut", position=1, value=value, limit=bits, text=how)
    return list(ip312.check(trace_of(_call(given, fact, expression=expression))))


@pytest.mark.parametrize(
    ("value", "bits", "how", "arrived"),
    [
        (5_000_000_000, 32, "signed", "705,032,704"),
        (3_000_000_000, 32, "signed", "-1,294,967,296"),
        (5_000_000_000, 32, "unsigned", "705,032,704"),
        (300, 8, "unsigned", "44"),
        (40_000, 16, "signed", "-25,536"),
    ],
)
def test_a_cut_integer_is_told_before_and_after(
    value: int, bits: int, how: str, arrived: str
) -> None:
    (finding,) = _cut(value, bits, how)
    assert finding.severity is Severity.WARNING
    assert f"was {value:,}, and C got {arrived}." in finding.cause


def test_addresses_are_for_another_rule() -> None:
    assert not _cut(140_000_000_000_000, how="address")


def test_without_argtypes_only_a_length_that_turns_negative_is_left_to_this_rule() -> None:
    assert not _cut(5_000_000_000, declared="int")
    assert not _cut(3_000_000_000, declared="int")
    (finding,) = _cut(3_000_000_000, declared="int", name="n")
    assert "Without argtypes" in finding.cause
    assert finding.fix.code.startswith("total.argtypes = [..., ctypes.c_size_t]")


def test_a_length_that_is_cut_is_an_error() -> None:
    (finding,) = _cut(5_000_000_000, name="n", true="int")
    assert finding.severity is Severity.ERROR
    assert "cannot take such a number" in finding.fix.text
    assert not _cut(5_000_000_000, name="n", true="size_t")  # the declaration is wrong: IP305


@pytest.mark.parametrize("name", ["seed", "hash", "flags", "key", "timestamp"])
def test_lower_bits_that_are_all_that_is_wanted_are_no_finding(name: str) -> None:
    assert not _cut(5_000_000_000, name=name, true="unsigned int")
    assert not _cut(5_000_000_000, expression=f"lib.total(p, {name})")


@pytest.mark.parametrize("text", ["0x80000000", "READ | WRITE", "lib.ALL_ACCESS", "~mask"])
def test_flags_are_no_finding(text: str) -> None:
    assert not _cut(2**31, expression=f"lib.total(p, {text})")


def test_bits_that_c_reads_as_unsigned_are_all_there() -> None:
    assert not _cut(3_000_000_000, name="n", true="unsigned int")


def test_an_integer_that_fits_the_declaration_may_not_fit_the_callee() -> None:
    def passed(true: str, value: int = 3_000_000_000) -> list[Finding]:
        given = [argument(0, DP, np.zeros(9)), argument(1, "c_ulong", None, true, "n")]
        fact = Fact("large-integer", position=1, value=value)
        return list(ip312.check(trace_of(_call(given, fact))))

    (finding,) = passed("int")
    assert finding.severity is Severity.ERROR
    assert "the function's own prototype says `int` (32 bits, signed)" in finding.cause
    assert "-1,294,967,296" in finding.cause
    assert not finding.fix.code
    assert not passed("unsigned int")
    assert passed("unsigned int", 5_000_000_000)
    assert not passed("long")
    assert not passed("double")
