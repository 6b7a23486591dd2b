/* Finds the strides of a foreign call's arrays among its integers, and replaces them.
 *
 * An integer is a stride of an axis where it is that in bytes or in elements, no other integer of the call
 * is, and it is nothing else that the call could mean: no length, size or stride of any of its arrays. The
 * lengths must be among the integers, too: C that is told of strides is told how often to step.
 */
#include "told_strides.h"

#include "cache_lines.h"

#define LOWEST_HANDLE (1LL << 32) /* a number above that is rather an address */
#define WIDEST (1 << 20)          /* bytes of an element: its product with a number is one, too */

/* What one call tells of the strides of one of its arrays. */
typedef struct {
    bool in_bytes;              /* or in elements */
    int argument[NPY_MAXDIMS];  /* that is the stride of each axis; -1: none, or none for certain */
} told_strides;

static inline int64_t
magnitude(int64_t number)
{
    return number < 0 ? -number : number;
}

/* --- the integers of a call ------------------------------------------------------------------- */

/* False where an argument leads to memory that may hold anything, the strides and lengths included. */
static bool
read_integers(const ended_call *call, call_integers *out)
{
    const callee *to = call->to;
    out->count = 0;
    out->opaque = false;
    for (int i = 0; i < call->count; i++) {
        out->position = i;
        if (call->arrays[i] != NULL) {
            integers_add_array(out, &call->layouts[i]);
            continue;
        }
        pointed_layout found; /* of an array that is not replaced: an inner address, one in a struct */
        if (to->layouts_behind != NULL && to->layouts_behind(to->arguments[i], &found, 1) > 0) {
            return false;
        }
        to->foreign->integers_behind(to->arguments[i], out);
    }
    for (int i = 0; i < out->count; i++) {
        out->opaque |= out->of[i].value >= LOWEST_HANDLE || out->of[i].value <= -LOWEST_HANDLE;
    }
    return !out->opaque && out->count < CALL_INTEGERS;
}

/* --- what an integer could be ----------------------------------------------------------------- */

static inline bool
is_stepped(const layout *is, int axis)
{
    return is->shape[axis] > 1;
}

/* Whether a number could be meant for a stride: in bytes, in elements, or in parts of complex ones. */
static bool
could_be_stride(const layout *is, int axis, int64_t value)
{
    int64_t stride = magnitude(is->strides[axis]);
    value = magnitude(value);
    return value == stride || value * is->elsize == stride ||
           (is->kind == 'c' && value * is->elsize == 2 * stride);
}

/* Whether a number could be anything of an array but the stride of that axis (-1: of any). */
static bool
could_be_other(const layout *is, int but_axis, int64_t value)
{
    int64_t size = magnitude(value);
    bool is_element = size == is->elsize && !(but_axis >= 0 && is->strides[but_axis] == is->elsize);
    if (is_element || size == is->nbytes || size * is->elsize == is->nbytes) {
        return true;
    }
    for (int axis = 0; axis < is->ndim; axis++) {
        if (size == is->shape[axis] ||
            (axis != but_axis && is_stepped(is, axis) && could_be_stride(is, axis, value))) {
            return true;
        }
    }
    return false;
}

/* Whether a number tells where an axis ends rather than how long it is: C would step up to there. */
static bool
could_be_end(const layout *is, int axis, int64_t value)
{
    int64_t stride = magnitude(is->strides[axis]), last = (is->shape[axis] - 1) * stride;
    for (int other = 0; other < is->ndim; other++) {
        if (is_stepped(is, other) &&
            (value == is->shape[other] || could_be_stride(is, other, value))) {
            return false;
        }
    }
    value = magnitude(value);
    return (value >= last && value <= last + stride) ||
           (value * is->elsize >= last && value * is->elsize <= last + stride);
}

/* --- what C is told --------------------------------------------------------------------------- */

/* The argument that is the stride of one axis, or -1. `lengths` marks the integers that tell the lengths: in
 * a matrix without gaps one of them is also the other axis' stride in elements. */
