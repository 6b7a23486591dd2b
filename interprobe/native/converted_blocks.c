/* Books writes that were lost in the copy that a conversion had made.
 *
 * Native code wrote into the copy, it was dropped, and no Python code can have looked at it in between.
 * What was converted is compared with what it holds at its end, by a sample of its elements. Whether
 * somebody can have looked is told by when that end comes:
 *
 * - inside the very crossing in which the conversion was made, as bindings do it (pybind11's forcecast,
 *   nanobind, f2py), if no reference came back;
 * - at the instruction of the call that it was an argument of, f(np.asarray(x, float)), before that
 *   instruction is done;
 * - where the function that made the call returns, looking at nothing any more;
 * - for a conversion inside a library: at the very instruction of the user's own code that the library
 *   was called by.
 *
 * Where the copy was written back into its source, nothing was lost: the source is sampled as well. A copy
 * that was written into, and not lost, is one that is worked in. */
#include "converted_blocks.h"

#include "allocations.h"
#include "block_contents.h"
#include "call_checks.h"
#include "crossings.h"
#include "replay.h"
#include "thread_local.h"

#include <string.h>

enum {
    FOLLOWED = 64, /* blocks at a time; a later one takes an earlier one's place */
    FILTER = 1024, /* counters by address: most arrays are no followed block */
    BESIDE = 6,    /* other arrays among a call's arguments */
};

/* `position` is the argument that the copy stood for, -1: not known; `value` how many of the sampled
 * elements were changed, `limit` how many were sampled; `text` the first that was: "1 became 2"; `place`
 * where the conversion was made. Booked of the copy, and of the call that wrote into it. By what else came
 * of the call; in all but the last case, it changed no other array that it was given, and was given
 * nothing else that it could have changed: */
static const char lost_for_nothing[] = "write_lost_none_returned"; /* None */
static const char lost_for_zero[] = "write_lost_zero_returned";    /* 0, of ctypes or cffi: a status */
static const char lost_for_integer[] = "write_lost_integer_returned"; /* another integer, of these */
static const char lost_for_result[] = "write_lost_result_returned";   /* anything else came of it */
/* The same of a copy that a library made, and that changed by whatever the library did with it. */
static const char dropped_changed[] = "write_dropped_in_library";
/* Of any other copy that did not end as it was made: somebody worked in it. Booked of the copy alone. */
static const char worked_in[] = "copy_written";

typedef enum { EMPTY, LIVE, DROPPED } block_state;

typedef struct {
    block_state state;
    uint64_t serial; /* of the block */
    record_ticket copy;
    place_id here;
    place_id user;
    const void *user_frame;
    const uint64_t *thread; /* in which it was made: crossings_counter() */
    uint64_t crossing;      /* inside of which it was made; 0: none */
    block_sample sample;
    source_sample source; /* what it was made from */
    /* The other arguments of the call in which it is, or was made. */
    int beside_count; /* -1: not known */
    array_beside beside[BESIDE];
    bool is_worked_in; /* it has changed since it was made */
    /* The latest call that it was an argument of, if that changed it. */
    const char *written; /* the fact's kind; NULL: none did */
    record_ticket call;
    int position;
    uint64_t call_number; /* of its thread */
    position_key call_at;
    frame_outlook outlook;
    int changed;
    char text[CHANGE_TEXT];
} followed_block;

/* All of this is guarded by the GIL. */
static followed_block followed[FOLLOWED]; /* by serial */
static uint8_t filter[FILTER];
static unsigned live; /* entries that are not empty */

/* The latest call of a thread that was given arrays: conversions are made at its beginning. */
typedef struct {
    uint64_t crossing;
    uint64_t ended; /* blocks, when it began */
    int count;
    array_beside arrays[BESIDE]; /* without their contents */
} latest_call;

static THREAD_LOCAL latest_call *latest; /* NULL: none yet */
static THREAD_LOCAL unsigned dropped;     /* entries that wait for the end of a crossing of it */

