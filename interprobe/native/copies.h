/* Decides what a conversion did and why, from the source and the result, and books it. */
#ifndef INTERPROBE_COPIES_H
#define INTERPROBE_COPIES_H

#include "ledger.h"
#include "numpy_api.h"

typedef struct {
    const char *mechanism; /* a static string: its address identifies the mechanism */
    int demanded;          /* NPY_ARRAY_* flags that the callee asked for */
    bool asked_for;        /* the program asked for a copy by name */
    char traversal;        /* 'C' or 'F': the order in which the source's elements are lined up where
                            * the result has another shape (ravel, reshape); 0: shapes agree */
    bool any_order;        /* a transfer's reader takes elements in any order, with or without gaps */
    bool existing;         /* the result existed before: its memory may overlap the source's */
    uint64_t caller;       /* return address into native code, or 0 */
    uint64_t bytes;        /* written; 0: all of the result */
    uint64_t started;      /* clock_ticks before the call */
} conversion;

/* The array in `object`, or NULL. */
static inline PyArrayObject *
array_or_null(PyObject *object)
{
    return object != NULL && PyArray_Check(object) ? (PyArrayObject *)object : NULL;
}

/* Books the conversion if `result` is a copy of `source`; a view or an empty array books nothing. */
void copies_of_array(const conversion *done, PyArrayObject *source, PyArrayObject *result);

/* Books bytes made from an array, as tobytes() does. */
void copies_to_bytes(const conversion *done, PyArrayObject *source, PyObject *bytes);

/* Books an array made from something that is no array: a list, a range, a buffer. Scalars, and
 * objects that make an array themselves (__array__), book nothing: no source was seen. */
void copies_of_object(const conversion *done, PyObject *source, PyArrayObject *result);

/* Books a transfer of elements that no conversion explains. `extra` are kinds that the layouts do not
 * tell (overlap, writeback, gather); such a copy, and one that was asked for, met no requirement.
 * `operand` is the source array where it is known, else NULL. */
void copies_of_transfer(const conversion *done, const layout *source, const layout *result,
                        unsigned extra, PyArrayObject *operand);

/* Books an array that is written back into the one that it was made from. */
void copies_of_writeback(const conversion *done, PyArrayObject *source, PyArrayObject *result);

/* Books elements that were picked out of an array into a fresh one, as x[indices] does. */
void copies_of_gather(const conversion *done, const layout *source, const layout *result,
                      PyArrayObject *operand);

#endif
