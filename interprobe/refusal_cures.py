"""The code that makes a refused array what the callee takes."""

from __future__ import annotations

import keyword

from interprobe.expressions import Operation
from interprobe.findings import Fix
from interprobe.layout import Layout
from interprobe.refusals import resized
from interprobe.refused_arguments import RefusedArgument

_CTYPES_NAMES = {
    "float32": "c_float",
    "float64": "c_double",
    "longdouble": "c_longdouble",
    "float128": "c_longdouble",
    "bool": "c_bool",
    "complex64": "c_float",
    "complex128": "c_double",
}
_C_NAMES = {"float32": "float", "float64": "double", "int32": "int", "int64": "int64_t"}


def cure(binding: str, refused: RefusedArgument) -> Fix:
    """How to call the function so that it takes the array.

    Args:
        binding: Of the callee: ``ctypes``, ``Cython``, ...
        refused: The argument.
    """
    part, given = refused.part, refused.given
    if part.pointer:
        return _pointer(binding, refused)
    array, target = _names(refused)
    if part.any_type:
        code = f"{target} = np.ascontiguousarray({array}, dtype=np.float64)"
        return Fix(
            text="Give it an array of one of the element types that it was compiled for, "
            "contiguous and in the machine's byte order.",
            code="" if given.dtype == "float64" else code,
        )
    if part.exportable:
        return Fix(
            text="Pass the times as the integers that they are stored as.",
            code=f"{target} = {array}.view(np.int64)",
        )
    if part.number:
        return Fix(text="Pass the one element that is meant, or call the function for each.")
    if given.dtype.startswith("void") or (part.item_size is not None and _dtype(refused) is None):
        return Fix(
            text="Give the array the C structure's own layout: "
            "`np.dtype([...], align=True)` pads records as C does, a packed structure wants "
            "`align=False`, and each field needs its member's type."
        )
    if part.ndim is not None:
        return Fix(text=_axes_text(given, part.ndim), code=_axes_code(refused, part.ndim))
    if part.deeper:
        return Fix(text="Give the array the number of dimensions that the function takes.")
    if part.lengths is not None:
        return Fix(text="Pass an array of that shape; the function takes no other.")
    if part.writeable and part.dtype is None and part.form is None and not part.native:
        return _writeable(binding, array, target, given)
    text = "Convert it before the call, or make it so from the start."
    if part.writeable or _writes_back(binding, refused):
        text += " What the function writes is then in the converted array."
    return Fix(text=text, code=f"{target} = {conversion(refused, array)}")


def conversion(refused: RefusedArgument, array: str) -> str:
    """An expression that makes an array as it was asked for.

    Args:
        refused: The argument.
        array: The array's source text.
    """
    part, given = refused.part, refused.given
    dtype = _dtype(refused)
    cast = f", dtype={_numpy_code(dtype)}" if dtype is not None else ""
    if dtype is None and part.type_text is not None:
        cast = f", dtype={_identifier(part.type_text)}"
    if part.aligned and not cast:
        return f"{_operand(refused, array)}.copy()"
    if part.form == "F":
        return f"np.asfortranarray({array}{cast})"
    # An array in Fortran order may stay in it where no order was asked for.
    keeps = part.form is None and given.order == "F"
    return f"np.{'asarray' if keeps else 'ascontiguousarray'}({array}{cast})"


def _dtype(refused: RefusedArgument) -> str | None:
    """The element type that the array has to be given, where it is known."""
    part, given = refused.part, refused.given
    if part.dtype is None and part.item_size is not None:
        return resized(given.dtype, part.item_size)
    return part.dtype or (given.dtype if part.native else None)


def _names(refused: RefusedArgument) -> tuple[str, str]:
    """The array's source text, and the variable that its converted version is assigned to."""
    unnamed = f"array_{refused.position + 1}"
    if refused.array is None:
        return unnamed, unnamed
    named = refused.array.operation is Operation.NAMED
    return refused.array.text, refused.array.text if named else unnamed


def _operand(refused: RefusedArgument, text: str) -> str:
    """An array's text, in parentheses where an attribute of it would mean something else."""
    other = refused.array is not None and refused.array.operation is Operation.OTHER
    return f"({text})" if other else text


