"""Hand-made traces that the tests of the renderers draw: one of each kind of run."""

from __future__ import annotations

import msgspec
from report_builders import CD_FAST, COORDINATE_DESCENT, SCRIPT, call, copy, layout, site, trace

from interprobe.findings import Cost, Finding, Fix, RecordIndex, Saving, Severity
from interprobe.line_records import FunctionLines, LineTiming
from interprobe.machine import Machine
from interprobe.trace import (
    Argument,
    Borrow,
    Memory,
    Native,
    TimelineBin,
    Trace,
    Variant,
)

SUM_LINE = "        total += lib.dsum(weights.ctypes.data_as(DOUBLE_P), weights.size)"
SUM = site(48, SUM_LINE, "lib.dsum(weights.ctypes.data_as(DOUBLE_P), weights.size)")
TURN = site(
    31,
    "    design = np.ascontiguousarray(samples.T, dtype=np.float64)",
    "np.ascontiguousarray(samples.T, dtype=np.float64)",
)
LASSO = site(
    57, "    model = Lasso(alpha=0.1).fit(design, target)", "Lasso(alpha=0.1).fit(design, target)"
)
READ = site(
    22,
    "    energy = read_records(path)['energy'].astype('f8')  # µJ",
    "read_records(path)['energy'].astype('f8')",
)
KEEP = site(60, "    best = model.coef_.copy()", "model.coef_.copy()")
LIST = site(64, "    edges = np.array([0.0, 0.5, 1.0])", "np.array([0.0, 0.5, 1.0])")


