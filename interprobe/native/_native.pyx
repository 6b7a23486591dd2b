# cython: language_level=3, embedsignature=True
"""The one seam between Python and the native probe layer."""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.errno cimport EMFILE, ENOMEM, errno

import os

cdef extern from *:
    """
    #define INTERPROBE_IMPORTS_NUMPY
    #include "numpy_api.h"
    static int import_numpy(void) { import_array1(-1); return 0; }
    #define INTERPROBE_ABI 4
    """
    int import_numpy() except -1
    int INTERPROBE_ABI

cdef extern from "clock.h":
    void clock_select()

cdef extern from "frames.h":
    ctypedef struct position:
        unsigned int here
        unsigned int user
    int frames_initialise() except -1
    void frames_locate(position *out)

cdef extern from "places.h":
    ctypedef struct place:
        char *file
        char *function
        int line
        int column
        int end_line
        int end_column
    const place *places_get(unsigned int id)
    int ownership_set(const char *user, const char *library, const char *interprobe)
    int ownership_of(const char *file)

cdef extern from "origin.h":
    void origin_initialise(const void *numpy_core_address, const void *ctypes_address)

cdef extern from "wrappers.h":
    void wrappers_initialise()

cdef extern from "probe.h":
    ctypedef void (*slot_visitor)(const char *name, void *value, void *context) noexcept
    ctypedef struct probe:
        const char *name
        int (*install)() except -1
        void (*uninstall)() noexcept
        void (*visit_slots)(slot_visitor visit, void *context) noexcept
        bint installed
        probe *next
    probe *probes_registered

cdef extern from "extension_calls.h":
    int extension_calls_configure(const char *boundary, const char *no_boundary, const char *never)
    void extension_calls_scan()
    bint extension_calls_scan_statement(object name, object names)
    unsigned long long extension_calls_unwatched()

cdef extern from "call_history.h":
    void contents_look_fully(bint fully)

cdef extern from "clock.h":
    unsigned long long clock_hidden_nanoseconds

cdef extern from "replay_budget.h":
    void replay_budget_share(const char *path)

cdef extern from "replay_mode.h":
    void replay_choose_mode(int mode)

cdef extern from "replay_sandbox.h":
    bint replay_sandbox_exists()

cdef extern from "refusals.h":
    void refusals_note_unhandled(object exception)

cdef extern from "ledger.h":
    ctypedef struct ledger:
        pass
    ledger *ledger_new(const char *path)
    void ledger_delete(ledger *book)
    void ledger_resume(ledger *book)
    void ledger_pause(ledger *book)
    const void *ledger_snapshot(ledger *book, size_t *size)
    void ledger_describe(ledger *book, const char *json)
    void ledger_seal(ledger *book)
    int ledger_active

cdef extern from "bandwidth.h":
    ctypedef struct bandwidth:
        double read
        double copy
    int bandwidth_measure(unsigned long long bytes, unsigned long long nanoseconds,
                          bandwidth *out) nogil

cdef extern from "unowned_memory.h":
    void unowned_memory_conclude(ledger *book)

cdef extern from "empty_calls.h":
    size_t empty_calls_function()
    double empty_calls_clock()
    double empty_calls_time(object function, tuple arguments, int repeats, double *around) except? -1

cdef extern from "guard_mode.h":
    const char *guard_mode_begin(ledger *book, bint at_start)
    void guard_mode_end(ledger *book)

cdef extern from "guard_blocks.h":
    unsigned long long guard_blocks_most()

cdef extern from "numpy_api.h":
    void **PyArray_API

cdef extern from *:
    """
    static const void *type_address(PyObject *type)
    {
        return (const void *)((PyTypeObject *)type)->tp_new;
    }
    """
    const void *type_address(object type)

ABI_VERSION = INTERPROBE_ABI


