/* Decides what a finished transfer was: a copy, an output, a fill or part of a conversion. */
#include "transfers.h"

#include "allocations.h"
#include "copies.h"
#include "frames.h"
#include "ledger.h"
#include "operations.h"
#include "replay.h"

#include <stdlib.h>
#include <string.h>

enum { CLAIMS = 16 }; /* transfers kept for a conversion that may leave them unexplained */

/* What the calls show of one end: one dimension where each call goes on from the one before, two
 * where the calls are rows, and else no shape but the number of elements. */
static void
layout_of_end(layout *out, const transfer_end *end, const transfer *whole, PyArray_Descr *descr,
              npy_intp elements, npy_intp *shape, npy_intp *strides)
{
    if (!end->continues && end->regular && whole->uniform &&
        elements == whole->extent * (npy_intp)whole->calls) {
        shape[0] = (npy_intp)whole->calls;
        shape[1] = whole->extent;
        strides[0] = end->step;
        strides[1] = end->stride;
        layout_of_elements(out, descr, end->data, 2, shape, strides);
        return;
    }
    shape[0] = elements;
    strides[0] = end->stride;
    layout_of_elements(out, descr, end->data, 1, shape, strides);
    if (!end->continues) {
        /* Three or more dimensions: which, the calls do not tell. */
        out->contiguous_c = out->contiguous_f = false;
        out->order = LAYOUT_STRIDED;
    }
}

static transfer *
last_of(transfer *first)
{
    while (first->next != NULL) {
        first = first->next;
    }
    return first;
}

/* The layout of a fresh block that a known operand was copied into: of its shape, C or F ordered. */
static bool
layout_of_fresh(layout *out, const transfer *first, const transfer *last, PyArrayObject *operand,
                npy_intp *strides)
{
    int ndim = PyArray_NDIM(operand), inner = -1, outermost = -1, innermost = -1;
    npy_intp elsize = PyDataType_ELSIZE(last->result);
    if ((last->to.stride != elsize && last->extent > 1) || PyArray_SIZE(operand) != last->elements) {
        return false;
    }
    /* The axis that was walked first is the one that the result has contiguous. */
    for (int i = 0; i < ndim; i++) {
        if (PyArray_DIM(operand, i) > 1) {
            outermost = outermost < 0 ? i : outermost;
            innermost = i;
            inner = PyArray_STRIDE(operand, i) == first->from.stride ? i : inner;
        }
    }
    bool c_order = inner == innermost;
    if (!c_order && inner != outermost) {
        return false;
    }
    npy_intp step = elsize;
    for (int i = 0; i < ndim; i++) {
        int axis = c_order ? ndim - 1 - i : i;
        strides[axis] = step;
        step *= PyArray_DIM(operand, axis);
    }
    layout_of_elements(out, last->result, last->to.data, ndim, PyArray_DIMS(operand), strides);
    return true;
}

static void
book(transfer *first, const operation *now, unsigned extra, bool asked_for, PyArrayObject *target)
{
    transfer *last = last_of(first);
    npy_intp from_shape[2], from_strides[2], to_shape[2], to_strides[NPY_MAXDIMS];
    layout from, to;
    layout_of_end(&from, &first->from, first, first->source, last->elements, from_shape, from_strides);
    layout_of_end(&to, &last->to, last, last->result, last->elements, to_shape, to_strides);
    PyArrayObject *operand =
        now == NULL ? NULL : operation_operand(now, first->from.data, last->elements);
    if (operand != NULL) {
        npy_intp strides[NPY_MAXDIMS];
        layout whole;
        bool known = false;
        if (target != NULL && PyArray_SIZE(target) == last->elements) {
            layout_read(&to, target);
            known = true;
        } else if (layout_of_fresh(&whole, first, last, operand, strides)) {
            memcpy(to_strides, strides, sizeof strides);
            to = whole;
            to.strides = to_strides;
            known = true;
        }
        if (known) {
            layout_read(&from, operand);
        }
    }
    const conversion done = {
        .mechanism = now == NULL ? "numpy" : operation_name(now),
        .asked_for = asked_for,
        .any_order = now != NULL && now->kind == OPERATION_ITERATOR,
        .existing = target != NULL,
        .bytes = (uint64_t)(last->elements * PyDataType_ELSIZE(last->result)),
        .started = first->started,
    };
    copies_of_transfer(&done, &from, &to, extra, operand);
    bool unseen = now == NULL || now->kind == OPERATION_UNSEEN;
    if (unseen && extra == 0 && !done.existing && !asked_for) {
        /* By functions of NumPy's that were looked up before the recording began. */
        replay_note_conversion(NULL, from.data, last->result, to.order == LAYOUT_F);
    }
}

/* Whether the elements that were read overlap an array that the operation writes into. */
static bool
reads_what_is_written(const transfer *first, const operation *now)
{
    const transfer_end *end = &first->from;
    npy_intp reach = (first->extent - 1) * end->stride;
    const char *low = end->low + (reach < 0 ? reach : 0);
    const char *high = end->high + (reach > 0 ? reach : 0) + PyDataType_ELSIZE(first->source);
    return operation_overwrites(now, low, high);
}

static bool
fills_gathered(operation *now, const char *data, uint64_t block)
{
    if (block != 0 && now->result == NULL) {
        now->result = data;
        now->result_bytes = block;
    }
    return now->result != NULL && data >= now->result && data < now->result + now->result_bytes;
}

