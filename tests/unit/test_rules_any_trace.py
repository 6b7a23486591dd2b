"""Whatever a trace holds, analyse answers, and its findings can be checked against it."""

from __future__ import annotations

import ast

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from interprobe import accesses
from interprobe.allocation_records import Allocation
from interprobe.analysis import analyse, rules
from interprobe.facts import Fact
from interprobe.findings import Saving, Severity, Site
from interprobe.layout import Layout
from interprobe.machine import Machine
from interprobe.replays import Replay
from interprobe.shares import WARNING_SHARE
from interprobe.trace import (
    Argument,
    Call,
    Copy,
    Memory,
    Meta,
    Native,
    Operation,
    Process,
    Temporary,
    Trace,
    Violation,
    load,
)
from interprobe.turns import Turn

COUNTS = st.integers(0, 2**48)
SECONDS = st.floats(0, 1e9)
NAMES = st.text(max_size=12)
EXPRESSIONS = st.one_of(
    NAMES,
    st.sampled_from(
        [
            "np.ascontiguousarray(a[:, ::2])",
            "np.asarray(field.T)",
            "np.array(x, dtype=float)",
            "x.astype(np.float64)",
            "np.require(p['x'], None, 'A')",
            "np.asarray(t[:, 3])",
            "np.asarray(np.broadcast_to(row, (3, 4)))",
            "np.copyto(out, x)",
            "ext.f(x)",
            "ext.f(x, y)",
            "ext.f(a if b else c)",
            "ext.f((a + b).T)",
            "ext.f(y := x)",
            "lib.f(x.ctypes.data_as(DP), (a + b).ctypes.data)",
            "y = np.asarray(\n    x)",
            "x[1:] += x[:-1]",
            "x[...] = x[::-1]",
            "np.array(values)",
            "np.array([a, b])",
            "-(a * b)",
            "np.add(a, b, where=c)",
        ]
    ),
)
DTYPES = st.one_of(
    NAMES,
    st.sampled_from(["float16", "float32", "float64", "float128", "complex64", "complex128"]),
    st.sampled_from(["int8", "int32", "int64", "uint8", "uint64", "bool", "object", "void96"]),
    st.sampled_from(["datetime64[ns]", "timedelta64", "str96", "bytes80"]),
)
DECLARED = st.one_of(
    st.none(),
    NAMES,
    st.builds(
        str.__mod__,
        st.sampled_from(["POINTER(%s)", "LP_%s", "%s_Array_4", "POINTER(POINTER(%s))", "%s"]),
        st.sampled_from(["c_double", "c_float", "c_int", "c_ubyte", "c_double_complex", "Vec"]),
    ),
    st.sampled_from(["ndpointer_<f8_2d", "ndpointer_any", "ndpointer(float64)"]),
)
PROTOTYPES = st.one_of(
    st.none(), NAMES, st.sampled_from(["float *", "double *", "const void *", "long int [3]"])
)
SITES = st.builds(
    Site,
    file=NAMES,
    line=st.integers(0, 3),
    column=st.one_of(st.none(), st.integers(0, 9)),
    expression=EXPRESSIONS,
    source=NAMES,
)
LAYOUTS = st.builds(
    Layout,
    dtype=DTYPES,
    byteorder=st.sampled_from(["<", ">", "|"]),
    shape=st.lists(st.integers(0, 9), max_size=4),
    strides=st.lists(st.integers(-64, 64), max_size=4),
    order=st.sampled_from(["C", "F", "strided"]),
    nbytes=COUNTS,
)
REQUIREMENTS = [
    "dtype",
    "C_CONTIGUOUS",
    "F_CONTIGUOUS",
    "ALIGNED",
    "NOTSWAPPED",
    "WRITEABLE",
    "OWNDATA",
    "ENSUREARRAY",
]
FACTORS = st.none() | st.floats(0, 1e6)
REPLAYS = st.lists(
    st.builds(
        Replay,
        change=st.sampled_from(
            ["conforming", "contiguous", "other-order", "padded", "aligned", "normal-numbers"]
        ),
        positions=st.lists(st.integers(0, 4), max_size=3),
        passes=st.integers(0, 20),
        as_is=SECONDS,
        changed=SECONDS,
        speedup=FACTORS,
        low=FACTORS,
        high=FACTORS,
        cache=st.sampled_from(["warm", "evicted", "either", None]),
        reason=st.none() | NAMES,
    ),
    max_size=2,
)
COPIES = st.builds(
    Copy,
    replays=REPLAYS,
    process=st.integers(0, 2),
    site=SITES,
    user_site=SITES,
    mechanism=st.one_of(
        st.text(min_size=1, max_size=12),
        st.sampled_from(["numpy.asarray", "numpy.array", "ndarray.astype", "PyArray_FromAny"]),
    ),
    kind=st.sampled_from(
        [
            "strided",
            "cast+broadcast",
            "byteswap",
            "duplicate",
            "unknown",
            "",
            "sequence",
            "overlap",
            "strided+overlap+writeback",
            "gather",
        ]
    ),
    native=st.one_of(st.none(), st.builds(Native, library=NAMES)),
    source=st.one_of(st.none(), LAYOUTS),
    result=LAYOUTS,
    unmet=st.lists(st.sampled_from(REQUIREMENTS), max_size=4),
    count=COUNTS,
    bytes=COUNTS,
    seconds=SECONDS,
    nbytes_min=COUNTS,
    nbytes_max=COUNTS,
    variants=st.just([]),
    repeated=st.one_of(st.integers(0, 3), COUNTS),
)
FACTS_OF_CALLS = st.builds(
    Fact,
    kind=st.one_of(
        NAMES,
        st.builds(
            "-".join,
            st.tuples(
                st.sampled_from(["length", "product", "triple"]),
                st.sampled_from(["equal", "equal-least", "over", "over-shared", "nbytes"]),
            ),
        ),
        st.sampled_from(["changed", "changed-read-only", "unchanged", "overlap", "same-memory"]),
        st.sampled_from(["cut", "large-integer", "length-past-array"]),
        st.sampled_from(
            ["gil-held", "gil-turns", "gil-free", "threads-queued", "threads-ran", "subnormal"]
        ),
    ),
    position=st.one_of(st.none(), st.integers(-1, 4)),
    other=st.one_of(st.none(), st.integers(-1, 4)),
    value=st.integers(-(2**63), 2**63 - 1),
    limit=st.one_of(st.sampled_from([0, 1, 8, 32, 64]), st.integers(-(2**63), 2**63 - 1)),
    text=st.one_of(
        st.none(), NAMES, st.sampled_from(["signed", "unsigned", "address", "ran=1;waited=9"])
    ),
)
TURNS = st.builds(
    Turn,
    samples=st.integers(0, 100),
    call=SECONDS,
    between=st.one_of(st.none(), SECONDS),
    addresses=st.one_of(st.none(), SECONDS),
    given=st.lists(st.sampled_from(["int", "numpy.float64", "numpy.ndarray", ""]), max_size=3),
    empty=st.one_of(st.none(), SECONDS),
    bare=st.one_of(st.none(), SECONDS),
    loop=st.builds(
        str.format,
        st.sampled_from(["", "for x in y:\n    {}", "[{} for i in y]", "while a:\n    {}"]),
        EXPRESSIONS,
    ),
)
CALLS = st.builds(
    Call,
    turn=st.one_of(st.none(), TURNS),
    replays=REPLAYS,
    facts=st.lists(FACTS_OF_CALLS, max_size=4),
    process=st.integers(0, 2),
    site=SITES,
    user_site=SITES,
    library=NAMES,
    function=st.text(min_size=1, max_size=12),
    seconds=SECONDS,
    seconds_self=SECONDS,
    seconds_min=SECONDS,
    seconds_max=SECONDS,
    bytes_borrowed=COUNTS,
    bytes_copied=COUNTS,
    page_faults=COUNTS,
    faulting=COUNTS,
    arguments=st.lists(
        st.builds(
            Argument,
            position=st.integers(0, 4),
            owner_site=st.none(),
            name=st.one_of(st.none(), NAMES),
            declared=DECLARED,
            true=PROTOTYPES,
            given=st.one_of(st.none(), LAYOUTS),
        ),
        max_size=3,
    ),
    count=COUNTS,
)
TEMPORARIES = st.builds(
    lambda one, other, inside: msgspec.structs.replace(
        one, user_site=other if inside else one.site
    ),
    st.builds(
        Temporary,
        process=st.integers(0, 2),
        site=SITES,
        user_site=SITES,
        mechanism=st.one_of(
            st.text(min_size=1, max_size=12), st.sampled_from(["numpy.add", "numpy.negative"])
        ),
        result=LAYOUTS,
        count=COUNTS,
        bytes=COUNTS,
        seconds=SECONDS,
    ),
    SITES,
    st.booleans(),
)
ALLOCATIONS = st.builds(
    lambda one, other, inside: msgspec.structs.replace(
        one, user_site=other if inside else one.site
    ),
    st.builds(
        Allocation,
        process=st.integers(0, 2),
        site=SITES,
        user_site=SITES,
        count=COUNTS,
        bytes=COUNTS,
        nbytes=COUNTS,
        ended=COUNTS,
        live_most=st.one_of(st.integers(0, 3), COUNTS),
        touched_bytes=COUNTS,
        touched_seconds=st.one_of(st.none(), SECONDS),
        kept_nbytes=st.one_of(st.just(0), COUNTS),
        peak_bytes=COUNTS,
        passing_bytes=st.one_of(st.just(0), COUNTS),
    ),
    SITES,
    st.booleans(),
)
MEMORIES = st.builds(
    Memory,
    numpy_peak_bytes=COUNTS,
    numpy_peak_site=st.one_of(st.none(), SITES),
    rss_peak_bytes=st.one_of(st.just(0), COUNTS),
    machine_bytes=st.one_of(st.none(), st.just(0), COUNTS),
    page_fault_seconds=st.one_of(st.none(), SECONDS),
    held_before_bytes=st.one_of(st.just(0), COUNTS),
    timeline=st.just([]),
    rss_sampled_peak_bytes=st.none(),
    rss_sampled_peak_site=st.none(),
)
VIOLATIONS = st.builds(
    Violation,
    process=st.integers(0, 2),
    count=COUNTS,
    distance=COUNTS,
    extent=st.one_of(st.just(0), COUNTS),
    nbytes=st.one_of(st.integers(0, 99), COUNTS),
    array=st.one_of(st.none(), LAYOUTS),
    position=st.one_of(st.none(), st.integers(0, 4)),
    call=st.one_of(st.none(), CALLS),
    last_call=st.one_of(st.none(), CALLS),
    last_position=st.one_of(st.none(), st.integers(0, 4)),
    allocated=st.one_of(st.none(), SITES),
    freed=st.one_of(st.none(), SITES),
    running=st.one_of(st.none(), SITES),
    native=st.one_of(st.none(), st.builds(Native, library=NAMES)),
    instruction=st.one_of(st.none(), st.builds(Native, library=NAMES)),
)
REPLAYS = st.builds(
    Replay,
    change=st.one_of(NAMES, st.sampled_from(["same-order", "conforming"])),
    positions=st.lists(st.integers(0, 4), max_size=2),
    passes=st.integers(0, 9),
    speedup=st.one_of(st.none(), st.floats(0, 100)),
    low=st.one_of(st.none(), st.floats(0, 100)),
    high=st.one_of(st.none(), st.floats(0, 100)),
)
OPERATIONS = st.builds(
    Operation,
    process=st.integers(0, 2),
    site=SITES,
    user_site=SITES,
    operation=st.one_of(NAMES, st.sampled_from(["numpy.add", "numpy.add.reduce"])),
    operands=st.lists(LAYOUTS, max_size=3),
    positions=st.lists(st.integers(-1, 4), max_size=4),
    count=COUNTS,
    bytes=COUNTS,
    seconds=SECONDS,
    facts=st.just([]),
    replays=st.lists(REPLAYS, max_size=2),
)
MACHINES = st.builds(
    Machine,
    caches=st.lists(COUNTS, max_size=3),
    bandwidth_read=st.one_of(st.none(), st.floats(0, 1e12)),
    bandwidth_copy=st.one_of(st.none(), st.floats(0, 1e12)),
)
PROCESSES = st.builds(
    Process,
    id=st.integers(0, 2),
    pid=COUNTS,
    parent=st.none(),
    started=SECONDS,
    seconds=SECONDS,
    exit_status=st.none(),
    memory=st.one_of(st.just(Memory()), MEMORIES),
)
TRACES = st.builds(
    Trace,
    meta=st.builds(
        Meta, started=SECONDS, seconds=SECONDS, exit_status=st.none(), blind_spots=st.just([])
    ),
    processes=st.lists(PROCESSES, max_size=2),
    copies=st.lists(COPIES, max_size=5),
    calls=st.lists(CALLS, max_size=4),
    borrows=st.just([]),
    memory=st.just(Memory()),
    findings=st.just([]),
    lines=st.just([]),
    temporaries=st.lists(TEMPORARIES, max_size=4),
    violations=st.lists(VIOLATIONS, max_size=3),
    operations=st.lists(OPERATIONS, max_size=3),
    machine=st.one_of(st.none(), MACHINES),
    allocations=st.lists(ALLOCATIONS, max_size=4),
    schema=st.just("interprobe.trace/1"),
)


