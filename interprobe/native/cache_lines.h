/* What a layout means to the caches: the lines that its elements lie in, and the steps between them. */
#ifndef INTERPROBE_CACHE_LINES_H
#define INTERPROBE_CACHE_LINES_H

#include "layout.h"

#define CACHE_LINE 64 /* bytes; true of x86-64 and of nearly all ARM processors */

/* Less than that the fastest cache holds in any order: no layout makes it slow. */
#define BYTES_THAT_MATTER (64 << 10)

/* The axes of more than one element, fewest bytes from one to the next first; returns how many, or -1
 * where one repeats its elements (a stride of 0). `axes` has room for NPY_MAXDIMS. */
int layout_axes(const layout *in, int *axes);

/* About how many bytes a walk through all elements fetches: all lines in which any of them lies, each
 * counted once. 0 where the array repeats elements. */
npy_intp layout_fetched(const layout *in);

/* Whether at least half of what is fetched is the array's own: no more than a copy could halve. */
bool layout_is_dense(const layout *in);

#endif
