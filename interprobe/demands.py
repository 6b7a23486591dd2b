"""What a callee demands of an array, in words and as the code that meets it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from interprobe.copy_groups import CopyGroup
from interprobe.expressions import Operation, is_call
from interprobe.layout import Layout
from interprobe.trace import Copy
from interprobe.wording import byte_order_text, element_text, is_broadcast, shape_text

_NUMPY_SCALARS = re.compile(r"(float|complex|int|uint)\d+")
_TIMES = re.compile(r"(datetime|timedelta)64(\[\w+\])?")


@dataclass(frozen=True)
class Demand:
    """The requirements that forced a copy, as far as they concern the layout.

    Attributes:
        dtype: The demanded element type as code, ``np.float64``; None where the array has it.
        order: The demanded order, None where the array has it or none is demanded.
        aligned: Whether aligned elements are demanded of an array that has none.
    """

    dtype: str | None
    order: Literal["C", "F"] | None
    aligned: bool


def demand_of(copy: Copy) -> Demand:
    """The requirements that forced a copy, read from what was unmet and what was made."""
    retyped = "dtype" in copy.unmet or "NOTSWAPPED" in copy.unmet
    return Demand(
        dtype=dtype_code(copy.result) if retyped else None,
        order=demanded_order(copy),
        aligned="ALIGNED" in copy.unmet,
    )


def demanded_order(copy: Copy) -> Literal["C", "F"] | None:
    """The order that the callee demanded and the source did not have."""
    if "C_CONTIGUOUS" in copy.unmet:
        return "C"
    return "F" if "F_CONTIGUOUS" in copy.unmet else None


def only_byte_order_differs(copy: Copy) -> bool:
    """Whether source and result have one element type, stored in different byte orders."""
    source, result = copy.source, copy.result
    return (
        source is not None and source.dtype == result.dtype and source.byteorder != result.byteorder
    )


def dtype_code(layout: Layout) -> str:
    """The element type of an array as code, such as ``np.float64``.

    Returns:
        ``dtype``, a name for the reader to fill in, for types that no literal names (records).
    """
    if layout.dtype == "bool":
        return "np.bool_"
    if _NUMPY_SCALARS.fullmatch(layout.dtype):
        plain = f"np.{layout.dtype}"
        return f'np.dtype({plain}).newbyteorder(">")' if layout.byteorder == ">" else plain
    return f'"{layout.dtype}"' if _TIMES.fullmatch(layout.dtype) else "dtype"


def demand_text(copy: Copy) -> str:
    """What the callee asks for, in words: ``float64 in C order``, ``aligned elements``."""
    text = ""
    if "dtype" in copy.unmet and not only_byte_order_differs(copy):
        text = element_text(copy.result)
    elif "NOTSWAPPED" in copy.unmet or "dtype" in copy.unmet:
        text = f"{byte_order_text(copy.result.byteorder)} numbers"
    order = demanded_order(copy)
    if order is not None:
        name = "C order" if order == "C" else "Fortran order"
        if len(copy.result.shape) < 2:
            text = f"{text} side by side" if text else "elements side by side"
        else:
            text = f"{text} in {name}" if text else f"{name} without gaps"
    if "ALIGNED" in copy.unmet:
        text = f"{text}, aligned" if text else "aligned elements"
    return text


def converted_name(group: CopyGroup) -> str:
    """The variable that holds the array after :func:`conversion_code`."""
    return f"{_variable(group)}_converted"


def conversion_code(group: CopyGroup, comment: str) -> str:
    """An assignment that converts the array once, so that every later use takes it as it is.

    Args:
        group: The copies.
        comment: When to do it, ``once, before the loop``.
    """
    lead = group.lead
    name = converted_name(group)
    expression = lead.user_site.expression
    if group.array is None:
        shape = shape_text(group.source.shape)
        known_type = _NUMPY_SCALARS.fullmatch(group.source.dtype)
        kind = f"{group.source.dtype} one" if known_type else "one"
        which = f"array: the {kind} of shape {shape}"
        return f"{name} = {_conversion('array', demand_of(lead))}  # {comment}; {which}"
    by_native_code = lead.mechanism.startswith("PyArray_") or lead.site != lead.user_site
    if by_native_code or len(expression.splitlines()) != 1 or not is_call(expression):
        return f"{name} = {_conversion(group.array.text, demand_of(lead))}  # {comment}"
    return f"{name} = {expression}  # {comment}"


def creation_code(group: CopyGroup) -> str:
    """An assignment that makes the array as the callee wants it, so that nothing is converted.

    Returns:
        "" for a broadcast array whose small original the source text does not show: to make the
        array full from the start would cost what the copy costs.
    """
    dtype = dtype_code(group.lead.result)
    order = demanded_order(group.lead)
    made_order = variable_order(group)
    array = group.array
    if is_broadcast(group.source):
        is_shown = array is not None and array.operation is Operation.BROADCAST
        small = array.base if array is not None and is_shown else None
        return f"{small} = np.empty(shape, dtype={dtype})  # where {small} is made" if small else ""
    # Along a single axis there is no order to choose, but for a column's matrix.
    has_axes = len(group.source.shape) > 1
    if array is not None and array.base is not None and made_order != "unknown":
        needs_order = made_order is not None and (has_axes or array.operation is Operation.COLUMN)
        keyword = f', order="{made_order}"' if needs_order else ""
        comment = {
            Operation.NAMED: f"where {array.base} is made",
            Operation.TRANSPOSED: f"{array.text} is then in {order} order",
            Operation.COLUMN: "each of its columns is then contiguous",
        }.get(array.operation if order is not None else Operation.NAMED, "")
        return f"{array.base} = np.empty(shape, dtype={dtype}{keyword})  # {comment}"
    keyword = f', order="{order}"' if order is not None and has_axes else ""
    shape = shape_text(group.source.shape)
    replaced = array.text if array is not None else f"the one of shape {shape}"
    name = f"{_variable(group)}_part" if array is not None else "array"
    return f"{name} = np.empty(shape, dtype={dtype}{keyword})  # pass it in place of {replaced}"


def variable_order(group: CopyGroup) -> Literal["C", "F", "unknown"] | None:
    """The order in which the array's variable must be made for the demanded order to hold.

    Returns:
        None where any order will do; ``unknown`` where making the variable otherwise cannot meet
        the demand, or where there is no variable.
    """
    order = demanded_order(group.lead)
    array = group.array
    if array is None or array.base is None or array.operation is Operation.FIELD:
        return "unknown"
    if order is None or array.operation is Operation.NAMED:
        return order
    if array.operation is Operation.TRANSPOSED:
        # The transpose of a matrix in one order is a matrix in the other, at no cost; with more
        # axes that holds for their full reversal only.
        reverses = len(group.source.shape) == 2 or array.text.endswith((".T", ".transpose()"))
        return ("F" if order == "C" else "C") if reverses else "unknown"
    is_column = array.operation is Operation.COLUMN and len(group.source.shape) == 1
    return "F" if is_column else "unknown"


def _variable(group: CopyGroup) -> str:
    """A name for a new array, after the variable that the old one comes from."""
    base = group.array.base if group.array is not None else None
    return base.rpartition(".")[2] if base is not None else "array"


def _conversion(array: str, demand: Demand) -> str:
    """The call that makes an array meet a demand."""
    dtype = f", dtype={demand.dtype}" if demand.dtype is not None else ""
    if demand.aligned:
        flags = '["A"]' if demand.order is None else f'["{demand.order}", "A"]'
        return f"np.require({array}{dtype}, requirements={flags})"
    if demand.order is not None:
        function = "ascontiguousarray" if demand.order == "C" else "asfortranarray"
        return f"np.{function}({array}{dtype})"
    return f"np.asarray({array}{dtype})" if dtype else f"np.array({array})"