@settings(max_examples=400, deadline=None)
@given(TRACES)
def test_findings_point_at_what_the_trace_holds(trace: Trace) -> None:
    analysed = analyse(trace)
    assert (analysed.copies, analysed.calls) == (trace.copies, trace.calls)
    codes = {rule.CODE: rule.NAME for rule in rules()}
    for finding in analysed.findings:
        assert codes[finding.rule] == finding.name
        assert finding.records
        for record in finding.records:
            place = getattr(trace, record.list)[record.index]
            if record.list in {
                "temporaries",
                "allocations",
            }:  # all of a line, each with columns of its own
                line = (place.user_site.file, place.user_site.line)
                assert line == (finding.user_site.file, finding.user_site.line)
            elif record.list == "violations":
                assert accesses.user_site(place) == finding.user_site
            else:
                assert place.user_site == finding.user_site
        for text in (finding.subject, finding.cause, finding.evidence, finding.fix.text):
            assert text
        ast.parse(finding.fix.code)


@settings(max_examples=100, deadline=None)
@given(TRACES)
def test_the_severity_is_the_one_that_the_share_and_the_code_tell(trace: Trace) -> None:
    findings = analyse(trace).findings
    for finding in findings:
        assert 0.0 <= finding.cost.share <= 1.0
        if finding.rule.startswith(("IP3", "IP4")):
            assert finding.cost.share == 0.0  # as severe as the evidence is, whatever it costs
        elif finding.rule == "IP602":  # about memory: what it costs is no time
            assert finding.cost.share == 0.0
        else:
            saving = finding.saving
            assert saving is not None
            costs = finding.cost.share >= WARNING_SHARE
            gains = saving.verdict != "not worth it" and (
                saving.method != "measured" or not saves_little(saving)
            )
            if finding.rule.startswith("IP2"):  # what copies nothing is suspected until measured
                confirmed = costs and gains and saving.method == "measured"
                assert finding.severity is Severity.NOTE or confirmed
            else:
                assert finding.severity is (Severity.WARNING if costs and gains else Severity.NOTE)
    errors = [finding.severity is Severity.ERROR for finding in findings]
    assert errors == sorted(errors, reverse=True)


