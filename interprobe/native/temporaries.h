/* Arrays that a ufunc made only for the next one to read: the intermediate results of an expression. */
#ifndef INTERPROBE_TEMPORARIES_H
#define INTERPROBE_TEMPORARIES_H

#include "numpy_api.h"
#include "operations.h"

#include <stdbool.h>
#include <stdint.h>

/* Smaller results are not followed: they fit the first caches, and a look at each would cost more. */
#define TEMPORARY_LEAST_BYTES (64 * 1024)

static inline bool
temporaries_considers(PyObject *object)
{
    return object != NULL && PyArray_CheckExact(object) && Py_REFCNT(object) == 1 &&
           PyArray_NBYTES((PyArrayObject *)object) >= TEMPORARY_LEAST_BYTES;
}

/* A ufunc is about to read `operand`, to which the caller holds the only reference. GIL held. */
void temporaries_read(const operation *now, PyArrayObject *operand);

/* A ufunc has made `result`; `started` are the ticks before its call. GIL held. */
void temporaries_made(const operation *now, PyArrayObject *result, uint64_t started);

#endif
