/* The counterfactuals of arrays' layouts, by name: what_if_same_layout.c stands beside all of them. */
#ifndef INTERPROBE_LAYOUT_WHAT_IFS_H
#define INTERPROBE_LAYOUT_WHAT_IFS_H

#include "what_if.h"

extern what_if what_if_contiguous, what_if_transposed, what_if_padded, what_if_aligned;

/* A copy of an array's memory, gaps and all, with the same steps. Its first element lies `past` bytes
 * behind a multiple of `unit`, a power of two of at most 64. NULL, and no exception: it cannot be made. */
PyArrayObject *moved_array(const layout *is, npy_intp unit, npy_intp past);

#endif
