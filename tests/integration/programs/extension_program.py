"""A user's program: calls functions of extension modules, and prints all that it can tell of them.

The modules are imported before NumPy, so that the recording begins after them; the registry holds
their functions as keys from before they are patched.
"""

import inspect
import os
import pickle
import sys
import traceback

sys.path.insert(0, os.environ["EXTENSIONS"])
KINDS = os.environ["KINDS"].split(",")
registry = {}

if "plain" in KINDS:
    import plain_calls

    registry |= {plain_calls.same: "same", plain_calls.Counter().nothing: "bound"}
    counter = plain_calls.Counter()
if "cython" in KINDS:
    import field_tools
if "pybind11" in KINDS:
    import vector_tools

    registry[vector_tools.sum] = "sum"
if "nanobind" in KINDS:
    import nano_tools
if "f2py" in KINDS:
    import filters
    from filters import total

    # A Fortran module in it; without a Fortran compiler its function is one of C.
    grids = getattr(filters, "grids", filters)
if "swig" in KINDS:
    import _areas
if "cffi" in KINDS:
    from _kernel_api import ffi, lib

import numpy as np  # noqa: E402

VALUES = np.arange(6.0)


def show(*facts):
    print(*facts, sep="\t")


def describe(function):
    try:
        signature = str(inspect.signature(function))
    except (ValueError, TypeError) as error:
        signature = type(error).__name__
    try:
        pickled = pickle.loads(pickle.dumps(function)) is function
    except Exception as error:
        pickled = type(error).__name__
    name = getattr(function, "__name__", None)
    qualified = getattr(function, "__qualname__", None)
    show("function", name, qualified, type(function).__name__, signature, pickled, function.__doc__)


def failing(function, *args):
    try:
        function(*args)
    except Exception:
        lines = traceback.format_exc().splitlines()
        show("failed", *lines)


def plain():
    for function in (plain_calls.same, plain_calls.nothing, plain_calls.Counter.fast_named):
        describe(function)
    for step in range(7):
        show(plain_calls.nothing(), plain_calls.same(step), plain_calls.alias(step))
    for step in range(5):
        show(plain_calls.packed(1, step), plain_calls.named(1), plain_calls.named(1, key=step))
        show(plain_calls.fast(1, step), plain_calls.fast_named(), plain_calls.fast_named(1, k=step))
    for _ in range(3):
        show(counter.nothing(), counter.fast_named(VALUES), counter.defined_in(1)[1])
        show(plain_calls.Counter.of_class(2), plain_calls.Counter.of_none(1, 2, 3))
    show(plain_calls.call_back(lambda: plain_calls.call_back(lambda: plain_calls.same(5))))
    show(plain_calls.same == plain_calls.alias, plain_calls.same != plain_calls.alias)
    show(plain_calls.same == plain_calls.same, plain_calls.same == plain_calls.fast)
    show(counter.nothing == counter.nothing, hash(plain_calls.same) == hash(plain_calls.alias))
    show(registry[plain_calls.same], plain_calls.same.__eq__(plain_calls.alias))
    failing(plain_calls.same)
    failing(plain_calls.call_back, lambda: 1 / 0)


def cython():
    for function in (field_tools.total, field_tools.unbound, field_tools.Field.scaled):
        describe(function)
    for step in range(4):
        show(field_tools.total(VALUES), field_tools.total(values=VALUES, scale=step))
        show(field_tools.unbound(VALUES), field_tools.Field(2.0).scaled(step))
        show(field_tools.Field.unit(), field_tools.outer(VALUES))
    failing(field_tools.fail, "broken")
    failing(field_tools.total, VALUES.astype("f4"))


def pybind11():
    describe(vector_tools.sum)
    describe(vector_tools.Box.scaled)
    for step in range(4):
        show(vector_tools.sum(VALUES), vector_tools.sum(VALUES.astype("f4"), scale=step))
        show(vector_tools.Box(2.0).scaled(step), vector_tools.Box.unit())
        show(vector_tools.part.twice(step), vector_tools.apply(lambda: vector_tools.part.twice(1)))
    show(registry[vector_tools.sum])
    failing(vector_tools.fail, "broken")
    failing(vector_tools.sum, "text")


def nanobind():
    describe(nano_tools.sum)
    describe(nano_tools.Box.scaled)
    for step in range(4):
        show(nano_tools.sum(VALUES), nano_tools.sum(VALUES, scale=step))
        show(nano_tools.Box(2.0).scaled(step))
    failing(nano_tools.fail, "broken")
    failing(nano_tools.sum, "text")


def f2py():
    describe(total)
    for _ in range(4):
        show(total(VALUES), total(VALUES.astype("f4")), grids.doubled(2.0))
    failing(total, "text")


def swig():
    describe(_areas.area)
    for step in range(4):
        show(_areas.area(2.0, step))
    failing(_areas.area, "text")


def cffi():
    whole = ffi.from_buffer("double[]", VALUES)
    for _ in range(4):
        show(lib.kernel_sum(whole, 6))
    late = lib.kernel_half
    show(late(3.0), late(5.0), late == lib.kernel_half, len({late, lib.kernel_half}))
    import cffi as package

    foreign = package.FFI()
    foreign.cdef("double fabs(double); double kernel_sum(double *, int);")
    libm = foreign.dlopen("libm.so.6")
    for step in range(3):
        show(libm.fabs(-step))
    show(foreign.typeof(libm.fabs), foreign.cast("double(*)(double)", libm.fabs)(-2.0))
    failing(lib.kernel_sum, "text", 6)
    failing(libm.fabs, "text")
    failing(foreign.new("int *"))


for kind in KINDS:
    globals()[kind]()
