/* Keeps the histories of call records, and hands each call to the checks of its arguments. */
#include "call_history.h"

#include <stdlib.h>
#include <string.h>

#define HISTORIES 512 /* power of two */

static call_history *histories[HISTORIES]; /* made when first needed, and kept */

/* What is kept between `before` and `after`. */
typedef struct {
    call_history *history;
    bool looks;
    uint64_t contents[CONTENTS_MEMORY / sizeof(uint64_t)];
} kept_between;

static void
find_integers(call_history *history, const begun_call *call)
{
    for (int i = 0; i < call->given && history->integers < COMPARED_INTEGERS; i++) {
        int64_t value;
        if (!call->arguments[i].has_layout &&
            call->to->foreign->integer(call->to->arguments[i], &value)) {
            history->integer_at[history->integers++] = (int8_t)i;
        }
    }
    int lengths = history->integers < LENGTH_INTEGERS ? history->integers : LENGTH_INTEGERS;
    for (int i = 0; i < call->given && history->integers < COMPARED_INTEGERS; i++) {
        if (call->arguments[i].has_layout && PyLong_CheckExact(call->to->arguments[i])) {
            history->integer_at[history->integers++] = (int8_t)i; /* an address may arrive cut */
        }
    }
    for (int factors = 1; factors <= 3; factors++) {
        for (int i = 0; i + factors <= lengths; i++) {
            bool neighbours =
                history->integer_at[i + factors - 1] - history->integer_at[i] == factors - 1;
            if (neighbours && history->lengths < CALL_LENGTHS) {
                history->stated[history->lengths++] = (stated_length){(int8_t)i, (int8_t)factors};
            }
        }
    }
}

/* Whether a read-only array lies in the memory of one that the callee may write. */
static bool
shares_memory(const begun_call *call, int position)
{
    for (int i = 0; i < call->count; i++) {
        const call_argument *other = &call->arguments[i];
        if (i != position && other->has_layout && other->given.writeable &&
            layout_overlap(&other->given, &call->arguments[position].given)) {
            return true;
        }
    }
    return false;
}

static void
find_pointers(call_history *history, const begun_call *call)
{
    for (int i = 0; i < call->given && history->pointers < CALL_POINTERS; i++) {
        const call_argument *argument = &call->arguments[i];
        if (!argument->has_layout || (!history->foreign && argument->given.writeable) ||
            (history->foreign && call_converts(call, i)) ||
            (!history->foreign && shares_memory(call, i))) {
            continue;
        }
        size_t element =
            history->foreign ? call->to->foreign->element(call->to->arguments[i]) : 0;
        history->element[history->pointers] = element != 0 ? element : (size_t)argument->given.elsize;
        history->pointer_at[history->pointers++] = (int8_t)i;
    }
}

static bool
may_call_back(const begun_call *call)
{
    const foreign_binding *foreign = call->to->foreign;
    for (int i = 0; i < call->given; i++) {
        PyObject *argument = call->to->arguments[i];
        bool calls = foreign != NULL
                         ? foreign->calls_back(argument)
                         : Py_TYPE(argument)->tp_call != NULL && !PyType_Check(argument);
        if (calls || PyFunction_Check(argument) || PyMethod_Check(argument)) {
            return true;
        }
    }
    return false;
}

static inline bool
is_of(const call_history *history, const record_booking *record)
{
    return history->entry == record->entry && history->ledger == record->ledger;
}

static inline call_history **
place_of(const record_booking *record)
{
    return &histories[((record->entry >> 3) * 0x9E3779B1u >> 20) & (HISTORIES - 1)];
}

/* The history of a call's record; NULL where none is kept. */
static inline call_history *
history_of(const call_ticket *ticket)
{
    const record_booking *record = &ticket->record.bookings[0];
    call_history *history = *place_of(record);
    return history != NULL && is_of(history, record) ? history : NULL;
}

/* NULL when memory is out. */
static call_history *
new_history(compared_call *now)
{
    const begun_call *call = now->call;
    const record_booking *record = &call->ticket->record.bookings[0];
    call_history **place = place_of(record);
    if (*place == NULL && (*place = malloc(sizeof **place)) == NULL) {
        return NULL;
    }
    call_history *history = *place;
    memset(history, 0, sizeof *history);
    history->ledger = record->ledger;
    history->entry = record->entry;
    history->foreign = call->to->foreign != NULL;
    history->looks = !call->ticket->is_first; /* that look was taken: no second one for free */
    history->due = call->ticket->is_first ? INT64_MIN : 0;
    find_pointers(history, call);
    if (history->foreign) {
        find_integers(history, call);
    }
    history->calls_back = history->pointers > 0 && may_call_back(call);
    const foreign_binding *foreign = call->to->foreign;
    history->runs_python = foreign != NULL && foreign->runs_python != NULL &&
                           foreign->runs_python(call->to->callable);
    now->history = history;
    integers_learn(now);
    return history;
}

