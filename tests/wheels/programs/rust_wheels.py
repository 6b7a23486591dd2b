"""fpsample, written in Rust and bound with PyO3, given awkward arrays."""

import fpsample
from fpsample import fpsample as extension
from known_arrays import describe, show, source

describe(fpsample.fps_sampling, extension._fps_sampling)
p = source((10_007, 3), "f4")
show(fpsample.fps_npdu_sampling(p, 8, 20, start_idx=0))  # CASE control
p = source((10_009, 3))
show(fpsample.fps_npdu_sampling(p, 8, 20, start_idx=0))  # CASE dtype
p = source((10_037, 3), "f4")
show(fpsample.fps_sampling(p, 8, start_idx=0))  # CASE order
p = source((3, 10_039), "f4")
show(fpsample.fps_sampling(p.T, 8, start_idx=0))  # CASE order-control
