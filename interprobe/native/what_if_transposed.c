/* The counterfactual of matrices: their axes in memory in the other order. */
#include "cache_lines.h"
#include "layout_what_ifs.h"
#include "told_strides.h"

/* The order that an array does not have: the first axis fastest where it was the last, and else the last. */
static NPY_ORDER
other_order(const layout *is)
{
    int axes[NPY_MAXDIMS];
    int count = layout_axes(is, axes);
    for (int i = 1; i < count; i++) {
        if (axes[i] > axes[i - 1]) {
            return NPY_CORDER;
        }
    }
    return NPY_FORTRANORDER;
}

static uint32_t
applies(const ended_call *call)
{
    uint32_t positions = 0;
    for (int i = 0; i < call->count; i++) {
        const layout *is = &call->layouts[i];
        int axes[NPY_MAXDIMS];
        if (call->arrays[i] != NULL && is->nbytes >= BYTES_THAT_MATTER && layout_axes(is, axes) > 1 &&
            layout_is_dense(is) && strides_may_change(call, i, EVERY_STRIDE)) {
            positions |= UINT32_C(1) << i;
        }
    }
    return positions;
}

static PyArrayObject *
instead(const ended_call *call, int position)
{
    return (PyArrayObject *)PyArray_NewCopy(call->arrays[position],
                                            other_order(&call->layouts[position]));
}

what_if what_if_transposed = {
    .change = "other-order",
    .concerns = {.all = CALL_LAYOUT},
    .never = CALL_COPIED, /* what is gained by not converting is none of the layout */
    .applies = applies,
    .instead = instead,
    .changes_strides = true,
};
REGISTER_WHAT_IF(what_if_transposed)
