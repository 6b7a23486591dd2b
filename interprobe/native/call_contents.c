/* Sees which arrays a callee wrote, by looking at their contents before and after the call.
 *
 * A record's first call is looked at within a bound; later ones when the record's calls have earned
 * it: a 64th of the time that they take goes into looks, so that a tiny call in a loop pays next to
 * nothing. Where a look at all bytes would cost more, samples are compared: a change that they show is
 * certain all the same, and only a look at all bytes is called "unchanged".
 *
 *   changed            the callee wrote into the array; `value`: the bytes that differ, as far as
 *                      they were compared one by one, `limit`: the array's bytes, `text`: an element
 *                      before and after; `other`: a second argument through which it may have done so
 *   changed-read-only  the array is marked as read-only; `limit`: 1 where its memory's owner is, too,
 *                      0 where it is a read-only view of an array that may be written
 *   unchanged          no byte of the array differs
 *   overlap            two arrays share memory without beginning at the same place, and the callee
 *                      wrote; `position`: the one that begins first, `value`: the bytes shared,
 *                      `limit`: the distance of their beginnings in bytes, `text` as in changed. A
 *                      plain move of one to the other is left out: it came out right
 *   same-memory        two arrays begin at the same place, and the callee wrote; `value`: as above
 *
 * Not looked at: memory that others than NumPy hold, as somebody else may write it meanwhile; calls
 * while the process has several Python threads; calls that may call Python back.
 */
#include "call_history.h"
#include "readable_memory.h"

#include "clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    COPIED = 16384,     /* bytes of a call's arrays that are kept and compared one by one */
    SAMPLES = 64,       /* elements of an array that are looked at otherwise */
    SAMPLED_COST = 2500, /* ns, roughly, where they are in no cache */
    LEAST_COST = 300,   /* ns */
    BYTES_PER_NANOSECOND = 4,
    PAIRS = 3,          /* overlapping pairs that are followed */
    TEXT = 128,
    OVERLAP_LOOKS = 8,  /* taken at once, whatever they cost */
};

typedef struct {
    PyArrayObject *array; /* owned; NULL: only its address was given */
    char *data;
    uint64_t bytes;
    const void *owner_data; /* of the array at the end of its bases: a resize changes these */
    uint64_t owner_bytes;
    uint64_t hash;
    uint32_t copied, copy_at; /* its first bytes, in the copy */
    int8_t position, other;
    char kind;
    bool read_only, owner_read_only, native_order;
    uint16_t elsize;
} looked_at;

typedef struct {
    bool fully;
    bool only_overlaps; /* who changed an array is not known */
    int8_t count, pairs;
    int8_t pair[PAIRS][2]; /* in `arrays`: the one that begins first, then the other */
    uint64_t spent;        /* ticks */
    char *copy;            /* owned */
    looked_at arrays[CALL_POINTERS];
} look;

_Static_assert(sizeof(look) <= CONTENTS_MEMORY, "CONTENTS_MEMORY is too small");

static bool always_fully;

void
contents_look_fully(bool fully)
{
    always_fully = fully;
}

static inline uint64_t
mixed(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * 0x9E3779B97F4A7C15u;
    return hash ^ (hash >> 29);
}

static uint64_t
hash_of_bytes(const char *data, uint64_t bytes, uint64_t seed)
{
    uint64_t lanes[4] = {seed, seed + 1, seed + 2, seed + 3};
    uint64_t at = 0, words[4];
    for (; at + sizeof words <= bytes; at += sizeof words) {
        memcpy(words, data + at, sizeof words);
        for (int i = 0; i < 4; i++) {
            lanes[i] = mixed(lanes[i], words[i]);
        }
    }
    for (; at < bytes; at += 8) {
        uint64_t word = 0;
        memcpy(&word, data + at, bytes - at < 8 ? bytes - at : 8);
        lanes[0] = mixed(lanes[0], word);
    }
    return mixed(mixed(mixed(lanes[0], lanes[1]), lanes[2]), lanes[3]);
}

