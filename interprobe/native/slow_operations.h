/* NumPy's own operations that are slow over arrays in several orders, or with far strides.
 *
 * They copy nothing, so that no copy tells of them. */
#ifndef INTERPROBE_SLOW_OPERATIONS_H
#define INTERPROBE_SLOW_OPERATIONS_H

#include "layout.h"
#include "operations.h"

#include <stdbool.h>
#include <stdint.h>

/* How an operand's axes lie in memory, those of one element left out. */
typedef enum {
    AXES_ANY,   /* one axis at most: it agrees with every order */
    AXES_C,     /* the last varies fastest */
    AXES_F,     /* the first does */
    AXES_OTHER, /* neither */
} axes_order;

axes_order operand_axes(const layout *is);

/* Whether its elements lie so far apart that each is on a cache line of its own. */
bool operand_is_far(const layout *is);

/* What an operation of NumPy's is to be repeated with: the `repeats` of its callee. */
typedef struct {
    const char *method; /* of the ufunc: "reduce"; NULL: the ufunc itself is called */
    int inputs;         /* how many of the first arguments are read */
    axes_order axes;    /* of the array that it is told to write; AXES_ANY: it makes its own */
} repeated_operation;

extern const char slow_operations_binding[]; /* of those callees */

static inline bool
operand_is_considered(PyObject *object)
{
    return PyArray_Check(object) && !PyArray_IS_C_CONTIGUOUS((PyArrayObject *)object);
}

/* Whether an operation may be slow by the layouts of its operands. */
static inline bool
slow_operations_consider(PyObject *const *arguments, Py_ssize_t count)
{
    bool found = false;
    for (Py_ssize_t i = 0; i < count && !found; i++) {
        found = operand_is_considered(arguments[i]);
    }
    return found;
}

/* A ufunc, or that method of it, has made `result` in so many ticks; books it where it was slow, and
 * its operands may be the cause. GIL held. */
void slow_operations_ended(const operation *now, const char *method, PyObject *result, uint64_t ticks);

#endif
