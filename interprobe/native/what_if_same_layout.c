/* The control of the experiments with layouts: the same steps, in memory that is as new as theirs.
 *
 * A copy can be faster than the array it was made of for reasons that have nothing to do with its layout:
 * larger pages, or other places in the caches. What a change gains is what it gains over this.
 */
#include "cache_lines.h"
#include "layout_what_ifs.h"

#include <string.h>

#define MOST_GAPS (64 << 20) /* bytes beyond the array's own: what the engine sees to is free, and no more */

PyArrayObject *
moved_array(const layout *is, npy_intp unit, npy_intp past)
{
    const char *low, *high;
    layout_extent(is, &low, &high);
    npy_intp extent = (npy_intp)(high - low), size = extent + unit;
    if (PyDataType_REFCHK(is->descr) || extent > MOST_GAPS + is->nbytes) {
        return NULL;
    }
    PyArrayObject *room = (PyArrayObject *)PyArray_SimpleNew(1, &size, NPY_UINT8);
    if (room == NULL) {
        PyErr_Clear();
        return NULL;
    }
    npy_intp first = is->data - low; /* where the array runs backwards, its first element is not its lowest */
    npy_intp at = (npy_intp)((uintptr_t)PyArray_BYTES(room) + (uintptr_t)first) & (unit - 1);
    char *target = PyArray_BYTES(room) + ((past - at) & (unit - 1));
    memcpy(target, low, (size_t)extent);
    Py_INCREF(is->descr);
    PyArrayObject *made = (PyArrayObject *)PyArray_NewFromDescr(
        &PyArray_Type, is->descr, is->ndim, (npy_intp *)is->shape, (npy_intp *)is->strides,
        target + first, NPY_ARRAY_WRITEABLE, NULL);
    if (made == NULL) {
        Py_DECREF(room);
    } else if (PyArray_SetBaseObject(made, (PyObject *)room) < 0) {
        Py_CLEAR(made);
    }
    if (made == NULL) {
        PyErr_Clear();
    }
    return made;
}

static uint32_t
applies(const ended_call *call)
{
    return what_if_contiguous.applies(call) | what_if_transposed.applies(call) |
           what_if_padded.applies(call) | what_if_aligned.applies(call);
}

static PyArrayObject *
instead(const ended_call *call, int position)
{
    const layout *is = &call->layouts[position];
    return moved_array(is, CACHE_LINE, (npy_intp)((uintptr_t)is->data & (CACHE_LINE - 1)));
}

static what_if same_layout = {
    .change = "same-layout",
    .concerns = {.all = CALL_LAYOUT},
    .never = CALL_COPIED, /* what is gained by not converting is none of the layout */
    .applies = applies,
    .instead = instead,
};
REGISTER_WHAT_IF(same_layout)
