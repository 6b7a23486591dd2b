"""IP304 missing-prototype and IP305 prototype-mismatch on hand-made traces, IP301 beside them."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from trace_builder import argument, called, trace_of

from interprobe.declared_types import c_type
from interprobe.facts import Fact
from interprobe.findings import Finding, Severity
from interprobe.prototypes import Parameter, Prototype
from interprobe.rules import ip301_dtype_reinterpreted as ip301
from interprobe.rules import ip304_missing_prototype as ip304
from interprobe.rules import ip305_prototype_mismatch as ip305
from interprobe.trace import Argument, Call, Returns, Trace


def prototype(returns: str, *parameters: str, variadic: bool = False) -> Prototype:
    named = [Parameter(f"p{index}", c_type(text)) for index, text in enumerate(parameters)]
    return Prototype("total", c_type(returns), named, variadic)


def call(
    true: Prototype | None,
    *declared: str | tuple[str, Any],
    restype: str = "c_int",
    argtypes: bool = True,
    expression: str = "lib.total(x)",
    source: str | None = None,
    facts: tuple[Fact, ...] = (),
    integer: int | None = None,
    binding: str = "ctypes",
) -> Trace:
    arguments: list[Argument] = []
    for position, each in enumerate(declared):
        text, given = (each, None) if isinstance(each, str) else each
        wanted = None
        if true is not None and position < len(true.parameters):
            wanted = true.parameters[position].type.spelling
        arguments.append(argument(position, text, given, wanted))
    record = called(expression, arguments)
    site = msgspec.structs.replace(record.site, source=source or f"y = {expression}")
    found: Call = msgspec.structs.replace(
        record,
        site=site,
        user_site=site,
        binding=binding,
        returns=Returns(restype, true.returns.spelling if true else None, integer),
        argtypes=len(declared) if argtypes else None,
        prototype=true,
        facts=list(facts),
    )
    return trace_of(found)


def missing(trace: Trace) -> list[Finding]:
    return list(ip304.check(trace))


def mismatched(trace: Trace) -> list[Finding]:
    return list(ip305.check(trace))


def only(findings: list[Finding]) -> Finding:
    (finding,) = findings
    return finding


@pytest.mark.parametrize(
    ("returns", "severity", "words"),
    [
        ("double", Severity.ERROR, "another register"),
        ("float", Severity.ERROR, "another register"),
        ("const char *", Severity.ERROR, "the lower half of an address"),
        ("size_t", Severity.WARNING, "the lower 4 are read"),
        ("int64_t", Severity.WARNING, "the lower 4 are read"),
        ("bool", Severity.WARNING, "may hold anything"),
    ],
)
def test_a_result_that_is_no_int_and_read_as_one(
    returns: str, severity: Severity, words: str
) -> None:
    finding = only(missing(call(prototype(returns, "int"), "c_int", integer=-677822272)))
    assert finding.severity is severity
    assert words in finding.cause
    assert "-677822272" in finding.evidence
    assert "lib.total.restype = " in finding.fix.code


@pytest.mark.parametrize("returns", ["int", "unsigned int", "void", "int32_t", "mystery_t"])
def test_a_result_that_int_reads_rightly_is_no_finding(returns: str) -> None:
    assert not missing(call(prototype(returns, "int"), "c_int"))


@pytest.mark.parametrize(
    "source", ["lib.total(x)", "    lib.total(x)  # done", "if x: lib.total(x)"]
)
def test_a_result_that_is_thrown_away_hurts_nothing(source: str) -> None:
    true = prototype("double", "int")
    assert not missing(call(true, "c_int", source=source))
    assert not mismatched(call(true, "c_int", restype="c_float", source=source))


def test_a_result_that_is_declared_is_not_missing() -> None:
    assert not missing(call(prototype("double", "int"), "c_int", restype="c_double"))


def test_without_a_prototype_nothing_is_said() -> None:
    trace = call(None, "int", ("POINTER(c_double)", np.ones(3)), argtypes=False)
    assert not missing(trace)
    assert not mismatched(trace)


def cut(value: int, text: str = "signed") -> Fact:
    return Fact("cut", position=0, value=value, limit=32, text=text)


def test_an_address_as_a_bare_integer_arrives_cut() -> None:
    array = np.ones(3)
    finding = only(
        missing(call(None, ("int", array), argtypes=False, facts=(cut(0x7F1234567890),)))
    )
    assert finding.severity is Severity.ERROR
    assert "0x7f1234567890" in finding.cause
    assert "0x34567890 arrives" in finding.cause
    assert "c_void_p" in finding.fix.code
    known = prototype("int", "const double *")
    assert (
        only(missing(call(known, "int", argtypes=False, facts=(cut(2**46),)))).severity == "error"
    )


def test_a_large_integer_for_a_64_bit_parameter_arrives_cut() -> None:
    true = prototype("int", "size_t")
    finding = only(missing(call(true, "int", argtypes=False, facts=(cut(2**35 + 3),))))
    assert finding.severity is Severity.ERROR
    assert "34359738371" in finding.cause
    assert "and 3 arrives" in finding.cause
    assert (
        only(missing(call(None, "int", argtypes=False, facts=(cut(2**35),)))).severity == "warning"
    )
    # As the bits of an unsigned int, it arrives whole.
    assert not missing(call(None, "int", argtypes=False, facts=(cut(0xFFFFFFFF),)))
    # C itself takes 32 bits: no declaration would change that.
    assert not missing(call(prototype("int", "int"), "int", argtypes=False, facts=(cut(2**35),)))


@pytest.mark.parametrize(
    ("declared", "true", "found"),
    [
        ("c_float", "double", True),
        ("c_double", "float", True),
        ("int", "double", True),
        ("c_int", "float", True),
        ("c_double", "int", True),
        ("c_double", "double", False),
        ("int", "size_t", False),
        ("int", "double *", False),  # 0 for NULL
        ("c_int", "size_t", False),
        ("NoneType", "double *", False),
        ("bytes", "const char *", False),
        ("Custom", "double", False),
    ],
)
def test_numbers_without_argtypes(declared: str, true: str, found: bool) -> None:
    findings = missing(call(prototype("int", true), declared, argtypes=False))
    assert bool(findings) is found
    assert all(finding.severity is Severity.ERROR for finding in findings)


def test_too_few_arguments() -> None:
    true = prototype("int", "double", "size_t")
    assert "given 1" in only(missing(call(true, "c_double", argtypes=False))).cause
    assert "declared with 1" in only(mismatched(call(true, "c_double"))).cause
    several = prototype("int", "const char *", "int", variadic=True)
    assert not missing(call(several, "bytes", argtypes=False))
    assert not mismatched(call(several, "c_char_p"))


@pytest.mark.parametrize(
    ("declared", "true"),
    [
        ("POINTER(c_float)", "const double *"),
        ("POINTER(c_int)", "size_t *"),
        ("POINTER(c_double)", "int64_t *"),
        ("ndpointer_<f4_1d", "double *"),
        ("POINTER(POINTER(c_float))", "double **"),
        ("c_float", "double"),
        ("c_double", "int"),
        ("c_double", "double *"),
        ("c_int", "double *"),
        ("POINTER(c_int)", "int"),
    ],
)
def test_a_wrong_parameter_is_an_error(declared: str, true: str) -> None:
    finding = only(mismatched(call(prototype("int", true), declared)))
    assert finding.severity is Severity.ERROR
    assert declared in finding.cause
    assert "lib.total.argtypes = [" in finding.fix.code
    assert not missing(call(prototype("int", true), declared))


@pytest.mark.parametrize(
    ("declared", "true"),
    [
        ("c_void_p", "const double *"),
        ("c_char_p", "float *"),
        ("POINTER(c_ubyte)", "struct blob *"),
        ("POINTER(c_double)", "void *"),
        ("POINTER(c_long)", "size_t *"),
        ("POINTER(c_longlong)", "int64_t *"),
        ("POINTER(c_double)", "double _Complex *"),
        ("POINTER(c_uint)", "int *"),
        ("POINTER(c_int)", "enum mode *"),
        ("POINTER(Custom)", "struct custom *"),
        ("ndpointer_any", "double *"),
        ("ndpointer_<f8_2d_C_CONTIGUOUS", "const double *restrict"),
        ("c_double_Array_4", "double *"),
        ("c_int", "int32_t"),
        ("c_uint", "int"),
        ("c_ulong", "size_t"),
        ("c_long", "uintptr_t"),
        ("c_ulong", "void *"),
        ("c_int", "bool"),
        ("c_bool", "int"),
        ("c_int", "enum mode"),
        ("CFunctionType", "int (*)(double)"),
        ("py_object", "void *"),
        ("Custom", "double"),
        ("POINTER(c_void_p)", "double **"),
        ("POINTER(c_ulong)", "void **"),
    ],
)
def test_what_c_takes_as_it_is_meant_is_no_finding(declared: str, true: str) -> None:
    assert not mismatched(call(prototype("int", true), declared))


def test_a_narrow_integer_is_a_note_until_a_value_does_not_fit() -> None:
    true = prototype("int", "size_t")
    assert only(mismatched(call(true, "c_int"))).severity is Severity.NOTE
    wrong = only(mismatched(call(true, "c_int", facts=(cut(2**32 + 5),))))
    assert wrong.severity is Severity.ERROR
    assert "4294967301 was given, and C got 5" in wrong.cause
    # From 2^31 on, the sign is carried into the upper half.
    halfway = only(mismatched(call(true, "c_int", facts=(cut(2**31),))))
    assert str(2**64 - 2**31) in halfway.cause
    negative = Fact("negative", position=0, value=5)
    assert str(2**64 - 5) in only(mismatched(call(true, "c_int", facts=(negative,)))).cause
    largest = Fact("negative", position=0, value=1)
    assert only(mismatched(call(true, "c_int", facts=(largest,)))).severity is Severity.NOTE


@pytest.mark.parametrize(
    ("restype", "returns", "severity"),
    [
        ("c_float", "double", Severity.ERROR),
        ("c_double", "void", Severity.ERROR),
        ("c_long", "int", Severity.ERROR),
        ("c_double", "int", Severity.ERROR),
        ("c_void_p", "int", Severity.ERROR),
        ("c_uint", "size_t", Severity.WARNING),
        ("POINTER(c_float)", "double *", Severity.ERROR),
    ],
)
def test_a_wrong_result(restype: str, returns: str, severity: Severity) -> None:
    finding = only(mismatched(call(prototype(returns, "int"), "c_int", restype=restype)))
    assert finding.severity is severity
    assert restype in finding.cause


@pytest.mark.parametrize(
    ("restype", "returns"),
    [
        ("None", "double"),
        ("c_uint", "int"),
        ("c_void_p", "struct node *"),
        ("c_char_p", "const char *"),
        ("c_long", "size_t"),
        ("callable", "int"),
        ("Custom", "struct custom"),
        ("POINTER(c_double)", "double *"),
    ],
)
def test_a_right_result(restype: str, returns: str) -> None:
    assert not mismatched(call(prototype(returns, "int"), "c_int", restype=restype))


def test_each_misread_array_is_told_once() -> None:
    doubles = prototype("int", "const double *")
    single, double = np.ones(4, np.float32), np.ones(4)

    def codes(declared: str, array: Any) -> list[tuple[str, str]]:
        trace = call(doubles, (declared, array))
        found = [*ip301.check(trace), *missing(trace), *mismatched(trace)]
        return [(finding.rule, str(finding.severity)) for finding in found]

    assert codes("POINTER(c_double)", double) == []
    assert codes("c_void_p", double) == []
    assert codes("POINTER(c_double)", single) == [("IP301", "error")]
    assert codes("c_void_p", single) == [("IP301", "error")]
    assert codes("POINTER(c_int)", single) == [("IP301", "error")]
    # As declared, and yet C reads something else; or declared wrongly, and yet right.
    assert codes("POINTER(c_float)", single) == [("IP305", "error")]
    assert codes("POINTER(c_float)", double) == [("IP305", "warning")]
    # A buffer of bytes may hold anything.
    assert codes("c_void_p", np.ones(32, np.uint8)) == []


def test_an_array_of_the_declared_type_says_how_far_c_reads() -> None:
    trace = call(prototype("int", "const double *"), ("POINTER(c_float)", np.ones(100, np.float32)))
    assert "400 bytes past the array's end" in only(mismatched(trace)).cause


def test_cffi_is_compared_in_c_words() -> None:
    true = prototype("double", "const double *", "size_t")
    good = call(true, "double *", "size_t", restype="double", binding="cffi")
    assert not mismatched(good)
    assert not missing(good)
    bad = only(mismatched(call(true, "float *", "size_t", restype="float", binding="cffi")))
    assert bad.severity is Severity.ERROR
    assert "float" in bad.cause
    assert bad.fix.code.startswith('ffi.cdef("double total(')
