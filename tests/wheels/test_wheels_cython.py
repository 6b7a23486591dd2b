"""scikit-learn, h5py, netCDF4 and their like (Cython): copies against a log of malloc."""

from wheel_checks import Called, Copied, WheelChecks

ASARRAY, ASTYPE = "numpy.asarray", "ndarray.astype"
QUERY, DESCENT = Called("Cython", "BinaryTree64.query"), Called("Cython", "enet_coordinate_descent")
WAVELET, TRANSFORM = Called("Cython", "dwt_single"), Called("Cython", "_Transformer._transform")
C_ORDER = ("strided", ("C_CONTIGUOUS",))


class TestCython(WheelChecks):
    program = "cython_wheels"
    modules = ("pywt", "skimage", "sklearn", "statsmodels")
    copies = {
        "check-list": [Copied(1, 1009 * 131 * 8, ASARRAY, "sequence")],
        "tree-dtype": [Copied(1, 1009 * 103 * 8, ASARRAY, "cast", ("dtype",))],
        "tree-order": [Copied(1, 1009 * 109 * 8, ASARRAY, *C_ORDER)],
        "tree-swapped": [Copied(1, 1009 * 137 * 8, ASARRAY, "byteswap", ("NOTSWAPPED",))],
        "means-dtype": [Copied(1, 1009 * 113 * 8, ASARRAY, "cast", ("dtype",))],
        "lasso-order": [Copied(1, 1009 * 139 * 4, ASARRAY, "strided", ("F_CONTIGUOUS",))],
        "wavelet-dtype": [Copied(1, 100_057 * 8, ASARRAY, "cast", ("dtype",))],
        "wavelet-strided": [Copied(1, 100_069 * 8, ASARRAY, *C_ORDER)],
        "contours-dtype": [Copied(1, 211 * 307 * 8, ASTYPE, "cast", ("dtype",))],
    }
    calls = {
        "tree-control": QUERY,
        "tree-order": QUERY,
        "lasso-control": DESCENT,
        "lasso-order": DESCENT,
        "wavelet-control": WAVELET,
        "wavelet-dtype": WAVELET,
    }


class TestCythonFiles(WheelChecks):
    program = "cython_files"
    modules = ("h5py", "netCDF4", "pyproj")
    copies = {
        "dataset-order": [Copied(1, 337 * 211 * 8, ASARRAY, *C_ORDER)],
        "dataset-strided": [Copied(1, 347 * 211 * 8, ASARRAY, *C_ORDER)],
        "dataset-list": [Copied(1, 100_003 * 8, ASARRAY, "sequence")],
        "variable-order": [Copied(1, 211 * 367 * 8, "ndarray.copy", "strided", (), "_netCDF4")],
        "variable-dtype": [Copied(1, 211 * 373 * 8, ASTYPE, "cast", ("dtype",), "_netCDF4")],
        "transform-asked-for": [Copied(2, 2 * 100_019 * 8, ASTYPE, "duplicate")],
        "transform-dtype": [Copied(2, 2 * 100_049 * 8, ASTYPE, "cast", ("dtype",))],
        "transform-strided": [Copied(2, 2 * 100_057 * 8, ASTYPE, *C_ORDER)],
    }
    calls = {
        "transform-asked-for": TRANSFORM,
        "transform-control": TRANSFORM,
        "transform-strided": TRANSFORM,
    }
