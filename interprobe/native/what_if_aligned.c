/* The counterfactual of misaligned elements: each at an address that its alignment divides. */
#include "cache_lines.h"
#include "layout_what_ifs.h"

/* Whether the array's own steps let all elements be aligned, at another address. */
static bool
steps_are_aligned(const layout *is)
{
    npy_intp alignment = PyDataType_ALIGNMENT(is->descr);
    for (int axis = 0; axis < is->ndim; axis++) {
        if (is->shape[axis] > 1 && is->strides[axis] % alignment != 0) {
            return false;
        }
    }
    return true;
}

static uint32_t
applies(const ended_call *call)
{
    uint32_t positions = 0;
    for (int i = 0; i < call->count; i++) {
        const layout *is = &call->layouts[i];
        if (call->arrays[i] == NULL || is->aligned || is->nbytes < BYTES_THAT_MATTER / 16 ||
            layout_fetched(is) == 0 || PyDataType_REFCHK(is->descr)) {
            continue;
        }
        /* C keeps the steps that it was told of; others can be given an array of its own steps. */
        if (steps_are_aligned(is) || (call->to->foreign == NULL && layout_is_dense(is))) {
            positions |= UINT32_C(1) << i;
        }
    }
    return positions;
}

static PyArrayObject *
instead(const ended_call *call, int position)
{
    const layout *is = &call->layouts[position];
    if (steps_are_aligned(is)) {
        /* 16 bytes: what NumPy gives a copy of the program's own. C may have been told to read the gaps. */
        return moved_array(is, 16, 0);
    }
    return (PyArrayObject *)PyArray_NewCopy(call->arrays[position], NPY_KEEPORDER);
}

what_if what_if_aligned = {
    .change = "aligned",
    .concerns = {.all = CALL_LAYOUT},
    .never = CALL_COPIED, /* what is gained by not converting is none of the layout */
    .applies = applies,
    .instead = instead,
};
REGISTER_WHAT_IF(what_if_aligned)
