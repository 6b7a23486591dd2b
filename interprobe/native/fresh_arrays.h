/* Arrays that native code has just made: what it copies into one is a conversion to its layout. */
#ifndef INTERPROBE_FRESH_ARRAYS_H
#define INTERPROBE_FRESH_ARRAYS_H

#include "numpy_api.h"

#include <stdbool.h>

/* Whether the caller of a C-API function made `target` through the C-API during the same call from
 * Python, and nobody else holds it. True once per array: what is copied into it later finds it there.
 * `stack` is the address of the trampoline's own C frame. GIL held. */
bool fresh_arrays_take(PyArrayObject *target, const void *stack);

/* The NPY_ARRAY_* flags that the layout of such an array stands for; `caller` lies in the extension. */
int fresh_arrays_demand(PyArrayObject *target, const void *caller);

#endif
