/* What if the arrays held no subnormal numbers? Then zeros stand in their place. */
#include "what_if.h"

#include "subnormals.h"

#include <string.h>

static uint32_t
applies(const ended_call *call)
{
    uint32_t positions = 0;
    for (int i = 0; i < call->count && !subnormals_are_flushed(); i++) {
        bool matters = call->arrays[i] != NULL &&
                       subnormals_matter(subnormals_count(&call->layouts[i]));
        positions |= matters ? 1u << i : 0;
    }
    return positions;
}

/* An array in memory of its own that lies there just as `like` does, gaps and alignment included. */
static PyArrayObject *
array_lying_as(PyArrayObject *like, const layout *is)
{
    enum { LINE = 64 };
    const char *low, *high;
    layout_extent(is, &low, &high);
    npy_intp bytes = (npy_intp)(high - low) + 2 * LINE;
    PyArrayObject *memory = (PyArrayObject *)PyArray_ZEROS(1, &bytes, NPY_UINT8, 0);
    if (memory == NULL) {
        return NULL;
    }
    char *start = PyArray_BYTES(memory);
    start += ((uintptr_t)low - (uintptr_t)start) % LINE;
    PyArray_Descr *descr = PyArray_DESCR(like);
    Py_INCREF(descr);
    PyArrayObject *made = (PyArrayObject *)PyArray_NewFromDescr(
        &PyArray_Type, descr, PyArray_NDIM(like), PyArray_DIMS(like), PyArray_STRIDES(like),
        start + (is->data - low), NPY_ARRAY_WRITEABLE, NULL);
    if (made == NULL || PyArray_SetBaseObject(made, (PyObject *)memory) < 0) {
        if (made == NULL) {
            Py_DECREF(memory);
        }
        Py_XDECREF(made);
        return NULL;
    }
    PyArray_UpdateFlags(made, NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_F_CONTIGUOUS | NPY_ARRAY_ALIGNED);
    return made;
}

static void
flush(char *at, int width)
{
    if (is_subnormal(at, width)) {
        memset(at, 0, (size_t)width);
    }
}

/* Puts zeros in place of all subnormal numbers, along one axis after the other. */
static void
flush_all(PyArrayObject *array, int axis, char *at, int width)
{
    if (axis == PyArray_NDIM(array)) {
        for (npy_intp i = 0; i < PyArray_ITEMSIZE(array); i += width) {
            flush(at + i, width);
        }
        return;
    }
    for (npy_intp i = 0; i < PyArray_DIM(array, axis); i++) {
        flush_all(array, axis + 1, at + i * PyArray_STRIDE(array, axis), width);
    }
}

static PyArrayObject *
instead(const ended_call *call, int position)
{
    PyArrayObject *given = call->arrays[position];
    const layout *is = &call->layouts[position];
    int width = subnormals_width(is);
    PyArrayObject *made = width == 0 ? NULL : array_lying_as(given, is);
    if (made != NULL && PyArray_CopyInto(made, given) < 0) {
        Py_CLEAR(made);
    }
    if (made != NULL) {
        flush_all(made, 0, PyArray_BYTES(made), width);
    }
    return made;
}

static what_if normal_numbers = {
    .change = "normal-numbers",
    .concerns = {.all = CALL_LAYOUT},
    .applies = applies,
    .instead = instead,
};
REGISTER_WHAT_IF(normal_numbers)
