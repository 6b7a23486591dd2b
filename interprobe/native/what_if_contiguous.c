/* The counterfactual of strided arguments: their elements side by side. */
#include "cache_lines.h"
#include "layout_what_ifs.h"
#include "told_strides.h"

#include <string.h>

static uint32_t
applies(const ended_call *call)
{
    uint32_t positions = 0;
    for (int i = 0; i < call->count; i++) {
        const layout *is = &call->layouts[i];
        if (call->arrays[i] != NULL && is->order == LAYOUT_STRIDED &&
            layout_fetched(is) >= BYTES_THAT_MATTER && !layout_is_dense(is) &&
            strides_may_change(call, i, ALL_BUT_NEIGHBOURS)) {
            positions |= UINT32_C(1) << i;
        }
    }
    return positions;
}

/* The same array with as much memory behind it as lay between two elements: C may take the first field of
 * records for all of them, and read as far. */
static PyArrayObject *
with_room_behind(PyArrayObject *array, const layout *was)
{
    int axes[NPY_MAXDIMS], count = layout_axes(was, axes);
    npy_intp farthest = count < 1 ? 0 : was->strides[axes[count - 1]];
    npy_intp size = was->nbytes + (farthest < 0 ? -farthest : farthest);
    PyArrayObject *room = (PyArrayObject *)PyArray_ZEROS(1, &size, NPY_UINT8, 0);
    if (room == NULL) {
        return NULL;
    }
    memcpy(PyArray_DATA(room), PyArray_DATA(array), (size_t)was->nbytes);
    Py_INCREF(PyArray_DESCR(array));
    PyArrayObject *made = (PyArrayObject *)PyArray_NewFromDescr(
        &PyArray_Type, PyArray_DESCR(array), PyArray_NDIM(array), PyArray_DIMS(array),
        PyArray_STRIDES(array), PyArray_DATA(room), NPY_ARRAY_WRITEABLE, NULL);
    if (made != NULL && PyArray_SetBaseObject(made, (PyObject *)room) < 0) {
        Py_CLEAR(made);
    }
    return made;
}

/* The axes keep their order in memory: that is another question. */
static PyArrayObject *
instead(const ended_call *call, int position)
{
    const layout *is = &call->layouts[position];
    PyArrayObject *copy = (PyArrayObject *)PyArray_NewCopy(call->arrays[position], NPY_KEEPORDER);
    if (copy == NULL || call->to->foreign == NULL || PyDataType_REFCHK(is->descr)) {
        return copy;
    }
    PyArrayObject *made = with_room_behind(copy, is);
    Py_DECREF(copy);
    return made;
}

what_if what_if_contiguous = {
    .change = "contiguous",
    .concerns = {.all = CALL_LAYOUT | CALL_STRIDED},
    .never = CALL_COPIED, /* what is gained by not converting is none of the layout */
    .applies = applies,
    .instead = instead,
    .changes_strides = true,
};
REGISTER_WHAT_IF(what_if_contiguous)