cdef class Ledger:
    """What one recording has seen; written by the native hooks while it is resumed."""

    cdef ledger *book
    cdef readonly int pid

    def __cinit__(self, path=None):
        """Open a ledger.

        Args:
            path: A file to make, which outlives the process however it ends; None for memory alone.

        Raises:
            OSError: The file cannot be made.
            MemoryError: 64 ledgers are open already, or there is no room for another.
        """
        cdef bytes name = b"" if path is None else os.fsencode(path)
        self.book = ledger_new(NULL if path is None else <const char *>name)
        if self.book == NULL and errno in (EMFILE, ENOMEM):
            raise MemoryError("no room for another ledger: at most 64 recordings can be open at once")
        if self.book == NULL:
            raise OSError(errno, os.strerror(errno), path)
        self.pid = os.getpid()

    def __dealloc__(self):
        if self.book != NULL:
            ledger_delete(self.book)

    def resume(self):
        """Let hooks write into this ledger."""
        ledger_resume(self.book)

    def pause(self):
        """Stop hooks from writing into this ledger; what it holds stays."""
        ledger_pause(self.book)

    def describe(self, str text):
        """Keep what the recorder says of the run, as JSON, beside the records."""
        ledger_describe(self.book, text.encode())

    def seal(self):
        """Book what only the end of a recording tells, and mark it as ended in good order."""
        unowned_memory_conclude(self.book)
        ledger_seal(self.book)

    def begin_guard(self, bint at_start=False):
        """Guard new array data from now on, and keep in this ledger what is found.

        Args:
            at_start: Whether the closed page adjoins the data's start, and not their end.

        Returns:
            How many blocks can be guarded at one time.

        Raises:
            RuntimeError: It cannot be done here; nothing has changed.
        """
        cdef const char *failure = guard_mode_begin(self.book, at_start)
        if failure != NULL:
            raise RuntimeError((<bytes>failure).decode())
        return guard_blocks_most()

    def end_guard(self):
        """Guard no more; blocks that live stay valid. Does nothing where it is over already."""
        guard_mode_end(self.book)

    def snapshot(self):
        """The ledger's bytes as they are now, for :mod:`interprobe.ledger` to read."""
        cdef size_t size = 0
        cdef const void *region = ledger_snapshot(self.book, &size)
        return PyBytes_FromStringAndSize(<const char *>region, <Py_ssize_t>size)


cdef probe *find_probe(str name) except NULL:
    cdef bytes wanted = name.encode()
    cdef probe *each = probes_registered
    while each != NULL:
        if each.name == wanted:
            return each
        each = each.next
    raise LookupError(f"no native probe is called {name!r}")


def probe_names():
    """Names of all native probes, sorted."""
    names = []
    cdef probe *each = probes_registered
    while each != NULL:
        names.append((<bytes>each.name).decode())
        each = each.next
    return sorted(names)


def install(str name):
    """Put a probe's hooks in place; does nothing where they already are.

    Raises:
        LookupError: There is no probe of that name.
        RuntimeError: This NumPy or CPython does not allow it; nothing is left patched.
    """
    cdef probe *found = find_probe(name)
    if not found.installed:
        found.install()
        found.installed = True


def uninstall(str name):
    """Put back every pointer that a probe has changed; does nothing where none is."""
    cdef probe *found = find_probe(name)
    if found.installed:
        found.uninstall()
        found.installed = False


def installed():
    """Names of the probes whose hooks are in place, sorted."""
    return [name for name in probe_names() if find_probe(name).installed]


cdef void collect_slot(const char *name, void *value, void *context) noexcept:
    (<list>context).append(((<bytes>name).decode(), <size_t>value))


def patched_slots():
    """Each pointer that a probe may change, as (probe, slot, present value), for tests and doctor."""
    slots = []
    cdef probe *each = probes_registered
    while each != NULL:
        found = []
        each.visit_slots(collect_slot, <void *>found)
        slots.extend(((<bytes>each.name).decode(), slot, value) for slot, value in found)
        each = each.next
    return slots


