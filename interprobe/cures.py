"""Fixes that several rules share: an array made as the callee wants it, or converted once."""

from __future__ import annotations

from interprobe.copy_groups import CopyGroup
from interprobe.demands import (
    conversion_code,
    creation_code,
    demand_of,
    demand_text,
    only_byte_order_differs,
    variable_order,
)
from interprobe.expressions import Operation
from interprobe.findings import Fix
from interprobe.wording import is_broadcast, listed, quoted, requester_text

FIELD_TEXT = (
    "Keep each field in an array of its own instead of one array of records: "
    "a field of a record always has gaps."
)
ORDER_NAMES = {"C": "C order", "F": "Fortran order"}


def made_to_fit(group: CopyGroup, text: str, code: str | None = None) -> Fix:
    """A fix at the place where the array is made, and at the loop if one buffer was copied again.

    Args:
        group: The copies.
        text: What to change where the array is made, as whole sentences.
        code: That change; by default an array made in the demanded layout.
    """
    code = creation_code(group) if code is None else code
    # Several arrays, such as a loop's own variable, cannot be converted once for all.
    if group.repeated == 0:
        return Fix(text=text, code=code)
    return Fix(
        text=f"{text} Where that is not possible, convert it once, before the loop.",
        code=f"{code}\n{conversion_code(group, 'or once, before the loop')}".strip(),
    )


def fix_for_several_causes(group: CopyGroup) -> Fix | None:
    """One fix that meets every requirement of a copy that had more than one unmet.

    Meeting just one of them would not save the copy, so every rule that speaks of it says the same.

    Returns:
        None where a single requirement was unmet, or where the array is broadcast: that is best
        passed as it was before.
    """
    demand = demand_of(group.lead)
    unmet = [demand.dtype is not None, demand.order is not None, demand.aligned]
    unmet.append({"dtype", "NOTSWAPPED"} <= set(group.lead.unmet))
    if sum(unmet) < 2 or is_broadcast(group.source):
        return None
    made_order = variable_order(group)
    array = group.array
    if array is not None and array.operation is Operation.FIELD and demand.order is not None:
        return made_to_fit(group, FIELD_TEXT)
    if array is None or array.base is None or made_order == "unknown" or demand.aligned:
        text = f"Give {requester_text(group.lead)} an array made from the start as it asks for: "
        return made_to_fit(group, f"{text}{demand_text(group.lead)}.")
    parts = []
    if demand.dtype is not None and not only_byte_order_differs(group.lead):
        parts.append(f"as {group.lead.result.dtype}")
    elif demand.dtype is not None:
        parts.append("in the machine's own byte order")
    if made_order is not None:
        parts.append(f"in {ORDER_NAMES[made_order]}")
    passed = "it" if array.text == array.base else quoted(array.text)
    text = f"Create {quoted(array.base)} {listed(parts)}: {passed} is then taken as it is."
    return made_to_fit(group, text)