static inline uint8_t *
filter_of(const void *data)
{
    return &filter[((uint64_t)(uintptr_t)data * 0x9E3779B97F4A7C15u) >> 54];
}

static void
forget(followed_block *block)
{
    if (block->state != EMPTY) {
        uint8_t *counter = filter_of(block->sample.data);
        *counter -= *counter < UINT8_MAX; /* a full one stays full */
        block->state = EMPTY;
        live--;
    }
}

static void
count_changes(followed_block *block)
{
    block->changed = block_sample_changes(&block->sample, block->text);
    block->is_worked_in |= block->changed > 0;
}

static void
glance_at(followed_block *block)
{
    block->is_worked_in = block->is_worked_in || block_sample_differs(&block->sample);
}

/* Notes what the other arrays hold that the call was given. */
static void
note_beside(followed_block *block, const latest_call *call, const char *own)
{
    block->beside_count = 0;
    for (int i = 0; i < call->count; i++) {
        if (call->arrays[i].data != own) {
            array_beside *noted = &block->beside[block->beside_count++];
            *noted = call->arrays[i];
            /* An array that the call was given may have lost its memory since, in a callback. */
            bool lives = call->ended == allocations_ended() ||
                         allocations_bytes(noted->data) >= (uint64_t)noted->nbytes;
            if (noted->nbytes >= 0 && !(lives && array_beside_hash(noted, &noted->contents))) {
                noted->nbytes = -1;
            }
        }
    }
}

/* A library that keeps a buffer and replaces it at its next call drops the old one at a place that looks
 * the same, though the program may have used it in between. */
static void
forget_predecessor(const followed_block *block)
{
    for (int i = 0; i < FOLLOWED; i++) {
        followed_block *other = &followed[i];
        if (other != block && other->state == LIVE && other->here == block->here &&
            other->user_frame == block->user_frame && other->user == block->user) {
            forget(other);
        }
    }
}

void
converted_blocks_follow(const record_ticket *copy, const position *at, const layout *from,
                        const layout *to, PyArrayObject *source, PyArrayObject *result)
{
    if (copy->count == 0 || !PyArray_CHKFLAGS(result, NPY_ARRAY_OWNDATA | NPY_ARRAY_WRITEABLE) ||
        PyArray_BASE(result) != NULL || to->elsize <= 0 ||
        PyDataType_REFCHK(PyArray_DESCR(result))) {
        return;
    }
    const uint64_t *thread = crossings_counter();
    uint64_t serial = allocations_serial(to->data);
    if (thread == NULL || serial == 0 || !allocations_mark(to->data, serial, BLOCK_CONVERTED)) {
        return;
    }
    followed_block *block = &followed[serial % FOLLOWED];
    forget(block);
    block->state = LIVE;
    block->serial = serial;
    block->copy = *copy;
    block->here = at->here;
    block->user = at->user;
    block->user_frame = at->user_frame;
    block->thread = thread;
    block->crossing = crossings_innermost();
    block->written = NULL;
    block->is_worked_in = false;
    block->beside_count = -1;
    block_sample_begin(&block->sample, to);
    source_sample_take(&block->source, source, from);
    if (latest != NULL && block->crossing != 0 && latest->crossing == block->crossing) {
        note_beside(block, latest, from->data);
    }
    uint8_t *counter = filter_of(block->sample.data);
    *counter += *counter < UINT8_MAX;
    live++;
    if (block->crossing == 0 && at->here != at->user) {
        forget_predecessor(block);
    }
}

/* --- calls ----------------------------------------------------------------------------------- */

typedef struct {
    unsigned count;
    struct {
        followed_block *block;
        uint64_t serial;
        int position;
    } given[4]; /* followed blocks among the arguments */
} given_blocks;

