/* Reads integers: Python's, NumPy's, and those in memory. */
#include "call_integers.h"

#include "addresses.h"
#include "numpy_api.h"
#include "readable_memory.h"

#include <numpy/arrayscalars.h>
#include <string.h>

#define WORDS_READ 16 /* of one argument's memory */

void
integers_add_at(call_integers *to, const char *memory, Py_ssize_t size, bool is_signed,
                integer_manner manner)
{
    uint64_t raw = 0;
    if (size != 1 && size != 2 && size != 4 && size != 8) {
        return;
    }
    memcpy(&raw, memory, (size_t)size); /* little-endian, as every machine that this is built for */
    int unused = 64 - 8 * (int)size;
    int64_t value = is_signed ? (int64_t)(raw << unused) >> unused : (int64_t)raw;
    integers_add(to, value, manner);
}

void
integers_add_array(call_integers *to, const layout *is)
{
    bool are_integers = (is->kind == 'i' || is->kind == 'u') && is->elsize >= 4;
    if (!are_integers || is->nbytes > 2 * ADDRESS_DIMENSIONS * is->elsize || is->ndim > 1) {
        return;
    }
    npy_intp length = is->ndim == 0 ? 1 : is->shape[0], step = is->ndim == 0 ? 0 : is->strides[0];
    const char *low, *high;
    layout_extent(is, &low, &high);
    bool readable = memory_is_readable(low, (uint64_t)(high - low));
    for (npy_intp i = 0; readable && i < length; i++) {
        integers_add_at(to, is->data + i * step, is->elsize, is->kind == 'i',
                        length == 1 ? BY_POINTER : IN_A_ROW);
    }
}

void
integers_add_words(call_integers *to, const char *memory, Py_ssize_t size)
{
    for (Py_ssize_t at = 0; at + 4 <= size && at < WORDS_READ * 8; at += 4) {
        integers_add_at(to, memory + at, 4, true, IN_MEMORY);
        if (at % 8 == 0 && at + 8 <= size) {
            integers_add_at(to, memory + at, 8, true, IN_MEMORY);
        }
    }
}

/* The value of one of NumPy's own integer scalars; false for all else. */
static bool
scalar_value(PyObject *scalar, int64_t *value)
{
    PyTypeObject *type = Py_TYPE(scalar);
    if (type == &PyLongArrType_Type) {
        *value = PyArrayScalar_VAL(scalar, Long);
    } else if (type == &PyIntArrType_Type) {
        *value = PyArrayScalar_VAL(scalar, Int);
    } else if (type == &PyULongArrType_Type) {
        *value = (int64_t)PyArrayScalar_VAL(scalar, ULong);
    } else if (type == &PyUIntArrType_Type) {
        *value = PyArrayScalar_VAL(scalar, UInt);
    } else if (type == &PyLongLongArrType_Type) {
        *value = PyArrayScalar_VAL(scalar, LongLong);
    } else if (type == &PyULongLongArrType_Type) {
        *value = (int64_t)PyArrayScalar_VAL(scalar, ULongLong);
    } else if (type == &PyShortArrType_Type) {
        *value = PyArrayScalar_VAL(scalar, Short);
    } else if (type == &PyUShortArrType_Type) {
        *value = PyArrayScalar_VAL(scalar, UShort);
    } else {
        return false;
    }
    return true;
}

bool
integers_add_number(call_integers *to, PyObject *number)
{
    int64_t value;
    if (PyBool_Check(number)) {
        return true; /* a switch: neither a length nor a stride */
    }
    if (PyLong_Check(number)) {
        int overflow;
        value = PyLong_AsLongLongAndOverflow(number, &overflow);
        if (overflow != 0) {
            return true;
        }
    } else if (!scalar_value(number, &value)) {
        return false;
    }
    integers_add(to, value, BY_VALUE);
    return true;
}
