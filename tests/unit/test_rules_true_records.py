"""IP310 where nothing but the callee's own prototype says which struct C expects."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from trace_builder import argument, called, trace_of

from interprobe.facts import Fact
from interprobe.findings import Finding
from interprobe.prototypes import CType, Member, Parameter, Prototype, StructLayout
from interprobe.rules import ip310_struct_padding as ip310
from interprobe.true_records import true_record

INT = CType("int", "int", 4)
DOUBLE = CType("float", "double", 8)
POINT = CType("struct", "struct point", 16)
SAMPLE = CType("struct", "struct sample", 40)
LAYOUTS = [
    StructLayout("struct point", 16, [Member("x", DOUBLE, 0), Member("y", DOUBLE, 8)]),
    StructLayout(
        "struct sample",
        40,
        [
            Member("id", INT, 0),
            Member("at", POINT, 8),
            Member("pair", CType("array", "int [2]", 8, INT, 2), 24),
            Member("next", CType("pointer", "struct sample *", 8, SAMPLE), 32),
        ],
    ),
]
TOTAL = Prototype(
    "total",
    DOUBLE,
    [Parameter("p", CType("pointer", "const struct sample *", 8, SAMPLE)), Parameter("n", INT)],
    structs=LAYOUTS,
)
SAME = "id@0:i4 x@8:f8 y@16:f8 a@24:i4*2 link@32:u8 =40"
PACKED = "id@0:i4 x@4:f8 y@12:f8 a@20:i4*2 link@28:u8 =36"


def _findings(array: str, prototype: Prototype | None = TOTAL) -> list[Finding]:
    size = int(array.rpartition("=")[2])
    true = "const struct sample *" if prototype is not None else None
    call = called(
        "lib.total(samples.ctypes.data, n)",
        [argument(0, "int", np.zeros(5, f"V{size}"), true), argument(1, "int", None)],
    )
    facts = [Fact("record-layouts", position=0, value=size, text=f"C:|A:{array}")]
    call = msgspec.structs.replace(call, facts=facts, prototype=prototype)
    return list(ip310.check(trace_of(call)))


def test_a_structure_is_read_to_its_last_member_through_those_inside_it() -> None:
    record = true_record(TOTAL, 0)
    assert record is not None
    assert [(each.name, each.offset, each.kind, each.size) for each in record.members] == [
        ("id", 0, "i", 4),
        ("at.x", 8, "f", 8),
        ("at.y", 16, "f", 8),
        ("pair[0]", 24, "i", 4),
        ("pair[1]", 28, "i", 4),
        ("next", 32, "p", 8),
    ]
    assert record.size == 40


@pytest.mark.parametrize("position", [1, 2])
def test_what_is_no_pointer_to_a_structure_has_no_record(position: int) -> None:
    assert true_record(TOTAL, position) is None


def test_a_structure_with_a_member_of_unknown_size_has_no_record() -> None:
    unknown = StructLayout("struct sample", 40, [Member("id", CType("unknown", "?"), 0)])
    assert true_record(msgspec.structs.replace(TOTAL, structs=[unknown]), 0) is None


def test_packed_records_at_a_bare_address_are_told_from_the_prototypes_struct() -> None:
    (finding,) = _findings(PACKED)
    assert "is `const struct sample *` by the function's own prototype" in finding.cause
    assert "C looks for at.x (float64) at offset 8" in finding.cause
    assert "it goes 20 bytes past the array's end" in finding.cause
    assert "align=True" in finding.fix.code


def test_records_that_lie_as_the_prototypes_struct_are_right_under_any_names() -> None:
    assert _findings(SAME) == []


def test_without_a_prototype_nothing_is_said_of_records_at_a_bare_address() -> None:
    assert _findings(PACKED, prototype=None) == []
