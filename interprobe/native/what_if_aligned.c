/* The counterfactual of misaligned elements: each at an address that its alignment divides. */
#include "cache_lines.h"
#include "what_if.h"

#include <string.h>

/* Whether the array's own steps let all elements be aligned, at another address. */
static bool
steps_are_aligned(const layout *is)
{
    npy_intp alignment = PyDataType_ALIGNMENT(is->descr);
    for (int axis = 0; axis < is->ndim; axis++) {
        if (is->shape[axis] > 1 && is->strides[axis] % alignment != 0) {
            return false;
        }
    }
    return true;
}

static uint32_t
applies(const ended_call *call)
{
    uint32_t positions = 0;
    for (int i = 0; i < call->count; i++) {
        const layout *is = &call->layouts[i];
        if (call->arrays[i] == NULL || is->aligned || is->nbytes < BYTES_THAT_MATTER / 16 ||
            layout_fetched(is) == 0 || PyDataType_REFCHK(is->descr)) {
            continue;
        }
        /* C keeps the steps that it was told of; others can be given an array of its own steps. */
        if (steps_are_aligned(is) || (call->to->foreign == NULL && layout_is_dense(is))) {
            positions |= UINT32_C(1) << i;
        }
    }
    return positions;
}

/* The same steps over a copy of the memory, gaps and all: C may have been told to read these too. */
static PyArrayObject *
moved(PyArrayObject *array, const layout *is)
{
    const char *low, *high;
    layout_extent(is, &low, &high);
    npy_intp alignment = PyDataType_ALIGNMENT(is->descr);
    npy_intp size = (npy_intp)(high - low) + alignment;
    PyArrayObject *room = (PyArrayObject *)PyArray_SimpleNew(1, &size, NPY_UINT8);
    if (room == NULL) {
        return NULL;
    }
    /* NumPy aligns its data to 16 bytes: what a copy of the program's own would get. Where the array
     * runs backwards, its first element need not be its lowest byte. */
    char *target = PyArray_BYTES(room);
    npy_intp first = is->data - low;
    target += (alignment - first % alignment) % alignment;
    memcpy(target, low, (size_t)(high - low));
    Py_INCREF(is->descr);
    PyArrayObject *made = (PyArrayObject *)PyArray_NewFromDescr(
        &PyArray_Type, is->descr, is->ndim, (npy_intp *)is->shape, (npy_intp *)is->strides,
        target + first, NPY_ARRAY_WRITEABLE, NULL);
    if (made == NULL || PyArray_SetBaseObject(made, (PyObject *)room) < 0) {
        if (made == NULL) {
            Py_DECREF(room);
        }
        Py_XDECREF(made);
        return NULL;
    }
    return made;
}

static PyArrayObject *
instead(const ended_call *call, int position)
{
    const layout *is = &call->layouts[position];
    if (steps_are_aligned(is)) {
        return moved(call->arrays[position], is);
    }
    return (PyArrayObject *)PyArray_NewCopy(call->arrays[position], NPY_KEEPORDER);
}

static what_if aligned = {
    .change = "aligned",
    .concerns = {.all = CALL_LIVE},
    .applies = applies,
    .instead = instead,
};
REGISTER_WHAT_IF(aligned)
