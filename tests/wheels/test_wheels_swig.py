"""faiss and casadi (SWIG): their copies and crossings against a log of malloc."""

from wheel_checks import Called, Copied, WheelChecks

CONTIGUOUS, ADDED = "numpy.ascontiguousarray", Called("SWIG", "IndexFlatCodes_add")
SEARCHED, MADE = Called("SWIG", "IndexFlat_search"), Called("SWIG", "new_DM")


class TestSwig(WheelChecks):
    program = "swig_wheels"
    modules = ("casadi", "faiss")
    copies = {
        "add-dtype": [Copied(1, 10_009 * 16 * 4, CONTIGUOUS, "cast", ("dtype",))],
        "add-order": [Copied(1, 10_037 * 16 * 4, CONTIGUOUS, "strided", ("C_CONTIGUOUS",))],
        "add-strided": [Copied(1, 10_039 * 16 * 4, CONTIGUOUS, "strided", ("C_CONTIGUOUS",))],
        "add-swapped": [Copied(1, 10_061 * 16 * 4, CONTIGUOUS, "byteswap", ("NOTSWAPPED",))],
        "search-dtype": [Copied(1, 2011 * 16 * 4, CONTIGUOUS, "cast", ("dtype",))],
        # Once to find out whether it can be converted, and once more for good.
        "matrix-dtype": [Copied(2, 2 * 211 * 337 * 8, "ndarray.astype", "cast", ("dtype",))],
    }
    calls = {
        "add-control": ADDED,
        "add-order": ADDED,
        "search-control": SEARCHED,
        "search-dtype": SEARCHED,
        "matrix-control": MADE,
        "matrix-dtype": MADE,
    }
