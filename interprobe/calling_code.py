"""Writes the code that calls native code once, or takes an address once, and not in a loop."""

from __future__ import annotations

import ast
import re

from interprobe.call_arguments import FOREIGN_BINDINGS
from interprobe.call_words import argument_text, with_argument
from interprobe.calling_costs import CallingCost
from interprobe.expressions import is_call, is_name, pointed_array
from interprobe.loop_text import names_in


def changes_in_loop(calls: CallingCost) -> bool:
    """Whether the text shows other arrays in each turn whose addresses a call takes."""
    if calls.loop is None:
        return False
    return any(names_in(array) & calls.loop.variables for array in _arrays(calls).values())


def addresses_once_code(calls: CallingCost) -> str:
    """The call with addresses taken before the loop; "" where the text does not show how."""
    loop = calls.loop
    expression = calls.call.user_site.expression
    if loop is not None and loop.address_statements:
        moved = "\n".join(loop.address_statements)
        return f"{moved}  # once, before the loop" if len(loop.address_statements) == 1 else moved
    arrays = _arrays(calls)
    if not is_call(expression) or not arrays:
        return ""
    lines = []
    changed: str | None = expression
    for position, array in arrays.items():
        text = argument_text(expression, position)
        if text is None or changed is None:
            return ""
        name = _name_for(array)
        if loop is not None and names_in(array) & loop.variables:
            row = _row_of(array)
            if row is None:
                return ""
            base, index = row
            name = _name_for(base)
            lines.append(f"{name}_address = {base}.ctypes.data  # once, before the loop")
            value = f"{name}_address + {index} * {base}.strides[0]"
            changed = with_argument(changed, position, value)
        elif text == array:  # ndpointer takes the array itself
            lines.append(f"{name}_address = {array}.ctypes.data  # once, before the loop")
            changed = with_argument(changed, position, f"{name}_address")
        else:
            lines.append(f"{name}_pointer = {text}  # once, before the loop")
            changed = with_argument(changed, position, f"{name}_pointer")
    if changed is None:
        return ""
    if any("_address" in line for line in lines):
        declared = ", ".join(_declared(calls, set(arrays)))
        function = expression.partition("(")[0].strip()
        lines.insert(0, f"{function}.argtypes = [{declared}]")
    return "\n".join([*dict.fromkeys(lines), changed])


def called_once_code(calls: CallingCost) -> str:
    """One call of a function that runs the loop itself, and that function in a comment."""
    name = _identifier(calls.call.function)
    if calls.call.binding in FOREIGN_BINDINGS:
        return (
            f"# in C: for (size_t i = 0; i < n; i++) out[i] = {name}(...);\n"
            f"{_owner(calls)}{name}_for_all(x.ctypes.data, out.ctypes.data, n)  # once, no loop"
        )
    return (
        f"# def {name}_for_all(const double[:, ::1] x, double[::1] out):\n"
        "#     for i in range(x.shape[0]):\n"
        f"#         out[i] = {name}(x[i])\n"
        f"{_owner(calls)}{name}_for_all(x, out)  # once, no loop"
    )


def whole_array_code(calls: CallingCost, item: str) -> str:
    """One call that is handed an array, in place of one for each of its items."""
    name = _identifier(calls.call.function)
    array = item if re.fullmatch(r"[\w.]+", item) else "x"
    made = f"out = np.empty(len({array}))\n"
    if calls.call.binding in FOREIGN_BINDINGS:
        return (
            f"{made}# in C: for (size_t i = 0; i < n; i++) out[i] = {name}(x[i]);\n"
            f"{_owner(calls)}{name}_for_all({array}.ctypes.data, out.ctypes.data, len({array}))"
        )
    return (
        f"{made}# def {name}_for_all(const double[::1] x, double[::1] out):\n"
        f"#     for i in range(x.shape[0]):\n#         out[i] = {name}(x[i])\n"
        f"{_owner(calls)}{name}_for_all({array}, out)"
    )


def _arrays(calls: CallingCost) -> dict[int, str]:
    """The arrays whose addresses the call's own text takes, by position."""
    expression = calls.call.user_site.expression
    found = {}
    for position, given in enumerate(calls.turn.given):
        array = pointed_array(expression, position)
        if array is not None:
            found[position] = array.text
        elif given == "numpy.ndarray":
            text = argument_text(expression, position)
            if text is not None:
                found[position] = text
    return found


def _row_of(array: str) -> tuple[str, str] | None:
    """``matrix[i]`` as ``("matrix", "i")``; None for other code."""
    try:
        node = ast.parse(array, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    if not isinstance(node, ast.Subscript) or not isinstance(node.slice, ast.Name):
        return None
    return ast.unparse(node.value), node.slice.id


def _declared(calls: CallingCost, addresses: set[int]) -> list[str]:
    names = {each.position: each.declared for each in calls.call.arguments}
    declared = []
    for position in range(len(calls.turn.given)):
        name = names.get(position) or ""
        simple = name if re.fullmatch(r"c_\w+", name) else None
        if position in addresses:
            declared.append("ctypes.c_void_p")
        else:
            declared.append(f"ctypes.{simple}" if simple else "ctypes.c_long")
    return declared


def _name_for(array: str) -> str:
    last = re.findall(r"[A-Za-z_]\w*", array)
    return last[-1] if last and re.fullmatch(r"[\w.]+", array) else "array"


def _identifier(function: str) -> str:
    name = function.rpartition(".")[2]
    return name if is_name(name) else "f"


def _owner(calls: CallingCost) -> str:
    """``lib.`` of ``lib.f(x)``."""
    callee = calls.call.user_site.expression.partition("(")[0].strip()
    head, dot, _ = callee.rpartition(".")
    return f"{head}." if dot and re.fullmatch(r"[\w.]+", head) else ""
