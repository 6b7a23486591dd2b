/* Counts the cache lines that an array's elements lie in. */
#include "cache_lines.h"

static inline npy_intp
magnitude(npy_intp number)
{
    return number < 0 ? -number : number;
}

int
layout_axes(const layout *in, int *axes)
{
    int used = 0;
    for (int axis = in->ndim - 1; axis >= 0; axis--) {
        if (in->shape[axis] <= 1) {
            continue;
        }
        if (in->strides[axis] == 0) {
            return -1;
        }
        int at = used++;
        for (; at > 0 && magnitude(in->strides[axes[at - 1]]) > magnitude(in->strides[axis]); at--) {
            axes[at] = axes[at - 1];
        }
        axes[at] = axis;
    }
    return used;
}

npy_intp
layout_fetched(const layout *in)
{
    int axes[NPY_MAXDIMS];
    int count = layout_axes(in, axes);
    if (count < 0 || in->nbytes == 0) {
        return 0;
    }
    npy_intp extent = in->elsize;
    npy_intp lines = (in->elsize + CACHE_LINE - 1) / CACHE_LINE;
    for (int i = 0; i < count; i++) {
        extent += (in->shape[axes[i]] - 1) * magnitude(in->strides[axes[i]]);
        npy_intp within = (extent + CACHE_LINE - 1) / CACHE_LINE;
        npy_intp apart = lines * in->shape[axes[i]];
        /* Neighbours share lines; what lies further apart does not. */
        lines = apart < within ? apart : within;
    }
    return lines * CACHE_LINE;
}

bool
layout_is_dense(const layout *in)
{
    return 2 * in->nbytes > layout_fetched(in);
}