def _identifier(name: str) -> str:
    """A name that Python code can use, in place of one that only C can."""
    return name if name.isidentifier() and not keyword.iskeyword(name) else "wanted"


def _numpy_code(dtype: str) -> str:
    """A dtype as programs write it."""
    return {"bool": "np.bool_", "object": "object"}.get(dtype, f"np.{dtype}")


def _writes_back(binding: str, refused: RefusedArgument) -> bool:
    """Whether the callee may be meant to write into the very array: f2py's intent(inout)."""
    return binding == "f2py" and refused.part.form is not None


def _writeable(binding: str, array: str, target: str, given: Layout) -> Fix:
    order = ', order="F"' if given.order == "F" else ""
    const = (
        "If the function only reads, declare its parameter `const`, as in `const double[:]`, "
        "and read-only arrays are taken as they are. "
        if binding == "Cython"
        else ""
    )
    return Fix(
        text=f"{const}If it writes, give it a copy: what it writes is then in the copy.",
        code=f"{target} = np.array({array}{order})",
    )


def _axes_text(given: Layout, wanted: int) -> str:
    if len(given.shape) > wanted == 1 and sum(length != 1 for length in given.shape) > 1:
        return "Pass one row or column at a time, or all elements in a row."
    return "Give the array the number of dimensions that the function takes."


def _axes_code(refused: RefusedArgument, wanted: int) -> str:
    """The array with as many dimensions as were asked for."""
    array, target = _names(refused)
    operand, held = _operand(refused, array), len(refused.given.shape)
    if wanted == 1:
        return f"{target} = {operand}.ravel()  # all elements in a row"
    if held == 1 and wanted == 2:
        return f"{target} = {operand}.reshape(1, -1)  # one row; reshape(-1, 1) makes one column"
    if held < wanted:
        added = ", ".join(["np.newaxis"] * (wanted - held))
        return f"{target} = {operand}[{added}, ...]" if held else f"{target} = {operand}[{added}]"
    return f"{target} = {operand}[{', '.join(['0'] * (held - wanted))}]  # one part at a time"


def _pointer(binding: str, refused: RefusedArgument) -> Fix:
    """The pointer that was wanted, to an array of its type."""
    array, target = _names(refused)
    part, given = refused.part, refused.given
    if part.type_text == "ndarray":
        return Fix(text="Pass the array itself; the function gets its memory by its own means.")
    code = ""
    wanted = part.dtype or given.dtype
    if given.order != "C" or wanted != given.dtype or given.byteorder == ">":
        cast = f", dtype={_numpy_code(wanted)}" if part.dtype else ""
        code = f"{target} = np.ascontiguousarray({array}{cast})\n"
        array = target
    operand = array if code else _operand(refused, array)
    if binding == "cffi":
        kind = part.type_text or _C_NAMES.get(wanted, "char")
        return Fix(
            text="Pass the array's memory as a pointer of that type; it is not copied.",
            code=f'{code}pointer = ffi.from_buffer("{kind}[]", {array})',
        )
    if binding != "ctypes":
        return Fix(
            text="Have the wrapper take arrays, with the typemaps of NumPy's numpy.i, such as "
            "`%apply (double *IN_ARRAY1, int DIM1)`.",
            code=code.strip(),
        )
    if part.type_text in ("char", "wchar"):
        return Fix(
            text="Pass the array's memory as that pointer; `x.tobytes()` would pass a copy of it.",
            code=f"{code}pointer = {operand}.ctypes.data_as(ctypes.c_{part.type_text}_p)",
        )
    element = _CTYPES_NAMES.get(wanted)
    if element is None and wanted.startswith(("int", "uint")):
        element = f"c_{wanted}"
    pointed = f"ctypes.POINTER(ctypes.{element})" if element else "ctypes.c_void_p"
    return Fix(
        text="Pass a pointer to the array's memory, or better, declare the parameter with "
        f'`numpy.ctypeslib.ndpointer(dtype={_numpy_code(wanted)}, flags="C_CONTIGUOUS")` in '
        "`argtypes`: then arrays that fit are taken as they are, and others are refused.",
        code=f"{code}pointer = {operand}.ctypes.data_as({pointed})",
    )
