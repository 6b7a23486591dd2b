"""IP402 out-of-bounds and IP403 use-after-free on hand-made traces."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from trace_builder import argument, called, layout_of, site, trace_of

from interprobe.analysis import analyse
from interprobe.findings import Finding, Severity
from interprobe.rules import ip402_out_of_bounds as ip402
from interprobe.rules import ip403_use_after_free as ip403
from interprobe.trace import Native, Trace, Violation

SAMPLES = np.zeros(100)
CALL = called(
    "lib.total(x.ctypes.data_as(DP), n)", [argument(0, "POINTER(c_double)", SAMPLES)], line=20
)
KEEPER = called("lib.remember(x)", [argument(0, None, SAMPLES)], function="remember", line=15)
KERNEL = Native("/home/ada/lib/libfit.so", "total", "/home/ada/fit.c", 3)
MADE = site("np.zeros(100)", line=8)

PAST = Violation(
    process=0,
    kind="past-end",
    access="read",
    discovery="refused",
    count=1,
    distance=0,
    extent=0,
    nbytes=800,
    array=layout_of(SAMPLES),
    position=0,
    call=CALL,
    last_call=CALL,
    last_position=0,
    allocated=MADE,
    native=KERNEL,
    instruction=KERNEL,
)
FREED = msgspec.structs.replace(
    PAST,
    kind="after-free",
    access="write",
    distance=16,
    position=None,
    last_call=KEEPER,
    freed=site("x = None", line=16),
)


def _trace(*violations: Violation) -> Trace:
    return msgspec.structs.replace(trace_of(), violations=list(violations))


def _found(violation: Violation, **changes: Any) -> Finding:
    changed = msgspec.structs.replace(violation, **changes)
    (finding,) = [*ip402.check(_trace(changed)), *ip403.check(_trace(changed))]
    return finding


def test_a_read_right_behind_the_end_names_everything_that_is_known() -> None:
    finding = _found(PAST)
    assert (finding.rule, finding.severity, finding.subject) == ("IP402", Severity.ERROR, "total")
    assert finding.user_site.line == 20
    assert finding.cause == (
        "`total` read memory right behind the end of argument 1, `x` (float64 (100,), 800 bytes, "
        "made in line 8 of fit.py by `np.zeros(100)`). Element 100 would be there; the array has "
        "100, from 0 to 99. Without guard mode it gets whatever number lies there."
    )
    assert "`total` of libfit.so, fit.c:3" in finding.evidence
    assert "fit.c:3" in finding.fix.text
    assert "100 elements long" in finding.fix.text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"distance": 736}, "736 bytes past the end of argument 1"),
        ({"distance": 736}, "Element 192 would be there"),
        ({"access": "write"}, "wrote memory right behind the end"),
        ({"access": "write"}, "overwrites whatever lies there"),
        ({"kind": "before-start", "distance": 8}, "8 bytes before the start of argument 1"),
        ({"kind": "before-start", "distance": 8}, "Element -1 would be there"),
        ({"kind": "before-start", "distance": 12}, "Element -2 would be there"),
        ({"position": None}, "an array that is no argument"),
        ({"array": None}, "an array of 800 bytes"),
        ({"array": layout_of(np.zeros((10, 10)))}, "float64 (10, 10), 800 bytes"),
        ({"array": layout_of(np.zeros(50))}, "float64 (50,) in a block of 800 bytes"),
    ],
)
def test_the_numbers_are_in_the_cause(changes: dict[str, Any], words: str) -> None:
    assert words in _found(PAST, **changes).cause


def test_an_element_is_only_named_where_the_array_is_one_row() -> None:
    for array in (np.zeros((10, 10)), np.zeros(50), np.zeros(200)[::2]):
        assert "Element" not in _found(PAST, array=layout_of(array)).cause


def test_overwritten_bytes_are_counted() -> None:
    finding = _found(
        PAST, discovery="after-call", access="write", kind="before-start", distance=16, extent=16,
        count=7, native=None, instruction=None,
    )  # fmt: skip
    assert "`total` overwrote 16 bytes before the start of argument 1, `x`" in finding.cause
    assert finding.evidence.startswith("found 7 times: 16 bytes changed")
    assert "--guard-start" in finding.fix.text


@pytest.mark.parametrize(
    ("discovery", "words"),
    [
        ("before-call", "when the next call was given it"),
        ("when-freed", "when it was freed"),
        ("at-the-end", "when the recording ended"),
    ],
)
def test_nobody_is_blamed_for_what_was_not_seen_to_happen(discovery: str, words: str) -> None:
    finding = _found(
        PAST, discovery=discovery, access="write", extent=4, call=None, position=None, native=None,
        instruction=None, last_call=KEEPER,
    )  # fmt: skip
    assert words in finding.cause
    assert "who did it was not seen" in finding.cause
    assert "last given to `remember` of libfit.so as argument 1, in line 15" in finding.cause
    assert finding.user_site == KEEPER.user_site


def test_a_stale_pointer_names_who_was_given_the_array() -> None:
    finding = _found(FREED)
    assert (finding.rule, finding.severity, finding.subject) == ("IP403", Severity.ERROR, "total")
    assert "wrote to the data of an array that is gone, 16 bytes into it" in finding.cause
    assert "freed in line 16 of fit.py" in finding.cause
    assert "No argument of `total` leads there" in finding.cause
    assert "last given to `remember` of libfit.so as argument 1, in line 15" in finding.cause
    assert finding.fix.code == "kept_for_c = x  # until C has let go of it"


def test_the_address_of_a_freed_array_is_an_argument() -> None:
    finding = _found(FREED, position=0, access="read")
    assert "The address that it had is argument 1, `x`." in finding.cause
    assert "remember" not in finding.cause


def test_without_a_call_the_line_that_ran_is_shown() -> None:
    line = site("view.sum()", line=30)
    sum_loop = Native("/numpy/_multiarray_umath.so", "DOUBLE_pairwise_sum")
    finding = _found(
        PAST, call=None, position=None, last_call=None, running=line, native=sum_loop,
        instruction=sum_loop,
    )  # fmt: skip
    assert finding.user_site == line
    assert finding.subject == "DOUBLE_pairwise_sum"
    assert "shape and the strides" in finding.fix.text


def test_what_cython_has_named_is_shown_by_its_line() -> None:
    wrapper = Native("/home/ada/kernels.so", "__pyx_pw_7kernels_1total", "kernels.pyx", 12)
    finding = _found(PAST, native=wrapper, instruction=wrapper)
    assert "__pyx" not in finding.cause + finding.evidence
    assert "kernels.so, kernels.pyx:12" in finding.evidence


def test_memcpy_is_shown_behind_the_function_that_called_it() -> None:
    finding = _found(PAST, instruction=Native("/lib/libc.so.6", "memcpy"))
    assert "fit.c:3, in `memcpy` of libc.so.6, which that called" in finding.evidence


def test_each_violation_is_a_finding_of_its_own() -> None:
    findings = analyse(_trace(PAST, FREED)).findings
    assert sorted(finding.rule for finding in findings) == ["IP402", "IP403"]
    records = [record for finding in findings for record in finding.records]
    assert sorted((record.list, record.index) for record in records) == [
        ("violations", 0),
        ("violations", 1),
    ]
