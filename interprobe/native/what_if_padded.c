/* The counterfactual of rows that start a power of two apart: a little room behind each.
 *
 * A cache keeps a line in one of a few places, which bits 6 to 11 of its address choose in the fastest
 * cache of most processors: lines that are a multiple of 4096 bytes apart compete for the same ones.
 */
#include "cache_lines.h"
#include "layout_what_ifs.h"
#include "told_strides.h"

#define FEW_SETS_STEP 2048 /* bytes; steps of a multiple meet two of 64 sets at most */
#define MORE_THAN_FIT 32   /* lines: two sets hold 16 to 24 */

/* Whether memory order is that of C or of Fortran: the axes that an array with more room is made of. */
static bool
is_monotonic(const int *axes, int count)
{
    bool rising = true, falling = true;
    for (int i = 1; i < count; i++) {
        rising &= axes[i] > axes[i - 1];
        falling &= axes[i] < axes[i - 1];
    }
    return rising || falling;
}

static uint32_t
applies(const ended_call *call)
{
    uint32_t positions = 0;
    for (int i = 0; i < call->count; i++) {
        const layout *is = &call->layouts[i];
        if (call->arrays[i] == NULL || is->nbytes < BYTES_THAT_MATTER || PyDataType_REFCHK(is->descr)) {
            continue;
        }
        int axes[NPY_MAXDIMS];
        int count = layout_axes(is, axes);
        for (int k = 1; k < count; k++) {
            if (is->strides[axes[k]] % FEW_SETS_STEP == 0 && is->shape[axes[k]] > MORE_THAN_FIT &&
                is_monotonic(axes, count) && layout_is_dense(is) &&
                strides_may_change(call, i, ALL_BUT_NEIGHBOURS)) {
                positions |= UINT32_C(1) << i;
            }
        }
    }
    return positions;
}

/* A part of an array with a little more room in each axis but the widest, where that keeps the next one's
 * step from being a multiple of FEW_SETS_STEP. leading_dimensions.py computes the same for the cure. */
static PyArrayObject *
instead(const ended_call *call, int position)
{
    const layout *is = &call->layouts[position];
    int axes[NPY_MAXDIMS];
    int count = layout_axes(is, axes);
    npy_intp strides[NPY_MAXDIMS];
    npy_intp step = is->elsize;
    for (int axis = 0; axis < is->ndim; axis++) {
        strides[axis] = is->elsize; /* of an axis of one element: never stepped over */
    }
    for (int i = 0; i < count; i++) {
        npy_intp length = is->shape[axes[i]];
        strides[axes[i]] = step;
        if (i + 1 < count && step * length % FEW_SETS_STEP == 0) {
            length += step < CACHE_LINE ? (CACHE_LINE + step - 1) / step : 1;
        }
        step *= length;
    }
    PyArrayObject *room = (PyArrayObject *)PyArray_SimpleNew(1, &step, NPY_UINT8);
    if (room == NULL) {
        return NULL;
    }
    Py_INCREF(is->descr);
    PyArrayObject *made = (PyArrayObject *)PyArray_NewFromDescr(
        &PyArray_Type, is->descr, is->ndim, (npy_intp *)is->shape, strides, PyArray_DATA(room),
        NPY_ARRAY_WRITEABLE, NULL);
    if (made == NULL) {
        Py_DECREF(room);
        return NULL;
    }
    if (PyArray_SetBaseObject(made, (PyObject *)room) < 0 ||
        PyArray_CopyInto(made, call->arrays[position]) < 0) {
        Py_DECREF(made);
        return NULL;
    }
    return made;
}

what_if what_if_padded = {
    .change = "padded",
    .concerns = {.all = CALL_LAYOUT},
    .never = CALL_COPIED, /* what is gained by not converting is none of the layout */
    .applies = applies,
    .instead = instead,
    .changes_strides = true,
};
REGISTER_WHAT_IF(what_if_padded)