def founding() -> Trace:
    """Errors, warnings and notes of several kinds, and copies that are no finding."""
    turned = copy(
        TURN,
        layout("float32", (200_000, 200), "F", item=4),
        layout("float64", (200_000, 200)),
        kind="cast+strided",
        unmet=["dtype", "C_CONTIGUOUS"],
        count=5,
        seconds=1.06,
    )
    centred = copy(
        LASSO,
        layout("float64", (200_000, 200)),
        layout("float64", (200_000, 200), "F"),
        mechanism="PyArray_FromAny",
        unmet=["F_CONTIGUOUS"],
        native=Native(CD_FAST, "enet_coordinate_descent"),
        at=site(
            1018,
            '            X, y, accept_sparse="csc", order="F", copy=self.copy_X and fit_intercept',
            file=COORDINATE_DESCENT,
        ),
        count=1,
        seconds=0.21,
        smallest=320_000_000,
    )
    swapped = copy(
        READ,
        layout("float64", (500_000,), byteorder=">", order="strided", strides=(24,), aligned=False),
        layout("float64", (500_000,)),
        mechanism="ndarray.astype",
        kind="byteswap+align+strided",
        unmet=["NOTSWAPPED", "ALIGNED"],
        count=12,
        seconds=0.0176,
        smallest=800_000,
        variants=[Variant([100_000], 11)],
    )
    kept = copy(
        KEEP,
        layout(shape=(200,)),
        layout(shape=(200,)),
        mechanism="ndarray.copy",
        kind="duplicate",
        explicit=True,
        count=40,
        seconds=36e-6,
    )
    listed = copy(
        LIST,
        None,
        layout(shape=(3,)),
        mechanism="numpy.array",
        kind="sequence",
        count=1,
        seconds=2.1e-6,
    )
    unknown = copy(
        site(70, "    grid = griddata(points, values, mesh)", "griddata(points, values, mesh)"),
        layout(shape=(50_000, 2), order="strided", strides=(8, 400_000 * 2)),
        layout(shape=(50_000, 2)),
        mechanism="numpy.dot",
        kind="unknown",
        seconds=0.0009,
        count=3,
    )
    calls = [
        call(
            SUM,
            arguments=[
                Argument(
                    0,
                    "values",
                    "POINTER(c_double)",
                    "const double *",
                    layout("float32", (4_000_000,), item=4),
                ),
                Argument(1, "count", "c_size_t", "size_t", None),
            ],
            count=1000,
            seconds=0.912,
            lent=16_000_000_000,
        ),
        call(
            LASSO,
            "enet_coordinate_descent",
            library=CD_FAST,
            seconds=0.74,
            lent=320_000_000,
            copied=320_000_000,
        ),
        call(
            site(52, "    lib.scale(buffer, 2.0)"),
            "scale",
            count=120_000,
            seconds=0.0132,
            lent=960_000,
        ),
    ]
    misread = Finding(
        "IP301",
        "dtype-reinterpreted",
        Severity.ERROR,
        SUM,
        SUM,
        "weights",
        "`dsum` reads 8-byte doubles from `weights`, which holds 4-byte floats. Each two floats "
        "are taken for one double, so the sum is a wrong number, and the last half of the reads "
        "runs past the end of the array.",
        "1,000 calls passed a float32 array where POINTER(c_double) is declared.",
        [RecordIndex("calls", 0)],
        Cost(0.0, 0, 0.0),
        Fix(
            "Hand over doubles, converted once, before the loop:",
            "weights = weights.astype(np.float64)",
        ),
    )
    order = Finding(
        "IP102",
        "order-mismatch",
        Severity.WARNING,
        TURN,
        TURN,
        "samples.T",
        "`samples.T` has its columns side by side in memory; ascontiguousarray must give rows side "
        "by side, so every element moves.",
        "5 copies, from Fortran order to C order.",
        [RecordIndex("copies", 0)],
        Cost(1.06, 1_600_000_000, 0.31),
        Fix(
            "Make `samples` in the order in which it is read:",
            'samples = np.empty((200, 200_000), order="F")',
        ),
        Saving(
            2.31, 1.9, 2.8, 0.6, "warm", "measured",
            program_seconds=3.42, program_speedup=1.213, verdict="worth it",
        ),
    )  # fmt: skip
    dtype = Finding(
        "IP103",
        "dtype-conversion",
        Severity.WARNING,
        TURN,
        TURN,
        "samples.T",
        "`samples` holds float32, and float64 was asked for: each element is converted.",
        "5 copies, float32 to float64.",
        [RecordIndex("copies", 0)],
        Cost(1.06, 1_600_000_000, 0.31),
        Fix(
            "Read the samples as float64 at once:", "samples = np.fromfile(path, dtype=np.float64)"
        ),
    )
    hidden = Finding(
        "IP102",
        "order-mismatch",
        Severity.NOTE,
        LASSO,
        centred.site,
        "design",
        "Coordinate descent walks along columns and wants each of them in one piece; `design` has "
        "rows in one piece.",
        "1 copy, from C order to Fortran order.",
        [RecordIndex("copies", 1)],
        Cost(0.21, 320_000_000, 0.061),
        Fix(
            "Give it Fortran order from the start:",
            "design = np.asfortranarray(samples.T, np.float64)",
        ),
        Saving(method="not measured", reason="the call needs the estimator's state"),
    )
    records = Finding(
        "IP104",
        "byte-order-conversion",
        Severity.NOTE,
        READ,
        READ,
        "read_records(path)['energy']",
        "The file's numbers are big-endian, this machine's are little-endian.",
        "12 copies reversed the bytes of each element.",
        [RecordIndex("copies", 2)],
        Cost(0.0176, 12 * 4_000_000, 0.005),
        Fix("Convert the whole file once, after reading it."),
        Saving(
            seconds=0.0176, method="estimated", reason="no call takes the copy directly",
            program_seconds=3.42, program_speedup=1.005, verdict="not worth it",
        ),
    )  # fmt: skip
    return trace(
        copies=[turned, centred, swapped, kept, listed, unknown],
        calls=calls,
        findings=[misread, order, dtype, hidden, records],
        blind_spots=[
            "Copies that an extension makes in its own loops pass no hook.",
            "pybind11 modules used before recording began keep NumPy's original functions.",
        ],
    )


def clean() -> Trace:
    """A run in which nothing is wrong."""
    return trace(
        copies=[
            copy(
                KEEP,
                layout(shape=(200,)),
                layout(shape=(200,)),
                mechanism="ndarray.copy",
                kind="duplicate",
                explicit=True,
                count=3,
                seconds=36e-6,
            )
        ],
        calls=[call(SUM, count=1204, seconds=0.3, lent=38_528_000_000)],
    )


def cut_short() -> Trace:
    """A run whose process was killed inside a native function."""
    return trace(
        complete=False,
        exit_status=-11,
        in_flight="dsum in libkernels.so",
        calls=[call(SUM, count=3, seconds=0.3, lent=96_000_000)],
    )


def empty() -> Trace:
    """A run that neither crossed nor copied."""
    return trace(memory=Memory(), seconds=0.0)