static inline void
note_latest(const begun_call *call)
{
    if (latest == NULL && thread_local_make((void **)&latest, sizeof *latest) == NULL) {
        return;
    }
    latest->crossing = call->serial;
    latest->ended = allocations_ended();
    latest->count = 0;
    for (int i = 0; i < call->given; i++) {
        const layout *given = &call->arguments[i].given;
        if (call->arrays[i] == NULL) {
            continue;
        }
        if (latest->count == BESIDE) {
            latest->crossing = 0; /* more than can be compared */
            return;
        }
        latest->arrays[latest->count++] = (array_beside){
            given->data, given->contiguous_c || given->contiguous_f ? given->nbytes : -1, 0};
    }
}

static bool
before_call(const begun_call *call, void *memory)
{
    given_blocks *noted = memory;
    noted->count = 0;
    bool converts = call->to->foreign == NULL; /* it may make and drop blocks itself */
    if (converts) {
        note_latest(call);
    }
    if (live == 0) {
        return converts;
    }
    for (int i = 0; i < call->count && noted->count < 4; i++) {
        const call_argument *argument = &call->arguments[i];
        if (!argument->has_layout || *filter_of(argument->given.data) == 0) {
            continue;
        }
        followed_block *block =
            &followed[allocations_serial(argument->given.data) % FOLLOWED];
        if (block->state == LIVE && block->sample.data == argument->given.data) {
            replay_fed_crossing = replay_mode == REPLAY_OFF ? 0 : call->serial;
            glance_at(block);
            block_sample_take(&block->sample); /* what happened up to now was not this call's doing */
            block->beside_count = -1;
            if (noted->count == 0 && !converts) {
                note_latest(call);
            }
            if (latest != NULL && latest->crossing == call->serial) {
                note_beside(block, latest, block->sample.data);
            }
            noted->given[noted->count].block = block;
            noted->given[noted->count].serial = block->serial;
            noted->given[noted->count++].position = argument->position;
        }
    }
    return converts || noted->count > 0;
}

/* Whether a callee can change nothing of an argument that is no array. */
static bool
is_plain_value(PyObject *argument)
{
    PyTypeObject *type = Py_TYPE(argument);
    if (argument == Py_None || type == &PyLong_Type || type == &PyFloat_Type ||
        type == &PyBool_Type || type == &PyComplex_Type || type == &PyUnicode_Type ||
        type == &PyBytes_Type || PyArray_IsScalar(argument, Generic)) {
        return true;
    }
    if (type == &PyTuple_Type) {
        bool plain = PyTuple_GET_SIZE(argument) <= 8;
        for (Py_ssize_t i = 0; plain && i < PyTuple_GET_SIZE(argument); i++) {
            PyObject *item = PyTuple_GET_ITEM(argument, i);
            plain = !PyTuple_Check(item) && is_plain_value(item);
        }
        return plain;
    }
    const PyTypeObject *base = type->tp_base; /* c_int and its kin are passed by value */
    return base != NULL && strcmp(base->tp_name, "_ctypes._SimpleCData") == 0 &&
           strcmp(type->tp_name, "c_void_p") != 0 && strcmp(type->tp_name, "c_char_p") != 0;
}

/* Whether the call changed, or may have changed, anything of its arguments but the block. */
static bool
changed_others(const callee *to, const followed_block *block, int position)
{
    if (block->beside_count < 0 || to->count > CALL_ARGUMENTS) {
        return true;
    }
    bool changed = false;
    for (Py_ssize_t i = 0; i < to->count && !changed; i++) {
        PyArrayObject *array = i == position ? NULL : to->array_behind(to->arguments[i]);
        if (i == position || array == NULL) {
            changed = i != position && !is_plain_value(to->arguments[i]);
            continue;
        }
        const array_beside *noted = NULL;
        for (int k = 0; k < block->beside_count; k++) {
            noted = block->beside[k].data == PyArray_DATA(array) ? &block->beside[k] : noted;
        }
        uint64_t contents = 0;
        changed = PyArray_DATA(array) != block->source.data &&
                  (noted == NULL || noted->nbytes < 0 || noted->nbytes != PyArray_NBYTES(array) ||
                   !array_beside_hash(noted, &contents) || noted->contents != contents);
        Py_DECREF(array); /* the argument itself still holds it: nothing dies here */
    }
    return changed;
}

