"""Rain over a month: smooths each day's radar map and adds up the gauges, in C through ctypes."""

import numpy as np

from interprobe.cdemo import DOUBLE_POINTER, kernels

random = np.random.default_rng(2024)
maps = random.random((30, 800, 600), dtype=np.float32)  # days, west to east, south to north
gauges = random.integers(0, 200, 100_000)  # ticks that each gauge has counted


def smooth(day):
    """Spread the rain of a day to the neighbouring cells; the result has north and south first."""
    field = np.ascontiguousarray(day.T, dtype=np.float64)
    result = np.empty_like(field)
    before = field.ctypes.data_as(DOUBLE_POINTER)
    after = result.ctypes.data_as(DOUBLE_POINTER)
    kernels.cdemo_stencil(before, after, *field.shape, 0.2)
    return result


wettest = max(smooth(day).max() for day in maps)
ticks = kernels.cdemo_sum(gauges.ctypes.data_as(DOUBLE_POINTER), gauges.size)
print(f"wettest cell: {wettest:.3f} mm; all gauges: {ticks:.0f} ticks")
