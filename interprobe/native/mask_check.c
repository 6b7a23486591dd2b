/* Checks calls whose arguments lead to masked arrays: native code sees the numbers, never the mask.
 *
 * ctypes, cffi and f2py hand over the memory alone. Functions that are given the object can ask it for
 * its mask, so of these only conversions to an array without one are booked, inside the call. Nothing is
 * booked where the call is given the mask as well, or the number that stands for missing elements.
 */
#include "call_checks.h"

#include "masks.h"
#include "thread_local.h"

#include <stdio.h>
#include <string.h>

#define PENDING 4 /* masked arguments of a call whose conversions are looked out for */

/* Native code was given the memory of the masked array `position`, without its mask. `value`: elements that
 * it hides, `limit`: of so many. `text`: the first of those, as a number. Also of borrows; then without
 * a position. */
static const char MASK_DROPPED[] = "mask-dropped";

/* The array behind `position` is of a class, `text`, that gives its numbers a meaning of its own. */
static const char CLASS_DROPPED[] = "class-dropped";

/* The masked arguments of the thread's innermost call that was given such. */
typedef struct {
    const void *owner; /* that call's memory for checks; NULL: there is none */
    record_ticket record;
    int count;
    PyObject *objects[PENDING]; /* only compared with */
    int positions[PENDING];
    mask_extent extents[PENDING];
} pending_call;

static THREAD_LOCAL pending_call *pending;

typedef struct {
    bool is_pending;
} mask_memory;

static void
book(const record_ticket *about, int position, const mask_extent *extent, int64_t elements)
{
    const fact_event fact = {.kind = MASK_DROPPED, .position = position, .other = -1,
                             .value = extent->hidden, .limit = elements,
                             .text = extent->value[0] == '\0' ? NULL : extent->value};
    ledger_book_fact(about, &fact);
}

static inline int64_t
elements_of(const layout *is)
{
    return is->elsize > 0 ? is->nbytes / is->elsize : 0;
}

/* Whether another argument is the mask: its memory, or an array of such a shape that can be one. */
static bool
is_told_the_mask(const begun_call *call, int position, const char *mask)
{
    const layout *is = &call->arguments[position].given;
    for (int i = 0; i < call->given; i++) {
        const layout *other = &call->arguments[i].given;
        if (i == position || !call->arguments[i].has_layout) {
            continue;
        }
        bool fits = other->kind == 'b' || ((other->kind == 'i' || other->kind == 'u') &&
                                           (other->elsize == 1 || other->elsize == 4));
        if (other->data == mask || (fits && is->kind == 'f' &&
                                    elements_of(other) == elements_of(is)) ||
            (other->kind == 'b' && elements_of(other) == elements_of(is))) {
            return true;
        }
    }
    return false;
}

static bool
is_float_of_binding(const begun_call *call, PyObject *argument, double *value)
{
    const foreign_binding *foreign = call->to->foreign;
    return foreign != NULL && foreign->float_of != NULL && foreign->float_of(argument, value);
}

/* Whether an argument is the number that the first hidden element holds: "missing" in C's eyes too. */
static bool
is_told_the_value(const begun_call *call, int position, const char *value)
{
    bool whole = call->arguments[position].given.kind != 'f'; /* a length is no missing float */
    for (int i = 0; value[0] != '\0' && i < call->given; i++) {
        PyObject *argument = call->to->arguments[i];
        char text[32] = "";
        double number = 0;
        if (PyFloat_Check(argument)) {
            number = PyFloat_AS_DOUBLE(argument);
        } else if (whole && PyLong_Check(argument)) {
            number = (double)(int64_t)PyLong_AsUnsignedLongLongMask(argument);
        } else if (!is_float_of_binding(call, argument, &number)) {
            continue;
        }
        snprintf(text, sizeof text, "%.6g", number);
        if (strcmp(text, value) == 0) {
            return true;
        }
    }
    return false;
}

static void
wait_for_conversion(const begun_call *call, int position, const mask_extent *extent,
                    mask_memory *memory)
{
    if (pending == NULL && thread_local_make((void **)&pending, sizeof *pending) == NULL) {
        return;
    }
    if (!memory->is_pending) {
        *pending = (pending_call){.owner = memory, .record = call->ticket->record, .count = 0};
        memory->is_pending = true;
    }
    if (pending->count < PENDING) {
        int at = pending->count++;
        pending->objects[at] = call->to->arguments[position];
        pending->positions[at] = position;
        pending->extents[at] = *extent;
    }
}

static bool
before(const begun_call *call, void *memory)
{
    mask_memory *own = memory;
    own->is_pending = false;
    for (int i = 0; i < call->given; i++) {
        PyArrayObject *array = call->arrays[i];
        if (!call->arguments[i].has_layout || (array != NULL && PyArray_CheckExact(array))) {
            continue;
        }
        if (call_converts(call, i)) {
            continue;
        }
        bool by_memory = call->to->foreign != NULL || strcmp(call->to->binding, "f2py") == 0;
        const layout *is = &call->arguments[i].given;
        mask_extent extent;
        if (array != NULL && masks_read((PyObject *)array, &extent)) {
            if (is_told_the_mask(call, i, extent.mask) || is_told_the_value(call, i, extent.value)) {
                continue;
            }
            if (by_memory) {
                book(&call->ticket->record, i, &extent, elements_of(is));
            } else {
                wait_for_conversion(call, i, &extent, own);
            }
        } else if (array == NULL && is->hidden > 0) {
            extent = (mask_extent){.hidden = is->hidden};
            if (!is_told_the_mask(call, i, NULL)) {
                book(&call->ticket->record, i, &extent, elements_of(is));
            }
        } else if (array != NULL && by_memory && call->ticket->is_first &&
                   masks_class_has_meaning(array)) {
            const fact_event fact = {.kind = CLASS_DROPPED, .position = i, .other = -1,
                                     .text = Py_TYPE(array)->tp_name};
            ledger_book_fact(&call->ticket->record, &fact);
        }
    }
    return own->is_pending;
}

static void
after(const callee *to, const call_ticket *ticket, uint64_t ticks, PyObject *result, void *memory)
{
    (void)to, (void)ticket, (void)ticks, (void)result;
    if (pending != NULL && pending->owner == memory) {
        pending->owner = NULL;
        pending->count = 0;
    }
}

void
masks_converted(PyObject *source, PyObject *result)
{
    mask_extent still;
    for (int i = 0; pending != NULL && i < pending->count; i++) {
        if (pending->objects[i] == source && !masks_read(result, &still)) {
            book(&pending->record, pending->positions[i], &pending->extents[i],
                 PyArray_SIZE((PyArrayObject *)source));
        }
    }
}

void
masks_book_borrow(const record_ticket *about, PyArrayObject *array)
{
    mask_extent extent;
    if (masks_read((PyObject *)array, &extent)) {
        book(about, -1, &extent, PyArray_SIZE(array));
    }
}

static call_check mask_check = {
    .memory = sizeof(mask_memory),
    .before = before,
    .after = after,
    .looks_at = {.all = CALL_LAYOUT | CALL_SUBCLASS},
};
REGISTER_CALL_CHECK(mask_check)