static const char *
kind_of_loss(const callee *to, const followed_block *block, int position, PyObject *result)
{
    bool by_address = strcmp(to->binding, "ctypes") == 0 || strcmp(to->binding, "cffi") == 0;
    bool integer = by_address && PyLong_CheckExact(result);
    if ((result != Py_None && !integer) || changed_others(to, block, position)) {
        return lost_for_result;
    }
    if (result == Py_None) {
        return lost_for_nothing;
    }
    int overflow = 0;
    long value = PyLong_AsLongAndOverflow(result, &overflow);
    if (overflow != 0 || value > INT32_MAX || value < INT32_MIN) {
        return lost_for_result; /* no status: the address of something */
    }
    return value == 0 ? lost_for_zero : lost_for_integer;
}

static void
book(const followed_block *block, const char *kind, int position, const record_ticket *call)
{
    const fact_event fact = {.kind = kind,
                             .position = position,
                             .other = -1,
                             .value = block->changed,
                             .limit = block->sample.count,
                             .text = block->text[0] == '\0' ? NULL : block->text,
                             .place = block->here};
    ledger_book_fact(&block->copy, &fact);
    if (call != NULL) {
        ledger_book_fact(call, &fact);
    }
}

/* A block's end, at which no write was lost. */
static void
finish(followed_block *block)
{
    if (block->is_worked_in) {
        const fact_event fact = {.kind = worked_in, .position = -1, .other = -1};
        ledger_book_fact(&block->copy, &fact);
    }
    forget(block);
}

/* The argument that the block was made from; -1: none, or a value that only the call itself holds,
 * f(a + b), so that nobody could have seen what is written into it. */
static int
argument_converted(const callee *to, const followed_block *block)
{
    for (Py_ssize_t i = 0; i < to->count && i < CALL_ARGUMENTS; i++) {
        PyArrayObject *array = to->array_behind(to->arguments[i]);
        if (array != NULL) {
            bool same = PyArray_DATA(array) == block->source.data;
            bool passing = (PyObject *)array == to->arguments[i] && Py_REFCNT(array) == 2 &&
                           PyArray_CHKFLAGS(array, NPY_ARRAY_OWNDATA);
            Py_DECREF(array); /* the argument itself still holds it: nothing dies here */
            if (same) {
                return passing ? -1 : (int)i;
            }
        }
    }
    return -1;
}

/* What was made and dropped inside the crossing that ends now. */
static void
settle_dropped(const callee *to, const call_ticket *ticket, PyObject *result)
{
    uint64_t crossing = crossings_innermost();
    dropped = 0;
    for (int i = 0; i < FOLLOWED; i++) {
        followed_block *block = &followed[i];
        if (block->state != DROPPED || block->thread != crossings_counter()) {
            continue;
        }
        if (block->crossing < crossing) {
            dropped++; /* it waits for a crossing further out */
            continue;
        }
        if (block->crossing == crossing && result != NULL) {
            int position = argument_converted(to, block);
            /* An array that the call was not given is the callee's own business. */
            if (position >= 0 && source_sample_same(&block->source)) {
                book(block, kind_of_loss(to, block, position, result), position, &ticket->record);
                block->is_worked_in = false;
            }
        }
        finish(block);
    }
}