/* Hashes every `step`th element of an array that lies in any way, and the last one. */
static uint64_t
hash_of_elements(const layout *is, uint64_t elements, uint64_t step)
{
    for (int axis = 0; axis < is->ndim; axis++) {
        /* The same elements again and again: once will do. */
        elements /= is->strides[axis] == 0 ? (uint64_t)is->shape[axis] : 1;
    }
    uint64_t hash = 0, last = elements - 1;
    for (uint64_t index = 0;; index = index + step < last ? index + step : last) {
        const char *at = is->data;
        uint64_t rest = index;
        for (int axis = is->ndim - 1; axis >= 0; axis--) {
            if (is->strides[axis] == 0) {
                continue;
            }
            at += (npy_intp)(rest % (uint64_t)is->shape[axis]) * is->strides[axis];
            rest /= (uint64_t)is->shape[axis];
        }
        hash = hash_of_bytes(at, (uint64_t)is->elsize, hash);
        if (index == last) {
            return hash;
        }
    }
}

/* A hash of what a look sees of an array beyond the bytes that it keeps. */
static uint64_t
hash_of_contents(const looked_at *array, const layout *is, bool fully)
{
    if (array->copied == array->bytes) {
        return 0;
    }
    bool contiguous = is == NULL || is->contiguous_c || is->contiguous_f;
    if (fully && contiguous) {
        return hash_of_bytes(array->data + array->copied, array->bytes - array->copied, 0);
    }
    uint64_t elements = array->bytes / array->elsize;
    uint64_t step = fully || elements <= SAMPLES ? 1 : elements / SAMPLES;
    if (!contiguous) {
        return hash_of_elements(is, elements, step);
    }
    uint64_t hash = 0;
    for (uint64_t index = 0; index < elements; index += step) {
        hash = hash_of_bytes(array->data + index * array->elsize, array->elsize, hash);
    }
    return hash_of_bytes(array->data + (elements - 1) * array->elsize, array->elsize, hash);
}

/* Whether two arrays share memory that C may well read and write in this call. */
static bool
overlaps(const compared_call *now, int one, int other)
{
    const layout *first = &pointer_argument(now, one)->given;
    const layout *second = &pointer_argument(now, other)->given;
    if (now->low[one] >= now->high[other] || now->low[other] >= now->high[one] ||
        now->passed[one] != (uintptr_t)first->data || now->passed[other] != (uintptr_t)second->data ||
        !(first->contiguous_c || first->contiguous_f) ||
        !(second->contiguous_c || second->contiguous_f)) {
        return false;
    }
    if (now->low[one] == now->low[other]) {
        return true;
    }
    int lower = now->low[one] < now->low[other] ? one : other;
    uintptr_t distance = now->low[one + other - lower] - now->low[lower];
    bool stated = false;
    for (int i = 0; i < now->history->lengths; i++) {
        int64_t elements = stated_elements(now, &now->history->stated[i]);
        if (elements <= 1) {
            continue; /* an increment, or nothing */
        }
        stated = true;
        if ((uint64_t)elements <= distance / now->history->element[lower]) {
            return false; /* C may end before the other begins */
        }
    }
    return stated;
}

/* Whether no other thread can run Python code while the callee has let go of the GIL. */
static bool
is_only_thread(void)
{
    PyThreadState *first = PyInterpreterState_ThreadHead(PyInterpreterState_Get());
    return PyThreadState_Next(first) == NULL;
}

static void
find_pairs(const compared_call *now, look *taken)
{
    taken->pairs = 0;
    for (int i = 0; i < now->history->pointers && now->history->foreign; i++) {
        for (int j = i + 1; j < now->history->pointers && taken->pairs < PAIRS; j++) {
            if (overlaps(now, i, j)) {
                bool in_order = now->low[i] <= now->low[j];
                taken->pair[taken->pairs][0] = (int8_t)(in_order ? i : j);
                taken->pair[taken->pairs++][1] = (int8_t)(in_order ? j : i);
            }
        }
    }
}

