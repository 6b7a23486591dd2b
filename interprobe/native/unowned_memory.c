/* The check for memory that was handed to NumPy without an owner, and is never freed.
 *
 * An array over memory that C allocated frees it only if it has an owner that does: a base object. One
 * without a base, or whose base owns nothing (None, a capsule without destructor, a mere pointer), may
 * be innocent: the memory can be static, or freed by a call later. Whether it piles up is told by
 * three things together. Each array has a block of the C heap to itself, of just its size; no address
 * ever comes again, as it would at once if such blocks were freed; and the heap has grown with them by
 * the end, although the arrays are gone. All that is sampled at counts that double, so that an array
 * costs a look at its flags and a few stores.
 */
#include "unowned_memory.h"

#include "addresses.h"
#include "c_heap.h"
#include "call_checks.h"
#include "ctypes_objects.h"
#include "frames.h"
#include "ledger_region.h"
#include "quarantine.h"
#include "readable_memory.h"

#include <stdlib.h>
#include <string.h>

/* Fact of a call that returns arrays, or of a borrow by what makes them: `value`: bytes by which the C
 * heap has grown since the first; `limit`: bytes of all these arrays. */
static const char piling_up[] = "memory without an owner";

/* Fact of a record that has the one above: `value`: how many arrays there were; `limit`: bytes of the
 * largest. */
static const char how_many[] = "arrays without an owner";

enum {
    MAKERS = 64,      /* places that make such arrays; later ones are passed over */
    ADDRESSES = 1024, /* remembered of a place; power of two */
    SAMPLES = 16,     /* arrays of a place whose end is waited for */
    MARKS = 40,       /* counts at which the heap is looked at: 1, 2, 4, ... */
};
#define LEAST_BYTES (4u << 20) /* below, the heap's own unrest is as large */

/* A place, or a function called from one, that makes such arrays. */
typedef struct {
    uint64_t function; /* key of the call, or the address of the manner's name; 0: none yet */
    place_id place;
    place_id user_place;
    record_ticket record; /* of the call that returned them */
    const char *manner;   /* or how they were made: a static string. NULL: by the call */
    kept_layout shape_of; /* how the largest lay */
    uint64_t first_ledger; /* serial of that by whose figures the heap is judged */
    uint64_t count, bytes, largest;
    uint64_t whole_blocks; /* arrays with a block of the heap to themselves */
    uint64_t repeated;     /* arrays at an address that an earlier one had */
    uintptr_t addresses[ADDRESSES];
    PyObject *samples[SAMPLES]; /* weak references, owned */
    unsigned sampled;
    int marks;
    struct {
        uint64_t bytes; /* of arrays up to there, that one left out */
        int64_t heap;
    } mark[MARKS];
} maker;

static maker *makers[MAKERS];
static int maker_count;

/* --- the C heap ----------------------------------------------------------------------------- */

/* Bytes of the C heap in use beside NumPy's arrays, as one ledger knows these; -1: not known. */
static int64_t
heap_in_use(const ledger *book)
{
    int64_t all = c_heap_bytes_in_use();
    if (all < 0 || book == NULL) {
        return -1;
    }
    return all - (int64_t)region_header(book)->live_bytes - (int64_t)quarantine_bytes();
}

/* Whether glibc has given `data` a block of its own of `bytes` bytes: the word before a block holds its
 * size. NumPy has not touched the memory, so that it may be anything: nobody may be able to read it. */
__attribute__((no_sanitize("address"))) static bool
is_whole_block(const char *data, uint64_t bytes)
{
    if (((uintptr_t)data & 15) != 0 || ((uintptr_t)data & 4095) < 16 ||
        !memory_is_readable(data - sizeof(size_t), sizeof(size_t))) {
        return false;
    }
    /* No memcpy, which the sanitizer would check all the same. */
    size_t size = *(const volatile size_t *)(data - sizeof size) & ~(size_t)7;
    return size >= bytes + sizeof size && size <= bytes + 2 * 4096;
}

/* --- owners --------------------------------------------------------------------------------- */

static int
visit_for_pointer(PyObject *part, void *found)
{
    /* ffi.gc, ffi.new and from_buffer make objects of other types, which own what they are about. */
    *(bool *)found = strcmp(Py_TYPE(part)->tp_name, "_cffi_backend._CDataBase") == 0;
    return 0;
}

