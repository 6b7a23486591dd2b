"""lightgbm and xgboost (ctypes): their copies and crossings against a log of malloc."""

from wheel_checks import Called, Copied, WheelChecks

ASARRAY, CREATED = "numpy.asarray", Called("ctypes", "LGBM_DatasetCreateFromMat")
PREDICTED = Called("ctypes", "LGBM_BoosterPredictForMat")
DENSE = Called("ctypes", "XGDMatrixCreateFromDense")


class TestCtypes(WheelChecks):
    program = "ctypes_wheels"
    modules = ("lightgbm", "xgboost")
    copies = {
        "dataset-dtype": [Copied(1, 1009 * 107 * 4, ASARRAY, "cast", ("dtype",))],
        "dataset-strided": [Copied(1, 1009 * 109 * 8, ASARRAY, "strided", ("C_CONTIGUOUS",))],
        "dataset-swapped": [
            Copied(1, 1009 * 113 * 4, ASARRAY, "cast+byteswap", ("dtype", "NOTSWAPPED"))
        ],
        "predict-dtype": [Copied(1, 30_029 * 3 * 4, ASARRAY, "cast", ("dtype",))],
        "predict-list": [Copied(1, 30_047 * 3 * 8, "numpy.array", "sequence")],
        "matrix-half": [Copied(1, 1009 * 137 * 4, "ndarray.astype", "cast", ("dtype",))],
    }
    calls = {
        "dataset-control": CREATED,
        "dataset-order-control": CREATED,
        "dataset-strided": CREATED,
        "predict-control": PREDICTED,
        "predict-order-control": PREDICTED,
        "predict-list": PREDICTED,
        "matrix-control": DENSE,
        "matrix-half": DENSE,
    }
