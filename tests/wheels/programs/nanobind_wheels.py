"""soxr, bound with nanobind, given awkward arrays."""

import soxr
from known_arrays import case, describe, show, source
from soxr import soxr_ext

describe(soxr.resample, soxr_ext.libsoxr_version, soxr_ext.csoxr_oneshot_float32)
describe(soxr_ext.CSoxr.num_clips, soxr_ext.csoxr_split_ch_int16, soxr_ext.CSoxr)

x = source(100_003, "f4")
show(soxr.resample(x, 4, 1))  # CASE resample-control
x = source((100_019, 1))
show(soxr.resample(x, 4, 1))  # CASE double-control
x = source((2, 100_049), "f4")
show(soxr.resample(x.T, 4, 1))  # CASE order-control
x = source(200_086, "f4")
case(100_043)
show(soxr.resample(x[::2], 4, 1))  # CASE strided
x = source(100_069, "f4").tolist()
show(soxr.resample(x, 4, 1))  # CASE list
x = source((100_057, 2), "f4")
show(soxr_ext.csoxr_oneshot_float32(4, 1, x, 3))  # CASE one-shot-control
x = source((100_103, 2), "i2")
show(soxr_ext.csoxr_oneshot_float32(4, 1, x, 3))  # CASE one-shot-dtype
x = source((100_109, 2), "f4")
show(soxr_ext.csoxr_oneshot_float32(4, 1, x[::-1], 3))  # CASE one-shot-strided
x = source((2, 100_129), "f4")
show(soxr_ext.csoxr_oneshot_float32(4, 1, x.T, 3))  # CASE one-shot-order
for _ in range(5):
    soxr_ext.csoxr_oneshot_float32(4, 1, x.T, 3)  # CASE one-shot-loop