static void
after_call(const callee *to, const call_ticket *ticket, uint64_t ticks, PyObject *result,
           void *memory)
{
    if (dropped != 0) {
        settle_dropped(to, ticket, result);
    }
    const given_blocks *noted = memory;
    for (unsigned i = 0; i < noted->count; i++) {
        followed_block *block = noted->given[i].block;
        if (block->state != LIVE || block->serial != noted->given[i].serial) {
            continue;
        }
        block->written = NULL;
        count_changes(block);
        if (result != NULL && block->changed > 0) {
            block->call = ticket->record;
            block->position = noted->given[i].position;
            block->written = kind_of_loss(to, block, block->position, result);
            block->call_number = *crossings_counter();
            block->call_at = frames_position_key();
            block->thread = crossings_counter();
            frames_look_ahead(&block->outlook);
        }
    }
}

static call_check lost_writes = {
    .memory = sizeof(given_blocks),
    .before = before_call,
    .after = after_call,
    .looks_at = {.any = CALL_LIVE | CALL_LAYOUT},
};
REGISTER_CALL_CHECK(lost_writes)

/* --- the end of a block ---------------------------------------------------------------------- */

static inline bool
same_position(const position_key *a, const position_key *b)
{
    return a->frame != NULL && a->frame == b->frame && a->instruction == b->instruction;
}

/* Whether no bytecode has run since the call that wrote into the block, other than what returns from
 * the function that made the call. */
static bool
nobody_looked_since(const followed_block *block)
{
    if (block->call_number != *block->thread) {
        return false;
    }
    position_key now = frames_position_key();
    if (same_position(&now, &block->call_at)) {
        return true;
    }
    return block->outlook.returns && (now.frame == block->call_at.frame ||
                                      same_position(&now, &block->outlook.caller));
}

/* Whether the user's own code is still at the call of a library inside of which the copy was made. */
static bool
user_is_still_there(const followed_block *block, position *now)
{
    if (block->user_frame == NULL || block->here == block->user) {
        return false;
    }
    frames_locate(now);
    return now->user_frame == block->user_frame && now->user == block->user;
}

static bool
holds_block(PyObject *object, void *block)
{
    if (!PyArray_Check(object)) {
        return false;
    }
    PyArrayObject *owner = (PyArrayObject *)object;
    while (PyArray_BASE(owner) != NULL && PyArray_Check(PyArray_BASE(owner))) {
        owner = (PyArrayObject *)PyArray_BASE(owner);
    }
    return PyArray_DATA(owner) == block;
}

static void
judge(followed_block *block)
{
    glance_at(block);
    if (block->thread != crossings_counter()) {
        finish(block);
        return;
    }
    if (block->written != NULL && nobody_looked_since(block)) {
        if (block->source.serial == 0 || source_sample_lives_same(&block->source)) {
            book(block, block->written, block->position, &block->call);
            block->is_worked_in = false;
        }
        finish(block);
        return;
    }
    bool inside = block->crossing != 0 && block->crossing == crossings_innermost();
    position now;
    if (!inside && !user_is_still_there(block, &now)) {
        finish(block);
        return;
    }
    count_changes(block);
    if (block->changed > 0 && inside) {
        block->state = DROPPED; /* what the call gives back decides */
        dropped++;
        return;
    }
    /* What a library converts of its own making is its own affair. */
    if (block->changed > 0 && source_sample_lives_same(&block->source) &&
        frames_user_holds(&now, holds_block, (void *)block->source.block)) {
        book(block, dropped_changed, -1, NULL);
    }
    finish(block);
}

static bool
block_ends(void *data, uint64_t bytes, uint64_t serial)
{
    /* Without the GIL nothing can be told: the entry stays until another takes its place. */
    if (live != 0 && frames_thread_attached()) {
        followed_block *block = &followed[serial % FOLLOWED];
        if (block->state == LIVE && block->serial == serial && ledger_active) {
            PyObject *type, *value, *traceback;
            PyErr_Fetch(&type, &value, &traceback);
            judge(block);
            PyErr_Restore(type, value, traceback);
        }
    }
    return false;
}

static block_watcher converted_blocks = {.marks = BLOCK_CONVERTED, .ending = block_ends};
REGISTER_BLOCK_WATCHER(converted_blocks)