/* Whether a Python integer is of one digit, as nearly all are, and which. */
static inline bool
read_small(PyObject *argument, int64_t *value)
{
    if (!PyLong_CheckExact(argument)) {
        return false;
    }
#if PY_VERSION_HEX >= 0x030C0000
    if (!PyUnstable_Long_IsCompact((PyLongObject *)argument)) {
        return false;
    }
    *value = PyUnstable_Long_CompactValue((PyLongObject *)argument);
    return true;
#else
    Py_ssize_t size = Py_SIZE(argument);
    if (size < -1 || size > 1) {
        return false;
    }
    *value = size * (Py_ssize_t)((PyLongObject *)argument)->ob_digit[0]; /* 0 has a digit, too */
    return true;
#endif
}

/* Reads the integers of a call; whether all are what they were the last time. */
static inline bool
read_integers(compared_call *now)
{
    call_history *history = now->history;
    const callee *to = now->call->to;
    bool same = true;
    for (int i = 0; i < history->integers; i++) {
        PyObject *argument = to->arguments[history->integer_at[i]];
        int64_t value;
        if (!read_small(argument, &value) && !to->foreign->integer(argument, &value)) {
            value = 0; /* one beyond 64 bits compares with nothing */
        }
        now->values[i] = value;
        same &= history->last_values[i] == value;
        history->last_values[i] = value;
    }
    return same;
}

/* Reads where the pointers of a call lead; whether to as many bytes as the last time. */
static inline bool
read_pointers(compared_call *now)
{
    call_history *history = now->history;
    const callee *to = now->call->to;
    bool same = true;
    for (int i = 0; i < history->pointers; i++) {
        const layout *given = &pointer_argument(now, i)->given;
        const char *low = given->data, *high = given->data + given->nbytes;
        if (!given->contiguous_c && !given->contiguous_f) {
            layout_extent(given, &low, &high);
        }
        now->low[i] = (uintptr_t)low;
        now->high[i] = (uintptr_t)high;
        uintptr_t passed =
            history->foreign ? to->foreign->address(to->arguments[history->pointer_at[i]]) : 0;
        now->passed[i] = passed != 0 ? passed : (uintptr_t)given->data;
        uint64_t bytes = pointer_bytes(now, i);
        same &= history->last_bytes[i] == bytes;
        history->last_bytes[i] = bytes;
    }
    return same;
}

static bool
before(const begun_call *call, void *memory)
{
    kept_between *kept = memory;
    if (call->ticket->record.count == 0) {
        return false;
    }
    compared_call now; /* what there is of integers and pointers is filled below */
    now.call = call;
    now.history = history_of(call->ticket);
    if (now.history == NULL && (now.history = new_history(&now)) == NULL) {
        return false;
    }
    call_history *history = now.history;
    bool same_integers = read_integers(&now);
    bool same_pointers = read_pointers(&now);
    if (!same_integers) {
        integers_compare(&now);
    }
    if (history->pointers == 0) {
        return false;
    }
    if (!same_integers || !same_pointers) {
        lengths_compare(&now);
    }
    kept->history = history;
    kept->looks = history->credit >= history->due || contents_are_always_due(&now);
    if (kept->looks) {
        kept->looks = contents_before(&now, kept->contents);
    }
    return true;
}

static void
after(const callee *to, const call_ticket *ticket, uint64_t ticks, PyObject *result, void *memory)
{
    kept_between *kept = memory;
    call_history *history = kept->history;
    int64_t earned = (int64_t)(ticks >> CONTENTS_SHARE);
    if (kept->looks) {
        earned -= (int64_t)contents_after(ticket, kept->contents);
    }
    if (is_of(history, &ticket->record.bookings[0])) { /* none other has taken its place meanwhile */
        history->credit += earned;
        /* A call that was interrupted for long does not pay for many others. */
        history->credit = history->credit < history->enough ? history->credit : history->enough;
    }
}

static call_check arguments_check = {
    .memory = sizeof(kept_between),
    .before = before,
    .after = after,
    .looks_at = {.any = CALL_FOREIGN | CALL_READ_ONLY},
};
REGISTER_CALL_CHECK(arguments_check)
