"""fpsample (Rust, bound with PyO3): its copies and crossings against a log of malloc."""

from wheel_checks import Called, Copied, WheelChecks


class TestRust(WheelChecks):
    program = "rust_wheels"
    modules = ("fpsample",)
    copies = {
        "dtype": [Copied(1, 10_009 * 3 * 4, "numpy.ascontiguousarray", "cast", ("dtype",))],
        "order": [Copied(1, 10_037 * 3 * 4, "numpy.asfortranarray", "strided", ("F_CONTIGUOUS",))],
    }
    calls = {
        "control": Called("PyO3", "_fps_npdu_sampling"),
        "dtype": Called("PyO3", "_fps_npdu_sampling"),
        "order-control": Called("PyO3", "_fps_sampling"),
    }