/* Whether an object through which memory was reached certainly does not own it. */
static bool
owns_nothing(PyObject *base, uintptr_t address)
{
    if (PyMemoryView_Check(base)) {
        base = ((PyMemoryViewObject *)base)->mbuf->master.obj;
        if (base == NULL) {
            return false;
        }
    }
    if (base == Py_None || PyUnicode_CheckExact(base) || PyLong_Check(base) ||
        PyFloat_CheckExact(base)) {
        return true;
    }
    if (PyCapsule_CheckExact(base)) {
        bool none = PyCapsule_GetDestructor(base) == NULL;
        PyErr_Clear();
        return none;
    }
    if (strcmp(Py_TYPE(base)->tp_name, "_cffi_backend.buffer") == 0) {
        bool pointer = false;
        Py_TYPE(base)->tp_traverse(base, visit_for_pointer, &pointer);
        return pointer;
    }
    return ctypes_owns_nothing(base, address);
}

static bool
has_no_owner(PyArrayObject *array)
{
    uintptr_t address = (uintptr_t)PyArray_DATA(array);
    if (PyArray_NBYTES(array) == 0 || PyArray_NDIM(array) > ADDRESS_DIMENSIONS) {
        return false;
    }
    for (;;) {
        if (PyArray_CHKFLAGS(array, NPY_ARRAY_OWNDATA)) {
            return false;
        }
        PyObject *base = PyArray_BASE(array);
        if (base == NULL) {
            return true;
        }
        if (!PyArray_Check(base)) {
            return owns_nothing(base, address);
        }
        array = (PyArrayObject *)base;
    }
}

/* --- makers --------------------------------------------------------------------------------- */

static maker *
maker_of(uint64_t function, place_id place, place_id user_place)
{
    for (int i = 0; i < maker_count; i++) {
        maker *each = makers[i];
        if (each->function == function && each->place == place && each->user_place == user_place) {
            return each;
        }
    }
    maker *made = maker_count == MAKERS ? NULL : calloc(1, sizeof *made);
    if (made != NULL) {
        made->function = function;
        made->place = place;
        made->user_place = user_place;
        makers[maker_count++] = made;
    }
    return made;
}

static ledger *
judge_of(const maker *of)
{
    for (int i = 0; i < LEDGER_MAXIMUM_OPEN; i++) {
        if (ledger_open_books[i] != NULL && ledger_open_books[i]->serial == of->first_ledger) {
            return ledger_open_books[i];
        }
    }
    return NULL;
}

static void
forget(maker *of)
{
    for (int i = 0; i < SAMPLES; i++) {
        Py_CLEAR(of->samples[i]);
    }
    const maker empty = {.function = of->function, .place = of->place, .user_place = of->user_place};
    *of = empty;
}

/* Waits for an array's end. Making the reference must not set off a collection: that runs any code. */
static void
sample(maker *of, PyArrayObject *array)
{
    int enabled = PyGC_Disable();
    PyObject *reference = PyWeakref_NewRef((PyObject *)array, NULL);
    if (enabled) {
        PyGC_Enable();
    }
    PyErr_Clear();
    if (reference != NULL) {
        Py_XSETREF(of->samples[of->sampled++ % SAMPLES], reference);
    }
}

static void
count(maker *of, PyArrayObject *array)
{
    if (of->count > 0 && judge_of(of) == NULL) {
        forget(of); /* it was for a recording that has ended */
    }
    if (of->count == 0) {
        of->first_ledger = ledger_active_books[0]->serial;
    }
    uint64_t bytes = (uint64_t)PyArray_NBYTES(array);
    uintptr_t address = (uintptr_t)PyArray_DATA(array);
    if ((of->count & (of->count - 1)) == 0 && of->marks < MARKS) {
        of->mark[of->marks].bytes = of->bytes + bytes; /* its own memory is in use already */
        of->mark[of->marks++].heap = heap_in_use(judge_of(of));
    }
    if (of->count < SAMPLES || of->count % (of->count / SAMPLES) == 0) {
        sample(of, array);
    }
    uintptr_t *known = &of->addresses[(address >> 4) * 0x9E3779B97F4A7C15u >> 54];
    of->repeated += *known == address;
    *known = address;
    of->whole_blocks += is_whole_block((const char *)address, bytes);
    of->count++;
    of->bytes += bytes;
    if (bytes > of->largest) {
        of->largest = bytes;
        layout is;
        layout_read(&is, array);
        addresses_keep_layout(&of->shape_of, &is);
    }
}

/* Whether it still looks as if each array had taken new memory. */
static bool
never_comes_again(const maker *of)
{
    return of->bytes >= LEAST_BYTES && of->repeated * 20 <= of->count &&
           of->whole_blocks * 10 >= of->count * 9;
}

