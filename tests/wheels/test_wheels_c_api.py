"""OpenCV, numexpr, bottleneck, astropy, shapely (C API): copies against a log of malloc."""

from wheel_checks import Called, Copied, WheelChecks

FROM_ANY, NEW_COPY = "PyArray_FromAny", "PyArray_NewCopy"
BLUR, SUM = Called("C API", "GaussianBlur"), Called("C API", "nansum")
WORLD, POINTS = Called("C API", "Wcsprm.p2s"), Called("ufunc", "points")


class TestCApi(WheelChecks):
    program = "c_api_wheels"
    modules = ("astropy", "bottleneck", "cv2", "numexpr", "scipy", "shapely")
    copies = {
        "blur-order": [Copied(1, 337 * 211 * 4, NEW_COPY, "strided", (), "cv2")],
        "blur-strided": [Copied(1, 347 * 211 * 4, NEW_COPY, "strided", (), "cv2")],
        "blur-flipped": [Copied(1, 353 * 211 * 4, NEW_COPY, "strided", (), "cv2")],
        "evaluate-list": [Copied(2, 2 * 100_057 * 8, "numpy.asarray", "sequence")],
        "sum-list": [Copied(1, 100_069 * 8, FROM_ANY, "sequence", (), "reduce")],
        "partition": [Copied(1, 100_109 * 8, NEW_COPY, "duplicate", (), "nonreduce_axis")],
        "world-dtype": [Copied(1, 50_023 * 2 * 8, FROM_ANY, "cast", ("dtype",), "_wcs")],
        "world-order": [Copied(1, 50_033 * 2 * 8, FROM_ANY, "strided", ("C_CONTIGUOUS",), "_wcs")],
        "points-dtype": [Copied(1, 10_009 * 2 * 8, "points", "cast", ("dtype",), "lib")],
        "error-overlap": [
            Copied(1, 100_150 * 8, "erf", "overlap+writeback", (), "_special_ufuncs")
        ],
    }
    calls = {
        "blur-control": BLUR,
        "blur-order": BLUR,
        "sum-control": SUM,
        "sum-order-control": SUM,
        "sum-list": SUM,
        "rank-control": Called("C API", "rankdata"),
        "partition": Called("C API", "partition"),
        "world-control": WORLD,
        "world-order": WORLD,
        "points-control": POINTS,
        "points-dtype": POINTS,
        "error-overlap": Called("ufunc", "erf"),
        "line-order-control": Called("ufunc", "linestrings"),
    }