static int
stride_argument(const ended_call *call, const call_integers *integers, const bool *lengths,
                int position, int axis, bool *in_bytes)
{
    const layout *is = &call->layouts[position];
    const call_integer *found = NULL;
    for (int i = 0; i < integers->count; i++) {
        const call_integer *each = &integers->of[i];
        if (lengths[i] || !could_be_stride(is, axis, each->value)) {
            continue;
        }
        if (found != NULL || each->manner != BY_VALUE) {
            return -1;
        }
        found = each;
    }
    if (found == NULL || magnitude(found->value) <= 1) { /* 1 is the value of many a switch */
        return -1;
    }
    *in_bytes = found->value == is->strides[axis];
    if (!*in_bytes && found->value * is->elsize != is->strides[axis]) {
        return -1;
    }
    for (int i = 0; i < call->count; i++) {
        if (call->arrays[i] != NULL &&
            could_be_other(&call->layouts[i], i == position ? axis : -1, found->value)) {
            return -1;
        }
    }
    for (int i = 0; i < integers->count; i++) {
        if (could_be_end(is, axis, integers->of[i].value)) {
            return -1;
        }
    }
    int64_t value;
    const foreign_binding *foreign = call->to->foreign;
    bool replaceable = foreign->integer_like != NULL &&
                       foreign->integer(call->to->arguments[found->position], &value) &&
                       value == found->value &&
                       (foreign->converts == NULL ||
                        !foreign->converts(call->to->callable, found->position));
    return replaceable ? found->position : -1;
}

/* Marks the first unmarked integer that is a length; false: there is none. */
static bool
take_length(const call_integers *integers, npy_intp length, bool *taken)
{
    for (int i = 0; i < integers->count; i++) {
        if (!taken[i] && integers->of[i].manner != IN_MEMORY && integers->of[i].value == length) {
            return taken[i] = true;
        }
    }
    return false;
}

/* Whether the call tells the length of each axis or how many elements there are; marks what tells it. */
static bool
lengths_are_told(const call_integers *integers, const layout *is, bool *taken)
{
    if (take_length(integers, is->nbytes / is->elsize, taken)) {
        return true;
    }
    for (int axis = 0; axis < is->ndim; axis++) {
        if (is_stepped(is, axis) && !take_length(integers, is->shape[axis], taken)) {
            return false;
        }
    }
    return true;
}

/* False where nothing is certain. */
static bool
read_told(const ended_call *call, int position, told_strides *out)
{
    call_integers integers;
    const callee *to = call->to;
    const layout *is = &call->layouts[position];
    bool lengths[CALL_INTEGERS] = {false};
    int axes[NPY_MAXDIMS], known = 0;
    if (is->elsize == 0 || is->elsize > WIDEST || layout_axes(is, axes) < 1 || !read_integers(call, &integers) ||
        !lengths_are_told(&integers, is, lengths) ||
        (to->foreign->converts != NULL && to->foreign->converts(to->callable, position))) {
        return false;
    }
    for (int axis = 0; axis < is->ndim; axis++) {
        bool in_bytes = false;
        out->argument[axis] =
            is_stepped(is, axis)
                ? stride_argument(call, &integers, lengths, position, axis, &in_bytes)
                : -1;
        if (out->argument[axis] >= 0) {
            if (known++ > 0 && out->in_bytes != in_bytes && is->elsize > 1) {
                return false;
            }
            out->in_bytes = in_bytes;
        }
    }
    return known > 0;
}

/* Whether an axis whose elements are neighbours is told of by a number that is one of a row of strides: by
 * itself it could as well be the size of an element. */
static bool
stands_with_others(const layout *is, const told_strides *told, int axis)
{
    for (int other = 0; other < is->ndim; other++) {
        if (other != axis && told->argument[other] >= 0 &&
            told->argument[other] - told->argument[axis] == other - axis) {
            return true;
        }
    }
    return false;
}