static bool
claim(transfer *first, operation *now)
{
    int claims = 0;
    for (transfer *each = now->claimed; each != NULL; each = each->waiting) {
        claims++;
    }
    if (claims == CLAIMS) {
        return false;
    }
    first->waiting = now->claimed;
    now->claimed = first;
    return true;
}

/* One element, spread over the destination or alone, is a fill, unless it is an array's. */
static bool
is_fill(const transfer *first, const transfer *last, const operation *now)
{
    const transfer_end *end = &first->from;
    if (end->low != end->high || (end->stride != 0 && first->extent > 1)) {
        return false;
    }
    if (now != NULL && now->kind == OPERATION_ASSIGNMENT) {
        PyObject *value = now->arguments[0];
        return !PyArray_Check(value) || PyArray_NDIM((PyArrayObject *)value) == 0;
    }
    bool reads_operands = now != NULL && now->kind != OPERATION_CONVERSION;
    return last->elements > 1 || !reads_operands;
}

/* Whether a transfer leaves the elements of one type, and read where they lay aligned. */
static bool
keeps_elements(const transfer *first, const transfer *last)
{
    npy_intp alignment = PyDataType_ALIGNMENT(first->source);
    const transfer_end *end = &first->from;
    uintptr_t bits = (uintptr_t)end->data | (uintptr_t)end->stride | (uintptr_t)end->step;
    return PyArray_EquivTypes(first->source, last->result) &&
           (alignment <= 1 || bits % (uintptr_t)alignment == 0);
}

/* ndarray.byteswap copies its operand as it lies, and swaps the bytes in the copy. */
static bool
swaps_bytes(const operation *now)
{
    return now->by_name && strcmp(operation_name(now), "ndarray.byteswap") == 0;
}

/* Returns whether the transfer is kept for its conversion. */
static bool
explain(transfer *first)
{
    transfer *last = last_of(first);
    operation *now = operation_here();
    const char *data = last->to.data;
    if (is_fill(first, last, now)) {
        return false;
    }
    /* Only data that NumPy allocated for an array counts as one: a ufunc's buffers are not. */
    uint64_t block = allocations_bytes(data);
    PyArrayObject *target = now == NULL ? NULL : operation_target(now, data);
    bool fresh = block != 0 && target == NULL;
    bool written_back = target != NULL && allocations_bytes(first->from.data) != 0;
    if (now == NULL) {
        if (fresh) {
            book(first, NULL, 0, false, NULL);
        }
        return false;
    }
    if (now->kind == OPERATION_ITERATOR) {
        /* Iterators copy whole operands to convert them, or because they overlap one that is written. */
        if (fresh && last->elements > 1) {
            book(first, now, keeps_elements(first, last) ? KIND_OVERLAP : 0, false, NULL);
        }
        return false;
    }
    if (now->kind == OPERATION_WRITEBACK) {
        /* The end of an iterator also releases what has filled its buffers up to now. */
        if (first->started >= now->began && allocations_bytes(first->from.data) != 0) {
            book(first, now, KIND_WRITEBACK, false, NULL);
        }
        return false;
    }
    bool overlap = fresh && reads_what_is_written(first, now);
    if (overlap) {
        book(first, now, KIND_OVERLAP, false, NULL);
        return false;
    }
    switch (now->kind) {
    case OPERATION_CONVERSION:
        return fresh && claim(first, now);
    case OPERATION_ELEMENTWISE:
        if (written_back) {
            book(first, now, KIND_OVERLAP | KIND_WRITEBACK, false, target);
        }
        break;
    case OPERATION_OPERANDS:
        if (written_back) {
            book(first, now, KIND_WRITEBACK, false, target);
        } else if (fresh &&
                   !(now->moves_references && PyDataType_FLAGCHK(last->result, NPY_ITEM_REFCOUNT))) {
            book(first, now, swaps_bytes(now) ? KIND_BYTESWAP : 0, now->by_name, NULL);
        }
        break;
    case OPERATION_ASSIGNMENT:
        if (target != NULL || fresh) {
            book(first, now, 0, target != NULL, target);
        }
        break;
    case OPERATION_GATHER:
        if (target != NULL || fills_gathered(now, data, block)) {
            book(first, now, KIND_GATHER, true, NULL);
        }
        break;
    case OPERATION_ITERATOR:
    case OPERATION_WRITEBACK:
    case OPERATION_UNSEEN:
        break;
    }
    return false;
}

void
transfer_finished(transfer *first)
{
    transfer *last = last_of(first);
    bool kept = false;
    /* What reads a buffer and clears it ends an output. */
    if (ledger_active && last->elements > 0 && !first->flushes && frames_thread_attached()) {
        PyObject *type, *value, *traceback;
        PyErr_Fetch(&type, &value, &traceback);
        kept = explain(first);
        PyErr_Restore(type, value, traceback);
    }
    if (!kept) {
        transfer_discard(first);
    }
}

void
operation_settle(operation *now)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    transfer *each = now->claimed;
    bool unexplained = !now->booked && ledger_active;
    now->claimed = NULL;
    now->target = NULL;
    while (each != NULL) {
        transfer *next = each->waiting;
        if (unexplained) {
            book(each, now, 0, false, NULL);
        }
        transfer_discard(each);
        each = next;
    }
    PyErr_Restore(type, value, traceback);
}
