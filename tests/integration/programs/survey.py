"""A user's script: wrong order and wrong dtype through ctypes, Cython and pybind11."""

import ctypes
import os
import sys

import numpy as np

folder = os.environ["EXTENSIONS"]
sys.path.insert(0, folder)

import grid_tools  # noqa: E402
import image_filter  # noqa: E402

DOUBLES = ctypes.POINTER(ctypes.c_double)
kernels = ctypes.CDLL(os.path.join(folder, "libsignal_kernels.so"))
kernels.signal_energy.argtypes = [DOUBLES, ctypes.c_size_t]
kernels.signal_energy.restype = ctypes.c_double


def energy(samples):
    ready = np.ascontiguousarray(samples, dtype=np.float64)  # COPY ctypes
    return kernels.signal_energy(ready.ctypes.data_as(DOUBLES), ready.size)


def main():
    random = np.random.default_rng(7)
    survey = np.asfortranarray(random.random((301, 401), dtype=np.float32))  # COPY order
    target = np.zeros((301, 401))
    results = []
    for step in range(1, 4):
        results.append(energy(survey[::step]))
    for _ in range(5):
        results.append(image_filter.brightness(survey))  # COPY pybind11
    results.append(image_filter.spread(survey))  # fits: no copy
    results.append(image_filter.spread(np.ones((103, 107))))  # COPY forcecast
    results.append(grid_tools.mean_of_rows(survey[:200]))  # COPY cython
    results.append(grid_tools.corner(survey[:, :251]))  # COPY c-api
    for _ in range(2):
        grid_tools.refill(target, survey)  # COPY into
    results.append(grid_tools.total_in_place(target.T))  # borrows: no copy
    results.append(grid_tools.mean_of_rows(target))  # fits: no copy
    np.copyto(target[:100], survey[:100])  # COPY copyto
    print(*(f"{value:.17g}" for value in results), sep="\n")


if __name__ == "__main__":
    main()