def lines_and_memory() -> Trace:
    """A run with profiled lines and followed memory."""
    texts = [
        "def fit(samples, target):",
        "    design = np.ascontiguousarray(samples.T, dtype=np.float64)",
        "    for step in range(200):",
        "        gradient = design @ (design.T @ weights - target)  # all of it, twice a step",
        "        weights -= 0.1 * gradient",
        "    return weights",
    ]
    hits = [0, 1, 201, 200, 200, 1]
    seconds = [0.0, 0.21, 41e-6, 2.87, 0.0091, 320e-9]
    copies = [0, 1, 0, 400, 0, 0]
    timings = [
        LineTiming(
            30 + index,
            hits[index],
            seconds[index],
            copies[index],
            copies[index] * 320_000_000,
            text,
        )
        for index, text in enumerate(texts)
    ]
    curve = [0, 160, 480, 480, 812, 640, 640, 640, 320, 320, 320, 20]
    memory = Memory(
        numpy_peak_bytes=812_000_000,
        rss_peak_bytes=1_020_000_000,
        allocations=12_034,
        allocated_bytes=5_600_000_000,
        timeline=[
            TimelineBin(index * 0.3, height * 1_000_000) for index, height in enumerate(curve)
        ],
        numpy_peak_site=TURN,
        rss_sampled_peak_bytes=1_001_000_000,
        rss_sampled_peak_site=site(33, texts[3], "design @ (design.T @ weights - target)"),
    )
    return trace(
        lines=[FunctionLines(SCRIPT, "fit", 30, timings)],
        memory=memory,
        calls=[call(SUM, count=1204, seconds=0.3, lent=38_528_000_000)],
    )


GAINS = [
    Saving(
        1.12, 1.06, 1.2, 4e-4, "evicted", "measured",
        program_seconds=7.1, program_speedup=1.0001, verdict="undecided",
    ),
    Saving(
        1.02, 0.97, 1.06, 1e-5, "either", "measured",
        reason="the other calls were not repeated: the program had several Python threads",
        program_seconds=3.42, program_speedup=1.0, verdict="not worth it",
    ),
    Saving(
        1.84, seconds=2.6e-4, method="estimated",
        reason="other threads were at work in native code",
        program_seconds=3.42, program_speedup=1.0001, verdict="worth it",
    ),
    Saving(reason="the call was not repeated"),
    Saving(
        142.0, 120.0, 1300.0, 2e-4, "warm", "measured",
        program_seconds=3.42, program_speedup=1.0001, verdict="worth it",
    ),
    Saving(
        seconds=1e-4, method="estimated", reason="no call takes the copy directly",
        program_seconds=3.42, program_speedup=1.00003, verdict="not worth it",
    ),
]  # fmt: skip


def crowded() -> Trace:
    """More notes, other copies and crossings than a report shows in full."""
    copies, findings, calls = [], [], []
    for number in range(30):
        place = site(
            100 + number,
            f"    part_{number} = np.asarray(table[:, {number}], order='C')",
            f"np.asarray(table[:, {number}], order='C')",
            function="split",
        )
        copies.append(
            copy(
                place,
                layout(shape=(9_000,), order="strided", strides=(240,)),
                layout(shape=(9_000,)),
                mechanism="numpy.asarray",
                seconds=1e-5 * (30 - number),
                unmet=["C_CONTIGUOUS"],
                explicit=number >= 10,
            )
        )
        calls.append(
            call(
                place,
                f"step_{number}",
                seconds=0.1 / (number + 1),
                count=10 ** min(number, 8),
                lent=72_000 * (number % 3),
            )
        )
        if number < 10:
            findings.append(
                Finding(
                    "IP101",
                    "non-contiguous-view",
                    Severity.NOTE,
                    place,
                    place,
                    f"table[:, {number}]",
                    f"Column {number} of `table` is scattered over its rows.",
                    "1 copy.",
                    [RecordIndex("copies", number)],
                    Cost(1e-5 * (30 - number), 72_000, 0.0001),
                    Fix("Store the columns as rows.", "table = np.ascontiguousarray(table.T)"),
                    GAINS[number % len(GAINS)],
                )
            )
    return trace(copies=copies, calls=calls, findings=findings)


