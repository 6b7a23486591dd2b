"""scipy.linalg (f2py): its copies and crossings against a log of malloc."""

import importlib.util
from importlib.metadata import version

from wheel_checks import Called, Copied, WheelChecks

# SciPy 1.18 was built with NumPy 2.5, whose f2py asks for an array; earlier ones fill their own.
SCIPY = version("scipy") if importlib.util.find_spec("scipy") else "0.0"
FILLED = tuple(map(int, SCIPY.split(".")[:2])) < (1, 18)
FROM_ARRAY = "PyArray_CopyInto" if FILLED else "PyArray_FromArray"
TURNED = ("strided", ("F_CONTIGUOUS",))
PRODUCT, DOT = Called("f2py", "dgemm"), Called("f2py", "ddot")


class TestF2py(WheelChecks):
    program = "f2py_wheels"
    modules = ("scipy",)
    copies = {
        "product-order": [Copied(2, (227 * 331 + 331 * 229) * 8, FROM_ARRAY, *TURNED, "_fblas")],
        "product-dtype": [Copied(1, 331 * 233 * 8, FROM_ARRAY, "cast", ("dtype",), "_fblas")],
        "product-swapped": [
            Copied(1, 331 * 241 * 8, FROM_ARRAY, "byteswap", ("NOTSWAPPED",), "_fblas")
        ],
        "product-written": [
            Copied(3, (213 * 217 + 211 * 213 + 217 * 211) * 8, FROM_ARRAY, *TURNED, "_fblas")
        ],
        "dot-strided": [Copied(2, 2 * 100_019 * 8, FROM_ARRAY, *TURNED, "_fblas")],
        "dot-list": [Copied(2, 2 * 100_043 * 8, "PyArray_FromAny", "sequence", (), "_fblas")],
        "dot-loop": [Copied(6, 6 * 100_049 * 8, FROM_ARRAY, "cast", ("dtype",), "_fblas")],
        "solve-order": [Copied(1, 257 * 257 * 8, FROM_ARRAY, *TURNED, "_flapack")],
        "solve-kept": [Copied(1, 269 * 269 * 8, FROM_ARRAY, "duplicate", ("OWNDATA",), "_flapack")],
        "factors-order": [Copied(1, 271 * 271 * 8, FROM_ARRAY, *TURNED, "_flapack")],
        "eigenvalues-order": [Copied(1, 277 * 277 * 8, FROM_ARRAY, *TURNED, "_flapack")],
    }
    calls = {
        "product-control": PRODUCT,
        "product-written": PRODUCT,
        "dot-control": DOT,
        "dot-list": DOT,
        "dot-loop": DOT,
        "solve-control": Called("f2py", "dgesv"),
        "factors-order": Called("f2py", "dgetrf"),
        "eigenvalues-order": Called("f2py", "dsyevr"),
    }