bool
strides_may_change(const ended_call *call, int position, changed_strides which)
{
    if (call->to->foreign == NULL) {
        return true;
    }
    const layout *is = &call->layouts[position];
    told_strides told;
    if (!read_told(call, position, &told)) {
        return false;
    }
    for (int axis = 0; axis < is->ndim; axis++) {
        bool are_neighbours = is->strides[axis] == is->elsize;
        bool stays = are_neighbours && which == ALL_BUT_NEIGHBOURS;
        if (is_stepped(is, axis) && !stays &&
            (told.argument[axis] < 0 || (are_neighbours && !stands_with_others(is, &told, axis)))) {
            return false;
        }
    }
    return true;
}

/* --- in the child ----------------------------------------------------------------------------- */

/* An argument like the one that told of a stride; NULL: the number cannot be told so. */
static PyObject *
new_stride(const ended_call *call, int argument, int64_t value)
{
    const foreign_binding *foreign = call->to->foreign;
    int bits = foreign->integer_bits == NULL ? 0
                                             : foreign->integer_bits(call->to->callable, argument);
    bits = bits < 0 ? -bits - 1 : bits;
    int64_t most = bits > 0 && bits < 31 ? (1 << bits) - 1 : INT32_MAX;
    if (magnitude(value) > most) {
        return NULL;
    }
    PyObject *made = foreign->integer_like(call->to->arguments[argument], value);
    int64_t told;
    return made != NULL && foreign->integer(made, &told) && told == value ? made : NULL;
}

/* Whether an array takes one element of each row or record of a larger one, and their first: C could take a
 * stride for the length of a row, and look at all of it. */
static bool
could_stand_for_rows(const ended_call *call, int position)
{
    const layout *is = &call->layouts[position];
    layout whole;
    layout_read(&whole, layout_holder(call->arrays[position]));
    bool begins_a_row = false;
    for (int axis = 0; axis < is->ndim; axis++) {
        if (is_stepped(is, axis) && is->strides[axis] == is->elsize) {
            return false;
        }
        begins_a_row |= is_stepped(is, axis) && is->strides[axis] != 0 &&
                        (is->data - whole.data) % is->strides[axis] == 0;
    }
    return begins_a_row && whole.nbytes > is->nbytes; /* of a mere address no larger array is known */
}

/* The same of one array that stands in the place of another. */
static retold
retell_array(const ended_call *call, int position, PyArrayObject *array, PyObject **arguments)
{
    const layout *is = &call->layouts[position];
    const npy_intp *strides = PyArray_STRIDES(array);
    told_strides told;
    retold result = STRIDES_KEPT;
    for (int axis = 0; axis < is->ndim; axis++) {
        if (!is_stepped(is, axis) || strides[axis] == is->strides[axis]) {
            continue;
        }
        if (result == STRIDES_KEPT && !read_told(call, position, &told)) {
            return STRIDES_NOT_TOLD;
        }
        int64_t unit = told.in_bytes ? 1 : is->elsize;
        int argument = told.argument[axis];
        PyObject *made = argument < 0 || strides[axis] % unit != 0
                             ? NULL
                             : new_stride(call, argument, strides[axis] / unit);
        if (made == NULL) {
            return STRIDES_NOT_TOLD;
        }
        arguments[argument] = made;
        bool is_doubtful = is->strides[axis] == is->elsize || could_stand_for_rows(call, position);
        result = is_doubtful || result == STRIDES_PERHAPS ? STRIDES_PERHAPS : STRIDES_RETOLD;
    }
    return result;
}

retold
retell_strides(const ended_call *call, PyArrayObject *const *behind, PyObject **arguments)
{
    retold result = STRIDES_KEPT;
    for (int i = 0; call->to->foreign != NULL && i < call->count; i++) {
        if (behind[i] == call->arrays[i]) {
            continue;
        }
        retold one = retell_array(call, i, behind[i], arguments);
        result = one > result ? one : result;
    }
    return result;
}