bool
contents_are_always_due(const compared_call *now)
{
    if (always_fully) {
        return true;
    }
    const call_history *history = now->history;
    if (history->pointers < 2 || !history->foreign || history->overlap_looks >= OVERLAP_LOOKS) {
        return false;
    }
    for (int i = 0; i < history->pointers; i++) {
        for (int j = i + 1; j < history->pointers; j++) {
            if (now->low[i] < now->high[j] && now->low[j] < now->high[i]) {
                return true;
            }
        }
    }
    return false;
}

/* Whether a call is to be looked at; then also whether at all bytes. */
static bool
is_due(call_history *history, look *taken, uint64_t bytes)
{
    int64_t full = (int64_t)((double)(LEAST_COST + 2 * bytes / BYTES_PER_NANOSECOND) *
                             clock_ticks_per_nanosecond);
    int64_t sampled = (int64_t)(SAMPLED_COST * clock_ticks_per_nanosecond);
    bool samples_do = bytes > COPIED && history->looks < 8 * (history->full_looks + 1);
    taken->fully = always_fully || bytes <= COPIED || history->credit >= full;
    history->enough = full;
    history->due = samples_do && sampled < full ? sampled : full;
    return always_fully || history->looks == 0 || history->credit >= history->due ||
           (taken->pairs > 0 && history->overlap_looks < OVERLAP_LOOKS);
}

static bool
may_look(const compared_call *now)
{
    return !now->history->calls_back && is_only_thread();
}

/* The array whose memory a view lies in, borrowed. */
static PyArrayObject *
owner_of(PyArrayObject *array)
{
    while (PyArray_BASE(array) != NULL && PyArray_Check(PyArray_BASE(array))) {
        array = (PyArrayObject *)PyArray_BASE(array);
    }
    return array;
}

static void
begin_look(const compared_call *now, look *taken, int pointer, uint32_t *used, uint32_t room)
{
    const call_history *history = now->history;
    const call_argument *argument = pointer_argument(now, pointer);
    const layout *given = &argument->given;
    looked_at *array = &taken->arrays[pointer];
    memset(array, 0, sizeof *array);
    held_memory memory = memory_behind(now, pointer);
    const char *low, *high;
    layout_extent(given, &low, &high);
    bool contiguous = given->contiguous_c || given->contiguous_f;
    int position = history->pointer_at[pointer];
    PyArrayObject *live = now->call->arrays[position];
    if (memory.holder == HELD_BY_OTHERS || given->nbytes == 0 || given->elsize == 0 ||
        given->elsize > UINT16_MAX || (live == NULL && !contiguous) ||
        now->low[pointer] < memory.low || now->high[pointer] > memory.high ||
        !memory_is_readable(low, (uint64_t)(high - low))) {
        return; /* bytes stays 0: not looked at */
    }
    array->array = (PyArrayObject *)Py_XNewRef((PyObject *)live);
    if (live != NULL) {
        array->owner_data = PyArray_DATA(owner_of(live));
        array->owner_bytes = (uint64_t)PyArray_NBYTES(owner_of(live));
    }
    array->data = given->data;
    array->bytes = (uint64_t)given->nbytes;
    array->position = (int8_t)position;
    array->other = -1;
    array->kind = given->kind;
    array->elsize = (uint16_t)given->elsize;
    array->native_order = given->byteorder != '>';
    array->read_only = !given->writeable;
    array->owner_read_only = !memory.writeable;
    if (contiguous) {
        array->copied = array->bytes < room ? (uint32_t)array->bytes : room;
        array->copy_at = *used;
        memcpy(taken->copy + *used, given->data, array->copied);
        *used += array->copied;
    }
    array->hash = hash_of_contents(array, given, taken->fully);
}

