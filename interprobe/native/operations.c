/* The operation under way in a thread, and which arrays it reads and writes. */
#include "operations.h"

#include <numpy/ufuncobject.h>

THREAD_LOCAL operations_of_thread *operations_under_way = NULL;

operations_of_thread *
operations_of_new_thread(void)
{
    return thread_local_make((void **)&operations_under_way, sizeof *operations_under_way);
}

operation *
operation_here(void)
{
    operations_of_thread *all = operations_under_way;
    if (all == NULL || all->innermost == 0) {
        return NULL;
    }
    const void *frame = frames_current();
    for (int i = all->innermost; i > 0; i--) {
        if (all->links[i].is != NULL && all->links[i].frame == frame) {
            return all->links[i].is;
        }
    }
    all->unknown = (operation){.kind = OPERATION_UNSEEN, .mechanism = "numpy"};
    return all->unlinked > 0 ? &all->unknown : NULL;
}

/* Whether the memory between an array's lowest and highest byte overlaps [low, high). */
static bool
overlaps(PyArrayObject *array, const char *low, const char *high)
{
    const char *first = PyArray_DATA(array), *end = first + PyArray_ITEMSIZE(array);
    for (int i = 0; i < PyArray_NDIM(array); i++) {
        npy_intp reach = (PyArray_DIM(array, i) - 1) * PyArray_STRIDE(array, i);
        if (PyArray_DIM(array, i) == 0) {
            return false;
        }
        if (reach < 0) {
            first += reach;
        } else {
            end += reach;
        }
    }
    return first < high && low < end;
}

static PyArrayObject *
array_that_overlaps(PyObject *object, const char *low, const char *high)
{
    if (object != NULL && PyTuple_CheckExact(object)) {
        PyArrayObject *found = NULL;
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(object) && found == NULL; i++) {
            found = array_that_overlaps(PyTuple_GET_ITEM(object, i), low, high);
        }
        return found;
    }
    bool array = object != NULL && PyArray_Check(object);
    return array && overlaps((PyArrayObject *)object, low, high) ? (PyArrayObject *)object : NULL;
}

static PyObject *
out_argument(const operation *now)
{
    Py_ssize_t names = now->names == NULL ? 0 : PyTuple_GET_SIZE(now->names);
    for (Py_ssize_t i = 0; i < names; i++) {
        if (PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(now->names, i), "out") == 0) {
            return now->arguments[now->count + i];
        }
    }
    PyObject *key, *value;
    Py_ssize_t at = 0;
    while (now->keywords != NULL && PyDict_Next(now->keywords, &at, &key, &value)) {
        if (PyUnicode_Check(key) && PyUnicode_CompareWithASCIIString(key, "out") == 0) {
            return value;
        }
    }
    return NULL;
}

static PyArrayObject *
target_within(const operation *now, const char *low, const char *high)
{
    PyArrayObject *found = array_that_overlaps((PyObject *)now->target, low, high);
    if (found == NULL) {
        found = array_that_overlaps(out_argument(now), low, high);
    }
    if (now->mechanism == NULL) { /* a ufunc, whose outputs may follow its inputs */
        for (Py_ssize_t i = ((PyUFuncObject *)now->subject)->nin; i < now->count && found == NULL; i++) {
            found = array_that_overlaps(now->arguments[i], low, high);
        }
    }
    return found;
}

PyArrayObject *
operation_target(const operation *now, const char *address)
{
    return target_within(now, address, address + 1);
}

bool
operation_overwrites(const operation *now, const char *low, const char *high)
{
    return target_within(now, low, high) != NULL;
}

enum { ITEMS_SEARCHED = 64 }; /* of a list of operands: a longer one's later items go unnamed */

static bool
consider(PyObject *object, const char *address, npy_intp elements, PyArrayObject **found)
{
    if (object == NULL || !PyArray_Check(object)) {
        return true;
    }
    PyArrayObject *array = (PyArrayObject *)object;
    if (PyArray_SIZE(array) != elements || !overlaps(array, address, address + 1) || *found == array) {
        return true;
    }
    bool first = *found == NULL;
    *found = first ? array : NULL;
    return first;
}

PyArrayObject *
operation_operand(const operation *now, const char *address, npy_intp elements)
{
    PyArrayObject *found = NULL;
    /* A ufunc's subject is no operand; consider() passes over it. */
    if (!consider(now->subject, address, elements, &found)) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < now->count; i++) {
        PyObject *argument = now->arguments[i];
        if (argument != NULL && (PyList_CheckExact(argument) || PyTuple_CheckExact(argument))) {
            Py_ssize_t length = PySequence_Fast_GET_SIZE(argument);
            for (Py_ssize_t k = 0; k < length && k < ITEMS_SEARCHED; k++) {
                if (!consider(PySequence_Fast_GET_ITEM(argument, k), address, elements, &found)) {
                    return NULL;
                }
            }
        } else if (!consider(argument, address, elements, &found)) {
            return NULL;
        }
    }
    return found;
}
