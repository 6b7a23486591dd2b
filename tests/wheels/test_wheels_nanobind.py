"""soxr (nanobind, stable ABI): its copies and crossings against a log of malloc."""

from wheel_checks import Called, Copied, WheelChecks

ASTYPE, ONE_SHOT = "ndarray.astype", Called("nanobind", "csoxr_oneshot_float32")
SPLIT = Called("nanobind", "csoxr_split_ch_float32")
STRIDED = ("strided", ("C_CONTIGUOUS",), "soxr_ext")


class TestNanobind(WheelChecks):
    program = "nanobind_wheels"
    modules = ("soxr",)
    copies = {
        "strided": [Copied(1, 100_043 * 4, ASTYPE, *STRIDED)],
        "list": [Copied(1, 100_069 * 4, "numpy.asarray", "sequence")],
        "one-shot-dtype": [Copied(1, 100_103 * 2 * 4, ASTYPE, "cast", ("dtype",), "soxr_ext")],
        "one-shot-strided": [Copied(1, 100_109 * 2 * 4, ASTYPE, *STRIDED)],
        "one-shot-order": [Copied(1, 100_129 * 2 * 4, ASTYPE, *STRIDED)],
        "one-shot-loop": [Copied(5, 5 * 100_129 * 2 * 4, ASTYPE, *STRIDED)],
    }
    calls = {
        "resample-control": SPLIT,
        "order-control": SPLIT,
        "double-control": Called("nanobind", "csoxr_split_ch_float64"),
        "strided": Called("nanobind", "csoxr_divide_proc_float32"),
        "one-shot-control": ONE_SHOT,
        "one-shot-loop": ONE_SHOT,
    }