bool
contents_before(compared_call *now, void *memory)
{
    look *taken = memory;
    call_history *history = now->history;
    find_pairs(now, taken);
    uint64_t bytes = 0;
    for (int i = 0; i < history->pointers; i++) {
        bytes += (uint64_t)pointer_argument(now, i)->given.nbytes;
    }
    if (!is_due(history, taken, bytes) || !may_look(now)) {
        return false;
    }
    uint64_t began = clock_ticks();
    uint64_t room = bytes < COPIED ? bytes : COPIED;
    taken->copy = malloc(room + 1);
    if (taken->copy == NULL) {
        return false;
    }
    taken->count = history->pointers;
    taken->only_overlaps = history->runs_python;
    uint32_t used = 0;
    for (int i = 0; i < history->pointers; i++) {
        uint32_t share = bytes <= COPIED ? COPIED : (uint32_t)(COPIED / history->pointers);
        begin_look(now, taken, i, &used, share);
    }
    for (int i = 0; i < history->pointers; i++) {
        for (int j = 0; j < history->pointers; j++) {
            if (i != j && now->low[i] < now->high[j] && now->low[j] < now->high[i]) {
                taken->arrays[i].other = history->pointer_at[j];
            }
        }
    }
    history->looks++;
    history->full_looks += taken->fully;
    history->overlap_looks += taken->pairs > 0;
    taken->spent = clock_ticks() - began;
    return true;
}

/* Whether the array still is what it was before the call. */
static bool
still_there(const looked_at *array, layout *is)
{
    if (array->array != NULL) {
        const char *low, *high;
        PyArrayObject *owner = owner_of(array->array);
        layout_read(is, array->array);
        layout_extent(is, &low, &high);
        return is->data == array->data && (uint64_t)is->nbytes == array->bytes &&
               PyArray_DATA(owner) == array->owner_data &&
               (uint64_t)PyArray_NBYTES(owner) == array->owner_bytes &&
               memory_is_readable(low, (uint64_t)(high - low));
    }
    kept_layout found;
    bool read_only;
    uintptr_t low = (uintptr_t)array->data;
    return addresses_find(low, ADDRESS_INTERIOR, &found) &&
           addresses_memory_end(low, &read_only) >= low + array->bytes &&
           memory_is_readable(array->data, array->bytes);
}

/* An element as C sees it; false for kinds that are not written out. */
static bool
write_element(char *out, size_t room, const looked_at *array, const char *at)
{
    union { float f; double d; int8_t i1; int16_t i2; int32_t i4; int64_t i8; uint64_t u8; } as = {0};
    if (!array->native_order || array->elsize > sizeof as) {
        return false;
    }
    memcpy(&as, at, array->elsize);
    int written = -1;
    switch (array->kind) {
    case 'f':
        if (array->elsize == 4 || array->elsize == 8) {
            char *digits = PyOS_double_to_string(array->elsize == 4 ? (double)as.f : as.d, 'g', 6, 0,
                                                 NULL);
            written = digits == NULL ? -1 : snprintf(out, room, "%s", digits);
            PyMem_Free(digits);
        }
        break;
    case 'i': {
        long long value = array->elsize == 1 ? as.i1 : array->elsize == 2 ? as.i2
                          : array->elsize == 4 ? as.i4 : as.i8;
        written = snprintf(out, room, "%lld", value);
        break;
    }
    case 'u': case 'b':
        written = snprintf(out, room, "%llu", (unsigned long long)as.u8);
        break;
    }
    return written > 0 && (size_t)written < room;
}

/* Counts the bytes of the copy that differ, and says of the first such element what became of it. */
static uint64_t
compare_copy(const look *taken, const looked_at *array, char *text, size_t room)
{
    const char *then = taken->copy + array->copy_at;
    uint64_t changed = 0, first = 0;
    for (uint32_t at = 0; at < array->copied; at++) {
        if (then[at] != array->data[at]) {
            first = changed++ == 0 ? at : first;
        }
    }
    text[0] = '\0';
    uint64_t element = first - first % array->elsize;
    if (changed > 0 && element + array->elsize <= array->copied) {
        char old[40], new[40];
        if (write_element(old, sizeof old, array, then + element) &&
            write_element(new, sizeof new, array, array->data + element)) {
            snprintf(text, room, "element %llu was %s and is %s",
                     (unsigned long long)(element / array->elsize), old, new);
        }
    }
    return changed;
}

