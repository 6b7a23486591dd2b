"""lightgbm and xgboost, which reach their libraries through ctypes, given awkward arrays."""

import lightgbm
import numpy as np
import xgboost
from known_arrays import case, describe, output, show, source

describe(lightgbm.Dataset.construct, xgboost.DMatrix.num_row, lightgbm.basic._LIB.LGBM_GetLastError)

labels = np.arange(1009, dtype="f4") % 2
quiet = {"verbose": -1, "num_threads": 1, "min_data_in_bin": 1, "objective": "binary"}


class Dataset(lightgbm.Dataset):
    """One whose construction is written in one short line."""

    def __init__(self, rows):
        super().__init__(rows, label=labels, params=quiet)


rows = source((1009, 101), "f4")
show(Dataset(rows).construct().num_data())  # CASE dataset-control
rows = source((103, 1009), "f4")
show(Dataset(rows.T).construct().num_data())  # CASE dataset-order-control
rows = source((1009, 107), "i4")
show(Dataset(rows).construct().num_data())  # CASE dataset-dtype
rows = source((2018, 109))
case(1009 * 109)
show(Dataset(rows[::2]).construct().num_data())  # CASE dataset-strided
rows = source((1009, 113), ">f8")
show(Dataset(rows).construct().num_data())  # CASE dataset-swapped

few = np.arange(1009 * 3, dtype="f4").reshape(1009, 3) % 17
booster = lightgbm.train(quiet, Dataset(few).construct(), 3)
points = source((30_011, 3), "f4")
show(output(booster.predict(points)))  # CASE predict-control
points = source((3, 30_013))
show(output(booster.predict(points.T)))  # CASE predict-order-control
points = source((30_029, 3), "i8")
show(output(booster.predict(points)))  # CASE predict-dtype
points = source((30_047, 3)).tolist()
show(output(booster.predict(points)))  # CASE predict-list

rows = source((1009, 127), "f4")
show(xgboost.DMatrix(rows, nthread=1).num_row())  # CASE matrix-control
rows = source((131, 1009))
show(xgboost.DMatrix(rows.T, nthread=1).num_row())  # CASE matrix-order-control
rows = source((1009, 137), "f2") % 7
output(rows)
show(xgboost.DMatrix(rows, nthread=1).num_row())  # CASE matrix-half
rows = source((1009, 139), "u2")
show(xgboost.DMatrix(rows, nthread=1).num_row())  # CASE matrix-short-control