def saves_little(saving: Saving) -> bool:
    if saving.seconds is None or saving.program_seconds is None:
        return False
    return saving.seconds < WARNING_SHARE * saving.program_seconds


@settings(max_examples=200, deadline=None)
@given(TRACES, st.booleans())
def test_what_a_fix_gains_agrees_with_itself(trace: Trace, inside: bool) -> None:
    # Calls at the places of the copies, so that some of these are theirs.
    calls = [
        msgspec.structs.replace(call, site=copy.site, process=copy.process, bytes_copied=inside)
        for call, copy in zip(trace.calls, trace.copies, strict=False)
    ]
    for finding in analyse(msgspec.structs.replace(trace, calls=calls)).findings:
        saving = finding.saving
        if saving is None:
            continue
        known = saving.speedup is not None or saving.program_speedup is not None
        assert (saving.verdict is not None) == known
        if saving.method == "not measured":
            assert saving.reason
            assert not known
        elif saving.method == "estimated":
            assert saving.low is saving.high is saving.cache is None
            assert saving.reason
        if saving.seconds is not None and saving.program_speedup is not None:
            assert (saving.seconds > 0) >= (saving.program_speedup > 1)


@settings(max_examples=50, deadline=None)
@given(TRACES)
def test_an_analysed_trace_survives_saving(tmp_path_factory: object, trace: Trace) -> None:
    path = tmp_path_factory.mktemp("trace") / "trace.json"  # type: ignore[attr-defined]
    analysed = analyse(trace)
    analysed.save(path)
    assert load(path) == analysed