static bool
are_gone(const maker *of)
{
    unsigned all = 0, alive = 0;
    for (int i = 0; i < SAMPLES; i++) {
        if (of->samples[i] != NULL) {
            all++;
#if PY_VERSION_HEX >= 0x030D0000
            PyObject *object = NULL;
            alive += PyWeakref_GetRef(of->samples[i], &object) == 1;
            Py_XDECREF(object);
#else
            alive += PyWeakref_GET_OBJECT(of->samples[i]) != Py_None;
#endif
        }
    }
    return alive * 4 <= all;
}

/* Bytes by which the heap has grown with the arrays, step by step; 0 where it has not. */
static uint64_t
growth(const maker *of, const ledger *book)
{
    int64_t now = heap_in_use(book);
    if (of->marks == 0 || now < 0 || of->mark[0].heap < 0) {
        return 0;
    }
    int64_t start = of->mark[0].heap - (int64_t)of->mark[0].bytes;
    for (int i = 1; i <= of->marks; i++) {
        int64_t heap = i < of->marks ? of->mark[i].heap : now;
        uint64_t bytes = i < of->marks ? of->mark[i].bytes : of->bytes;
        int64_t more = (int64_t)(bytes - of->mark[i - 1].bytes);
        if (more >= (int64_t)LEAST_BYTES / 4 && (heap - of->mark[i - 1].heap) * 10 < more * 7) {
            return 0;
        }
    }
    return (now - start) * 10 < (int64_t)of->bytes * 8 ? 0 : (uint64_t)(now - start);
}

/* The record that speaks of a place where arrays were made of foreign memory: NumPy borrows it. */
static void
book_borrow(maker *of)
{
    const layout *is = &of->shape_of.is;
    const borrow_event event = {
        .key = {
            .manner = of->function,
            .place = of->place,
            .user_place = of->user_place,
            .elsize = (uint32_t)is->elsize,
            .kind = is->kind,
            .byteorder = is->byteorder,
            .order = is->order,
            .ndim = (uint8_t)is->ndim,
            .aligned = is->aligned,
            .writeable = is->writeable,
        },
        .manner = of->manner,
        .given = is,
    };
    ledger_book_borrow(&event, &of->record);
}

static void
conclude(maker *of, ledger *book)
{
    uint64_t grown = never_comes_again(of) && are_gone(of) ? growth(of, book) : 0;
    if (grown == 0) {
        return;
    }
    if (of->manner != NULL) {
        bool paused = !book->active;
        if (paused) {
            ledger_resume(book);
        }
        book_borrow(of);
        if (paused) {
            ledger_pause(book);
        }
    }
    fact_event fact = {.kind = piling_up,
                       .position = -1,
                       .other = -1,
                       .value = (int64_t)grown,
                       .limit = (int64_t)of->bytes};
    ledger_book_fact(&of->record, &fact);
    fact.kind = how_many;
    fact.value = (int64_t)of->count;
    fact.limit = (int64_t)of->largest;
    ledger_book_fact(&of->record, &fact);
}

void
unowned_memory_conclude(ledger *book)
{
    for (int i = 0; i < maker_count; i++) {
        if (makers[i]->first_ledger == book->serial) {
            conclude(makers[i], book);
            forget(makers[i]);
        }
    }
}

/* --- where arrays come from ----------------------------------------------------------------- */

void
unowned_memory_wrapped(PyArrayObject *array, const char *manner)
{
    if (!has_no_owner(array)) {
        return;
    }
    position at;
    frames_locate(&at);
    maker *of = at.own ? NULL : maker_of((uint64_t)(uintptr_t)manner, at.here, at.user);
    if (of != NULL) {
        of->manner = manner;
        count(of, array);
    }
}

static void
look_at(PyObject *result, const callee *to, const call_ticket *ticket)
{
    PyArrayObject *array = (PyArrayObject *)result;
    if (PyArray_CHKFLAGS(array, NPY_ARRAY_OWNDATA) || !has_no_owner(array) || ledger_active == 0) {
        return;
    }
    position at;
    frames_locate(&at);
    maker *of = maker_of(to->function, at.here, at.user);
    if (of != NULL) {
        count(of, array);
        of->record = ticket->record;
    }
}

static void
after(const callee *to, const call_ticket *ticket, uint64_t ticks, PyObject *result, void *memory)
{
    (void)ticks, (void)memory;
    if (PyArray_Check(result)) {
        look_at(result, to, ticket);
    } else if (PyTuple_CheckExact(result)) {
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(result) && i < 4; i++) {
            if (PyArray_Check(PyTuple_GET_ITEM(result, i))) {
                look_at(PyTuple_GET_ITEM(result, i), to, ticket);
            }
        }
    }
}

static call_check unowned_memory_check = {
    .after = after,
    .ends_at = {.all = CALL_RETURNS_ARRAYS},
};
REGISTER_CALL_CHECK(unowned_memory_check)