def several_processes() -> Trace:
    """A run of a program, its forked workers and an interpreter that it started; with borrows."""
    extension = "/home/ada/fit/build/_fields.cpython-311-x86_64-linux-gnu.so"
    smooth = site(81, "    smooth(field)", "smooth(field)", function="work")
    copies = [
        copy(
            site(83, "    field[1:] += field[:-1]", "field[1:] += field[:-1]", function="work"),
            layout(shape=(250_000,)),
            layout(shape=(250_000,)),
            mechanism="numpy.add",
            kind="overlap+writeback",
            count=4,
        ),
        copy(
            site(84, "    parts = np.concatenate(rows)", "np.concatenate(rows)", function="work"),
            layout(shape=(1000,)),
            layout(shape=(1000,)),
            mechanism="numpy.concatenate",
            kind="gather",
            explicit=True,
            count=250,
        ),
        copy(
            site(85, "    field[...] = start", "field[...] = start", function="work"),
            layout(shape=(250_000,)),
            layout(shape=(250_000,)),
            mechanism="ndarray.__setitem__",
            kind="duplicate",
            explicit=True,
        ),
        copy(
            site(86, "    chosen = field[order]", "field[order]", function="work"),
            layout(shape=(250_000,)),
            layout(shape=(5_000,)),
            mechanism="ndarray.__getitem__",
            kind="gather",
            explicit=True,
        ),
        copy(
            site(87, "    filters.blur(field.T)", "filters.blur(field.T)", function="work"),
            layout(shape=(500, 500)),
            layout(shape=(500, 500), order="F"),
            mechanism="PyArray_ResolveWritebackIfCopy",
            kind="writeback",
        ),
    ]
    copies[0] = msgspec.structs.replace(copies[0], process=1)
    copies[1] = msgspec.structs.replace(copies[1], process=2)
    calls = [
        msgspec.structs.replace(
            call(smooth, "smooth", library=extension, count=4, seconds=1.2, lent=8_000_000),
            binding="pybind11",
            process=1,
            resident_growth=320_000_000,
        ),
        msgspec.structs.replace(
            call(smooth, "smooth", library=extension, count=4, seconds=1.1, lent=8_000_000),
            binding="pybind11",
            process=2,
        ),
        call(SUM, count=12, seconds=0.02, lent=1_000),
    ]
    borrows = [
        Borrow(1, smooth, smooth, f"{extension}:smooth", "C_CONTIGUOUS|WRITABLE|FORMAT",
               layout(shape=(500, 500)), 4, 8_000_000),
        Borrow(2, smooth, smooth, f"{extension}:smooth", "C_CONTIGUOUS|WRITABLE|FORMAT",
               layout(shape=(500, 500)), 4, 8_000_000),
        Borrow(0, SUM, SUM, "Python", "ndarray.ctypes", layout(), 12, 96_000),
        Borrow(0, KEEP, KEEP, "memoryview", "INDIRECT|FORMAT", layout(), 1, 8_000),
    ]  # fmt: skip
    run = trace(copies=copies, calls=calls, borrows=borrows)
    program = run.processes[0]
    inside = (
        "smooth of _fields.cpython-311-x86_64-linux-gnu.so (argument 1 float64 500x500 in C order),"
        " called at /home/ada/fit/fit.py:81"
    )
    worker = msgspec.structs.replace(program, id=1, pid=4712, parent=0, exit_status=None)
    killed = msgspec.structs.replace(
        worker, id=2, pid=4713, seconds=0.7, complete=False, in_flight=inside
    )
    started = msgspec.structs.replace(
        worker, id=3, pid=4720, parent=1, seconds=0.1, argv=["/home/ada/fit/plot.py", "--quiet"]
    )
    return msgspec.structs.replace(run, processes=[program, worker, killed, started])


def against_the_machine() -> Trace:
    """Calls from one that is as fast as memory down to one that is far from it."""
    scale = site(
        52, "    lib.dscale(field_p, 2.0, field.size)", "lib.dscale(field_p, 2.0, field.size)"
    )
    large = layout(shape=(4_000_000,))
    by_columns = layout(shape=(2000, 2000), order="F")
    small = layout(shape=(1000, 100))
    calls = [
        call(SUM, arguments=[Argument(0, None, "double *", None, large)], count=40, seconds=0.064,
             lent=40 * large.nbytes),
        call(SUM, arguments=[Argument(0, None, "double *", None, by_columns)], count=5,
             seconds=0.21, lent=5 * by_columns.nbytes),
        call(SUM, arguments=[Argument(0, None, "double *", None, small)], count=900, seconds=0.05,
             lent=900 * small.nbytes),
        call(scale, "dscale", arguments=[Argument(0, None, "double *", None, large, role="output")],
             count=3, seconds=0.012, lent=3 * large.nbytes),
    ]  # fmt: skip
    machine = Machine(
        caches=[32_768, 1_048_576, 25_165_824],
        line=64,
        cores=8,
        bandwidth_read=21.4e9,
        bandwidth_copy=24.8e9,
    )
    return msgspec.structs.replace(trace(calls=calls, seconds=0.4), machine=machine)


SAMPLES = {
    sample.__name__: sample
    for sample in (
        founding,
        clean,
        cut_short,
        empty,
        lines_and_memory,
        crowded,
        several_processes,
        against_the_machine,
    )
}