def current_position():
    """What the hooks take for the caller's position: (file, function, line, column, end_line,
    end_column) of the innermost frame, and the same of the nearest frame of the user's, or None."""
    cdef position at
    frames_locate(&at)
    return describe_place(at.here), describe_place(at.user)


cdef object describe_place(unsigned int id):
    cdef const place *seen = places_get(id)
    if seen == NULL:
        return None
    return ((<bytes>seen.file).decode(), (<bytes>seen.function).decode(), seen.line, seen.column,
            seen.end_line, seen.end_column)


cdef bytes joined_list(list texts):
    return b"".join(os.fsencode(text) + b"\0" for text in texts if text) + b"\0"


def configure_extension_calls(list boundary, list no_boundary, list never):
    """Set which extension modules are watched.

    Args:
        boundary: Packages whose own extension modules are watched, whoever imports them.
        no_boundary: Packages that are left alone.
        never: Folders and files of shared objects that are not watched unless in ``boundary``.
    """
    if extension_calls_configure(joined_list(boundary), joined_list(no_boundary),
                                 joined_list(never)) < 0:
        raise MemoryError


def scan_extension_modules():
    """Watch the functions that the user's modules hold now."""
    extension_calls_scan()


def scan_import_statement(str name, tuple names=None):
    """Watch what an import statement names.

    Args:
        name: Of the module, absolute.
        names: What stands behind ``from name import``; None for ``import name``.

    Returns:
        Whether all of it is there; False while a module's own code is still running.
    """
    return extension_calls_scan_statement(name, names)


def import_settled(list statements):
    """A callable that looks at ``(name, names)`` statements again, whatever it is called with.

    It is compiled code: where it is called back in the middle of the program, no signal handler of
    the program can run in it.
    """
    def look_again(*ignored):
        for name, names in statements:
            extension_calls_scan_statement(name, names)
    return look_again


def unwatched_extension_functions():
    """How many functions were found while all places for them were taken."""
    return extension_calls_unwatched()


def look_at_contents(bint fully):
    """Whether every call's arrays are compared in full, before and after, whatever that costs."""
    contents_look_fully(fully)


def hidden_seconds():
    """Seconds that interprobe has taken for itself while the program stood still; in no figure."""
    return clock_hidden_nanoseconds / 1e9


def share_replay_time(path):
    """Begin to count the time that replays take, with all processes that name the same file, or, for None,
    with those that this one forks."""
    cdef bytes name = b"" if path is None else os.fsencode(path)
    replay_budget_share(NULL if path is None else <const char *>name)


def choose_what_if(int mode):
    """How much is repeated with other arrays to measure what it would gain: 0 nothing, 1 what is
    worth it within the budget, 2 whatever can be."""
    replay_choose_mode(mode)


def calls_can_be_repeated():
    """Whether a forked child can be kept from changing anything outside of itself, so that calls can
    be repeated in it."""
    return replay_sandbox_exists()


def note_unhandled(exception):
    """Book on the call that raised an exception, or what led to it, that nothing handled it."""
    refusals_note_unhandled(exception)


def set_ownership(list user, list library, list interprobe):
    """Set the path prefixes that decide whose code a file is; the user's win over the others."""
    lists = [b"".join(os.fsencode(path) + b"\0" for path in paths if path) + b"\0"
             for paths in (user, library, interprobe)]
    if ownership_set(lists[0], lists[1], lists[2]) < 0:
        raise MemoryError


def is_user_file(str file):
    """Whether code from ``file`` counts as the user's own."""
    return ownership_of(file.encode("utf-8", "replace")) == 0


import_numpy()
clock_select()
frames_initialise()
wrappers_initialise()


def _initialise_origin():
    import _ctypes
    origin_initialise(PyArray_API[2], type_address(_ctypes.CFuncPtr))


_initialise_origin()


def recording():
    """Whether any ledger is being written."""
    return ledger_active != 0


include "measurements.pxi"
