"""Packages from PyPI, one or two of each kind of binding, given arrays that they convert."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.pitfalls import Pitfall, Sides


def _prepare_contourpy(built: Path) -> Sides:
    import contourpy

    y, x = np.mgrid[0:3:400j, 0:3:400j]
    singles = [each.astype("f4") for each in (x, y, np.sin(x * y))]
    doubles = [each.astype("f8") for each in singles]

    def bad() -> Any:
        return contourpy.contour_generator(*singles, name="serial").lines(2.0)

    def good() -> Any:
        return contourpy.contour_generator(*doubles, name="serial").lines(2.0)

    return Sides(bad, good)


def _prepare_samplerate(built: Path) -> Sides:
    import samplerate

    doubles = np.sin(np.arange(100_000.0))
    singles = doubles.astype("f4")

    def bad() -> Any:
        return float(samplerate.resample(doubles, 0.25, "linear").sum())

    def good() -> Any:
        return float(samplerate.resample(singles, 0.25, "linear").sum())

    return Sides(bad, good)


def _prepare_affine(built: Path) -> Sides:
    from matplotlib import _path
    from matplotlib.transforms import Affine2D

    matrix = Affine2D().rotate(0.5).get_matrix()
    singles = np.linspace(0.0, 1.0, 400_000, dtype="f4").reshape(-1, 2)
    doubles = singles.astype("f8")

    def bad() -> Any:
        return _path.affine_transform(singles, matrix)

    def good() -> Any:
        return _path.affine_transform(doubles, matrix)

    return Sides(bad, good)


def _prepare_boxes(built: Path) -> Sides:
    from matplotlib import _path

    corners = np.array([[0.2, 0.2], [0.5, 0.5]])
    numbers = np.arange(400_000, dtype="i4").reshape(-1, 2, 2) % 7
    doubles = numbers.astype("f8")

    def bad() -> Any:
        return _path.count_bboxes_overlapping_bbox(corners, numbers)

    def good() -> Any:
        return _path.count_bboxes_overlapping_bbox(corners, doubles)

    return Sides(bad, good)


def _prepare_fft(built: Path) -> Sides:
    import scipy.fft

    swapped = np.sin(np.arange(262_144.0)).astype(">f8").reshape(512, 512)
    native = swapped.astype("f8")

    def bad() -> Any:
        return scipy.fft.dct(swapped)

    def good() -> Any:
        return scipy.fft.dct(native)

    return Sides(bad, good)


def _prepare_soxr(built: Path) -> Sides:
    from soxr import soxr_ext

    numbers = (np.arange(200_000) % 999).astype("i2").reshape(-1, 2)
    singles = numbers.astype("f4")

    def bad() -> Any:
        return soxr_ext.csoxr_oneshot_float32(2, 1, numbers, 0)

    def good() -> Any:
        return soxr_ext.csoxr_oneshot_float32(2, 1, singles, 0)

    return Sides(bad, good)


def _prepare_gemv(built: Path) -> Sides:
    from scipy.linalg import blas

    c_order = np.linspace(0.0, 1.0, 490_000).reshape(700, 700)
    fortran = np.asfortranarray(c_order)
    vector = np.ones(700)

    def bad() -> Any:
        return blas.dgemv(1.0, c_order, vector)

    def good() -> Any:
        return blas.dgemv(1.0, fortran, vector)

    return Sides(bad, good)


def _prepare_gemm(built: Path) -> Sides:
    from scipy.linalg import blas

    c_order = np.linspace(0.0, 1.0, 250_000).reshape(500, 500)
    fortran = np.asfortranarray(c_order)
    narrow = np.asfortranarray(np.linspace(0.0, 1.0, 8_000).reshape(500, 16))

    def bad() -> Any:
        return blas.dgemm(1.0, c_order, narrow)

    def good() -> Any:
        return blas.dgemm(1.0, fortran, narrow)

    return Sides(bad, good)


def _prepare_solve(built: Path) -> Sides:
    from scipy.linalg import lapack

    c_order = np.linspace(0.0, 1.0, 90_000).reshape(300, 300) + 300.0 * np.eye(300)
    fortran = np.asfortranarray(c_order)
    right = np.ones(300)

    def bad() -> Any:
        return lapack.dgesv(c_order, right)[2]

    def good() -> Any:
        return lapack.dgesv(fortran, right)[2]

    return Sides(bad, good)


def _prepare_ndimage(built: Path) -> Sides:
    from scipy.ndimage import _nd_image

    swapped = np.linspace(0.0, 1.0, 250_000).reshape(500, 500).astype(">f8")
    native = swapped.astype("f8")
    result = np.empty((500, 500))

    def bad() -> Any:
        _nd_image.uniform_filter1d(swapped, 3, 1, result, 0, 0.0, 0)
        return result

    def good() -> Any:
        _nd_image.uniform_filter1d(native, 3, 1, result, 0, 0.0, 0)
        return result

    return Sides(bad, good)


def _prepare_wavelets(built: Path) -> Sides:
    import pywt
    from pywt._extensions import _dwt

    numbers = np.arange(300_000, dtype="i4") % 1000
    doubles = numbers.astype("f8")
    haar = pywt.Wavelet("haar")
    mode = pywt.Modes.symmetric

    def bad() -> Any:
        return _dwt.dwt_single(numbers.astype("f8"), haar, mode)

    def good() -> Any:
        return _dwt.dwt_single(doubles, haar, mode)

    return Sides(bad, good)


def _prepare_tree(built: Path) -> Sides:
    from sklearn.neighbors import KDTree

    points = np.linspace(0.0, 1.0, 30_000).reshape(-1, 3) ** 2
    fortran = np.asfortranarray(points)

    def bad() -> Any:
        return KDTree(fortran).get_n_calls()

    def good() -> Any:
        return KDTree(points).get_n_calls()

    return Sides(bad, good)


def _prepare_sound(built: Path) -> Sides:
    import io

    import soundfile

    swapped = np.sin(np.arange(200_000.0)).astype(">f4")
    native = swapped.astype("f4")

    def bad() -> Any:
        soundfile.write(io.BytesIO(), swapped.astype("f4"), 8000, format="WAV")

    def good() -> Any:
        soundfile.write(io.BytesIO(), native, 8000, format="WAV")

    return Sides(bad, good)


def _prepare_forest(built: Path) -> Sides:
    import lightgbm

    labels = np.arange(1000) % 2
    few = np.arange(20_000.0).reshape(1000, 20) % 17
    quiet = {"verbose": -1, "num_threads": 1, "objective": "binary"}
    booster = lightgbm.train(quiet, lightgbm.Dataset(few, label=labels, params=quiet), 1)
    numbers = np.arange(400_000, dtype="i4").reshape(-1, 20) % 17
    singles = numbers.astype("f4")

    def bad() -> Any:
        return booster.predict(numbers)

    def good() -> Any:
        return booster.predict(singles)

    return Sides(bad, good)


def _case(name: str, binding: str, what: str, prepare: Any, *needs: str) -> Pitfall:
    return Pitfall(name, binding, what, prepare, needs)


CASES = (
    _case("contourpy", "pybind11, contourpy", "float32 grid", _prepare_contourpy, "contourpy"),
    _case("samplerate", "pybind11, samplerate", "float64", _prepare_samplerate, "samplerate"),
    _case("matplotlib-affine", "pybind11, matplotlib", "float32", _prepare_affine, "matplotlib"),
    _case("matplotlib-boxes", "pybind11, matplotlib", "int32", _prepare_boxes, "matplotlib"),
    _case("scipy-fft", "pybind11, scipy.fft", "big-endian values", _prepare_fft, "scipy"),
    _case("soxr", "nanobind, soxr", "int16", _prepare_soxr, "soxr"),
    _case("blas-dgemv", "f2py, scipy.linalg", "C order", _prepare_gemv, "scipy"),
    _case("blas-dgemm", "f2py, scipy.linalg", "C order", _prepare_gemm, "scipy"),
    _case("lapack-dgesv", "f2py, scipy.linalg", "C order", _prepare_solve, "scipy"),
    _case("ndimage", "C API, scipy.ndimage", "big-endian values", _prepare_ndimage, "scipy"),
    _case("pywavelets", "Cython, PyWavelets", "int32", _prepare_wavelets, "pywt"),
    _case("kd-tree", "Cython, scikit-learn", "Fortran order", _prepare_tree, "sklearn"),
    _case("soundfile", "cffi, soundfile", "big-endian values", _prepare_sound, "soundfile"),
    _case("lightgbm", "ctypes, LightGBM", "int32", _prepare_forest, "lightgbm"),
)
