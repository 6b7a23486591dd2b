/* Follows an array to the memory that it shows: how far that goes, and who holds it. */
#include "call_history.h"

static bool
set_extent(held_memory *out, const void *data, Py_ssize_t bytes)
{
    out->low = (uintptr_t)data;
    out->high = out->low + (uintptr_t)bytes;
    return true;
}

/* Memory that an object lends to the array at the end of a chain of views. */
static bool
read_lender(held_memory *out, PyObject *lender)
{
    if (lender != NULL && PyMemoryView_Check(lender)) {
        const Py_buffer *whole = &((PyMemoryViewObject *)lender)->mbuf->master;
        if (whole->obj == NULL) {
            return false;
        }
        if (PyBytes_Check(whole->obj)) {
            out->holder = HELD_BY_BYTES;
            out->writeable = false;
        }
        return set_extent(out, whole->buf, whole->len);
    }
    if (lender != NULL && PyBytes_Check(lender)) {
        out->holder = HELD_BY_BYTES;
        out->writeable = false;
        return set_extent(out, PyBytes_AS_STRING(lender), PyBytes_GET_SIZE(lender));
    }
    if (lender != NULL && PyByteArray_Check(lender)) {
        return set_extent(out, PyByteArray_AS_STRING(lender), PyByteArray_GET_SIZE(lender));
    }
    return false;
}

held_memory
memory_behind(const compared_call *now, int pointer)
{
    held_memory out = {HELD_BY_OTHERS, true, 0, 0};
    int position = now->history->pointer_at[pointer];
    PyArrayObject *array = position < now->call->given ? now->call->arrays[position] : NULL;
    if (array == NULL) {
        bool read_only = false;
        out.high = addresses_memory_end(now->passed[pointer], &read_only);
        out.writeable = !read_only;
        if (out.high != 0) {
            out.low = now->low[pointer];
            out.holder = HELD_BY_NUMPY;
        }
        return out;
    }
    while (PyArray_BASE(array) != NULL && PyArray_Check(PyArray_BASE(array))) {
        array = (PyArrayObject *)PyArray_BASE(array);
    }
    out.writeable = PyArray_ISWRITEABLE(array);
    if (PyArray_BASE(array) == NULL && PyArray_CHKFLAGS(array, NPY_ARRAY_OWNDATA)) {
        out.holder = HELD_BY_NUMPY;
        set_extent(&out, PyArray_DATA(array), PyArray_NBYTES(array));
    } else {
        read_lender(&out, PyArray_BASE(array));
    }
    return out;
}
