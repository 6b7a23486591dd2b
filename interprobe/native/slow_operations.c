/* Books NumPy's own operations that took long over arrays in several orders, or with far strides.
 *
 * `a + b.T` walks one array along memory and the other across it, and copies nothing. NumPy orders the
 * loops as well as it can, but there is no order that suits both. An operation is looked at when it has
 * ended, and only if an operand is not in C order: all others pay for a look at their flags.
 */
#include "slow_operations.h"

#include "clock.h"
#include "frames.h"
#include "ledger_operations.h"
#include "replay.h"

#include <numpy/ufuncobject.h>

#include <stdio.h>
#include <string.h>

enum {
    SLOW = 100000,        /* ns */
    LEAST_BYTES = 65536,  /* of an operand: less lies in the first caches, in whatever order */
    LINE = 64,
};

const char slow_operations_binding[] = "numpy";

axes_order
operand_axes(const layout *is)
{
    bool falls = true, rises = true;
    int axes = 0;
    npy_intp last = 0;
    for (int i = 0; i < is->ndim; i++) {
        npy_intp step = is->strides[i] < 0 ? -is->strides[i] : is->strides[i];
        if (is->shape[i] < 2 || step == 0) {
            continue;
        }
        falls = falls && (axes == 0 || step <= last);
        rises = rises && (axes == 0 || step >= last);
        last = step;
        axes++;
    }
    return axes < 2 ? AXES_ANY : falls ? AXES_C : rises ? AXES_F : AXES_OTHER;
}

bool
operand_is_far(const layout *is)
{
    npy_intp least = 0;
    for (int i = 0; i < is->ndim; i++) {
        npy_intp step = is->strides[i] < 0 ? -is->strides[i] : is->strides[i];
        if (is->shape[i] > 1 && step != 0 && (least == 0 || step < least)) {
            least = step;
        }
    }
    return least >= LINE && least >= 2 * is->elsize;
}

typedef struct {
    int count;
    int positions[LEDGER_OPERANDS]; /* among the arguments; -1: the result */
    layout layouts[LEDGER_OPERANDS];
} operands;

static void
add_operand(operands *to, int position, PyObject *object)
{
    if (to->count < LEDGER_OPERANDS && PyArray_Check(object)) {
        to->positions[to->count] = position;
        layout_read(&to->layouts[to->count++], (PyArrayObject *)object);
    }
}

static bool
counts(const layout *is)
{
    return is->nbytes >= LEAST_BYTES && !layout_is_broadcast(is);
}

/* Whether large operands lie in several orders, or one has its elements far apart. */
static bool
may_be_slow(const operands *all)
{
    unsigned orders = 0;
    bool far = false;
    for (int i = 0; i < all->count; i++) {
        const layout *is = &all->layouts[i];
        if (counts(is)) {
            orders |= 1u << operand_axes(is);
            far = far || operand_is_far(is);
        }
    }
    orders &= ~(1u << AXES_ANY);
    return far || (orders & (orders - 1)) != 0;
}

static uint64_t
hash_of(const operands *all)
{
    uint64_t hash = 0x9E3779B97F4A7C15u;
    for (int i = 0; i < all->count; i++) {
        const layout *is = &all->layouts[i];
        uint64_t word = (uint64_t)is->elsize << 32 | (uint64_t)(uint8_t)is->kind << 24 |
                        (uint64_t)(uint8_t)is->ndim << 16 | (uint64_t)(uint8_t)is->order << 8 |
                        (uint64_t)operand_axes(is) << 4 | (uint64_t)operand_is_far(is) << 1 |
                        (uint64_t)counts(is);
        hash = (hash ^ word ^ (uint64_t)all->positions[i] << 56) * 0xFF51AFD7ED558CCDu;
        hash ^= hash >> 32;
    }
    return hash;
}

/* --- repeating -------------------------------------------------------------------------------- */

static PyArrayObject *
array_behind(PyObject *argument)
{
    return PyArray_Check(argument) ? (PyArrayObject *)Py_NewRef(argument) : NULL;
}

static PyObject *
repeat(const callee *to, PyObject *const *arguments)
{
    const repeated_operation *what = to->repeats;
    Py_ssize_t named = to->keywords == NULL ? 0 : PyTuple_GET_SIZE(to->keywords);
    size_t positional = (size_t)(to->count - named);
    if (what->method == NULL) {
        return PyObject_Vectorcall(to->callable, arguments, positional, to->keywords);
    }
    PyObject *method = PyObject_GetAttrString(to->callable, what->method);
    if (method == NULL) {
        return NULL;
    }
    PyObject *result = PyObject_Vectorcall(method, arguments, positional, to->keywords);
    Py_DECREF(method);
    return result;
}

static void
offer_to_replay(const operation *now, const repeated_operation *what, const record_ticket *record,
                uint64_t ticks, calls_so_far all)
{
    const callee to = {
        .binding = slow_operations_binding,
        .function = (uint64_t)(uintptr_t)now->subject,
        .callable = now->subject,
        .arguments = now->arguments,
        .count = now->count + (now->names == NULL ? 0 : PyTuple_GET_SIZE(now->names)),
        .keywords = now->names,
        .array_behind = array_behind,
        .repeat = repeat,
        .repeats = what,
    };
    const call_ticket ticket = {.record = *record};
    replay_consider(&to, &ticket, 0, CALL_OPERATION, ticks, all);
}

/* --- booking ------------------------------------------------------------------------------------ */

/* The output that the program gave, where it gave one. */
static PyObject *
given_output(const operation *now, PyObject *result)
{
    return PyArray_Check(result) &&
                   operation_target(now, PyArray_DATA((PyArrayObject *)result)) != NULL
               ? result
               : NULL;
}

void
slow_operations_ended(const operation *now, const char *method, PyObject *result, uint64_t ticks)
{
    if (!clock_is_longer(ticks, SLOW) || now->code != NULL || now->keywords != NULL) {
        return;
    }
    const PyUFuncObject *ufunc = (const PyUFuncObject *)now->subject;
    repeated_operation what = {.method = method, .inputs = method == NULL ? ufunc->nin : 1};
    operands all = {.count = 0};
    for (int i = 0; i < what.inputs && i < now->count; i++) {
        add_operand(&all, i, now->arguments[i]);
    }
    PyObject *output = given_output(now, result);
    if (output != NULL) {
        add_operand(&all, -1, output);
        what.axes = operand_axes(&all.layouts[all.count - 1]);
    }
    position at;
    if (!may_be_slow(&all)) {
        return;
    }
    frames_locate(&at);
    if (at.own) {
        return;
    }
    operation by_name = *now;
    by_name.mechanism = NULL; /* the ufunc's own name, also where a method of it is called */
    const char *name = operation_name(&by_name);
    char full[128];
    snprintf(full, sizeof full, method == NULL ? "%s" : "%s.%s", name, method);
    operation_event event;
    memset(&event, 0, sizeof event);
    event.key.operation = (uint64_t)(uintptr_t)name ^ (uint64_t)(uintptr_t)method << 1;
    event.key.operands = hash_of(&all);
    event.key.place = at.here;
    event.key.user_place = at.user;
    event.operation = full;
    event.count = all.count;
    event.positions = all.positions;
    event.layouts = all.layouts;
    event.ticks = ticks;
    event.ended = clock_ticks();
    record_ticket record = {.count = 0};
    calls_so_far so_far = ledger_book_operation(&event, &record);
    if (so_far.ticks >= replay_threshold) {
        offer_to_replay(now, &what, &record, ticks, so_far);
    }
}
