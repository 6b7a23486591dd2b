"""contourpy, matplotlib, scipy.fft, samplerate (pybind11): copies against a log of malloc."""

from wheel_checks import Called, Copied, WheelChecks

FROM_ANY, RESAMPLED = "PyArray_FromAny", Called("pybind11", "resample")
COUNTED = Called("pybind11", "count_bboxes_overlapping_bbox")
LINES = Called("pybind11", "ContourGenerator.lines")


def grid(rows: int, columns: int) -> Copied:
    """What np.meshgrid copies for the coordinates."""
    return Copied(2, 2 * rows * columns * 8, "ndarray.copy", "broadcast")


class TestPybind11(WheelChecks):
    program = "pybind11_wheels"
    modules = ("contourpy", "matplotlib", "scipy", "samplerate")
    copies = {
        "contour-grid": [grid(211, 229)],
        "contour-dtype": [
            Copied(1, 211 * 223 * 8, "numpy.array", "cast", ("dtype",)),
            grid(211, 223),
        ],
        "contour-order": [
            Copied(1, 233 * 211 * 8, "numpy.array", "strided", ("C_CONTIGUOUS",)),
            grid(233, 211),
        ],
        "contour-swapped": [
            Copied(1, 211 * 227 * 8, "numpy.array", "byteswap", ("NOTSWAPPED",)),
            grid(211, 227),
        ],
        "fft-swapped": [Copied(1, 271 * 277 * 8, "numpy.array", "byteswap", ("NOTSWAPPED",))],
        "fft-dtype": [Copied(1, 281 * 283 * 8, "numpy.asarray", "cast", ("dtype",))],
        "resample-dtype": [Copied(1, 100_019 * 4, FROM_ANY, "cast", ("dtype",), "samplerate")],
        "resample-strided": [
            Copied(1, 100_043 * 4, FROM_ANY, "strided", ("C_CONTIGUOUS",), "samplerate")
        ],
        "resample-list": [Copied(1, 100_049 * 4, FROM_ANY, "sequence", (), "samplerate")],
        "resample-loop": [Copied(7, 7 * 100_057 * 4, FROM_ANY, "cast", ("dtype",), "samplerate")],
        "boxes-dtype": [Copied(1, 10_009 * 4 * 8, FROM_ANY, "cast", ("dtype",), "_path")],
        "affine-dtype": [Copied(1, 10_061 * 2 * 8, FROM_ANY, "cast", ("dtype",), "_path")],
        "affine-strided": [
            Copied(1, 10_067 * 2 * 8, FROM_ANY, "strided", ("C_CONTIGUOUS",), "_path")
        ],
        "image-order": [Copied(1, 337 * 347 * 4, FROM_ANY, "strided", ("C_CONTIGUOUS",), "_image")],
    }
    calls = {
        "contour-dtype": LINES,
        "contour-grid": LINES,
        "resample-control": RESAMPLED,
        "resample-list": RESAMPLED,
        "boxes-control": COUNTED,
        "boxes-order-control": COUNTED,
        "affine-dtype": Called("pybind11", "affine_transform"),
        "image-control": RESAMPLED,
    }
