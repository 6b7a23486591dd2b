/* Masked arrays: NumPy's arrays of which some elements count as missing. */
#ifndef INTERPROBE_MASKS_H
#define INTERPROBE_MASKS_H

#include "ledger.h"

/* What an array's mask hides. */
typedef struct {
    int64_t hidden;        /* elements */
    const char *mask;      /* its memory */
    char value[32];        /* the first hidden element, as a number; "" where it is none */
} mask_extent;

/* Whether an object is a numpy.ma.MaskedArray that hides elements; then `out` says which. Exact ndarrays
 * answer at once. Runs no Python code; a set exception stays set. GIL held. */
bool masks_read(PyObject *object, mask_extent *out);

/* Whether an array's class gives its numbers a meaning that their bytes do not have: one that is neither
 * NumPy's nor leaves operations and functions as they are, such as one with units. */
bool masks_class_has_meaning(PyArrayObject *array);

/* A masked array was converted to an array without a mask: booked where the innermost call was given it
 * and not its mask. */
void masks_converted(PyObject *source, PyObject *result);

/* Books what is hidden in an array that was lent, if it is a masked one. */
void masks_book_borrow(const record_ticket *about, PyArrayObject *array);

#endif