/* Whether all that changed in one array is what the other held before: a move, done right. */
static bool
is_move(const look *taken, const looked_at *to, const looked_at *from)
{
    uint32_t bytes = to->copied < from->copied ? to->copied : from->copied;
    const char *was = taken->copy + to->copy_at, *source = taken->copy + from->copy_at;
    for (uint32_t at = 0; at < bytes; at++) {
        if (to->data[at] != was[at] && to->data[at] != source[at]) {
            return false;
        }
    }
    return bytes > 0;
}

static void
book_overlap(const call_ticket *ticket, const look *taken, const int8_t *pair, const bool *changed,
             char text[][TEXT])
{
    const looked_at *first = &taken->arrays[pair[0]], *second = &taken->arrays[pair[1]];
    if (first->bytes == 0 || second->bytes == 0 || !(changed[pair[0]] || changed[pair[1]]) ||
        is_move(taken, first, second) || is_move(taken, second, first)) {
        return;
    }
    uint64_t distance = (uint64_t)(second->data - first->data);
    uint64_t left = first->bytes - distance;
    const char *said = text[pair[1]][0] ? text[pair[1]] : text[pair[0]];
    const fact_event fact = {
        .kind = distance == 0 ? "same-memory" : "overlap",
        .position = first->position,
        .other = second->position,
        .value = (int64_t)(left < second->bytes ? left : second->bytes),
        .limit = (int64_t)distance,
        .text = said[0] ? said : NULL,
    };
    ledger_book_fact(&ticket->record, &fact);
}

static void
book_array(const call_ticket *ticket, const looked_at *array, bool changed, uint64_t bytes,
           const char *text, bool fully)
{
    fact_event fact = {
        .kind = changed ? "changed" : "unchanged",
        .position = array->position,
        .other = changed ? array->other : -1,
        .value = (int64_t)bytes,
        .limit = (int64_t)array->bytes,
        .text = text[0] ? text : NULL,
    };
    if (changed || fully) {
        ledger_book_fact(&ticket->record, &fact);
    }
    if (changed && array->read_only) {
        fact.kind = "changed-read-only";
        fact.limit = array->owner_read_only;
        ledger_book_fact(&ticket->record, &fact);
    }
}

static void
end_look(const call_ticket *ticket, look *taken)
{
    bool changed[CALL_POINTERS] = {false};
    char text[CALL_POINTERS][TEXT];
    for (int i = 0; i < taken->count; i++) {
        looked_at *array = &taken->arrays[i];
        layout is;
        text[i][0] = '\0';
        if (array->bytes != 0 && !still_there(array, &is)) {
            array->bytes = 0;
        }
        if (array->bytes == 0) {
            continue;
        }
        uint64_t bytes = compare_copy(taken, array, text[i], sizeof text[i]);
        changed[i] = bytes > 0 || hash_of_contents(array, array->array == NULL ? NULL : &is,
                                                   taken->fully) != array->hash;
        if (!taken->only_overlaps) {
            book_array(ticket, array, changed[i], bytes, text[i], taken->fully);
        }
    }
    for (int i = 0; i < taken->pairs; i++) {
        book_overlap(ticket, taken, taken->pair[i], changed, text);
    }
    for (int i = 0; i < taken->count; i++) {
        Py_XDECREF(taken->arrays[i].array); /* the call's arguments still hold it */
    }
    free(taken->copy);
}

uint64_t
contents_after(const call_ticket *ticket, void *memory)
{
    look *taken = memory;
    uint64_t began = clock_ticks();
    end_look(ticket, taken);
    return taken->spent + (clock_ticks() - began);
}
