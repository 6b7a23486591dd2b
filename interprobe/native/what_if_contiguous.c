/* The counterfactual of strided arguments: their elements side by side. */
#include "cache_lines.h"
#include "layout_what_ifs.h"

static uint32_t
applies(const ended_call *call)
{
    uint32_t positions = 0;
    /* A pointer says nothing of strides: C would go on stepping as it was told to. */
    for (int i = 0; call->to->foreign == NULL && i < call->count; i++) {
        const layout *is = &call->layouts[i];
        if (call->arrays[i] != NULL && is->order == LAYOUT_STRIDED &&
            layout_fetched(is) >= BYTES_THAT_MATTER && !layout_is_dense(is)) {
            positions |= UINT32_C(1) << i;
        }
    }
    return positions;
}

/* The axes keep their order in memory: that is another question. */
static PyArrayObject *
instead(const ended_call *call, int position)
{
    return (PyArrayObject *)PyArray_NewCopy(call->arrays[position], NPY_KEEPORDER);
}

what_if what_if_contiguous = {
    .change = "contiguous",
    .concerns = {.all = CALL_LIVE | CALL_STRIDED},
    .never = CALL_COPIED, /* what is gained by not converting is none of the layout */
    .applies = applies,
    .instead = instead,
};
REGISTER_WHAT_IF(what_if_contiguous)
