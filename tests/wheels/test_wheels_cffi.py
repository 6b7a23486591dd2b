"""soundfile (cffi, ABI mode) and pyvips (API mode): copies against a log of malloc."""

from wheel_checks import Called, Copied, WheelChecks

CONTIGUOUS = "numpy.ascontiguousarray"


class TestCffi(WheelChecks):
    program = "cffi_wheels"
    modules = ("soundfile", "pyvips")
    copies = {
        "write-order": [Copied(1, 2 * 100_019 * 8, CONTIGUOUS, "strided", ("C_CONTIGUOUS",))],
        "write-strided": [Copied(1, 100_043 * 8, CONTIGUOUS, "strided", ("C_CONTIGUOUS",))],
        "write-list": [Copied(1, 100_057 * 8, "numpy.asarray", "sequence")],
        "image-order": [Copied(1, 347 * 313 * 4, "ndarray.tobytes", "strided")],
        "back-dtype": [Copied(1, 353 * 331 * 8, "ndarray.astype", "cast", ("dtype",))],
    }
    calls = {
        "write-control": Called("cffi", "sf_writef_float"),
        "write-order": Called("cffi", "sf_writef_double"),
        "write-int-control": Called("cffi", "sf_writef_int"),
        "read-control": Called("cffi", "sf_readf_double"),
        "image-control": Called("cffi", "vips_image_new_from_memory"),
        "back-dtype": Called("cffi", "vips_image_write_to_memory"),
    }
