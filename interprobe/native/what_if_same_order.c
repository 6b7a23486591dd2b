/* Asks what a NumPy operation takes when all of its operands lie in one order. */
#include "slow_operations.h"
#include "what_if.h"

/* The order that the others are to have: that of the array to write, else the one that most bytes of
 * the operands have. */
static NPY_ORDER
common_order(const ended_call *call, const repeated_operation *what)
{
    npy_intp in_c = 0, in_f = 0;
    for (int i = 0; i < call->count && i < what->inputs; i++) {
        if (call->arrays[i] != NULL) {
            axes_order axes = operand_axes(&call->layouts[i]);
            in_c += axes == AXES_C ? call->layouts[i].nbytes : 0;
            in_f += axes == AXES_F ? call->layouts[i].nbytes : 0;
        }
    }
    bool fortran = what->axes == AXES_ANY ? in_f > in_c : what->axes == AXES_F;
    return fortran ? NPY_FORTRANORDER : NPY_CORDER;
}

static uint32_t
applies(const ended_call *call)
{
    if (call->to->binding != slow_operations_binding) {
        return 0;
    }
    const repeated_operation *what = call->to->repeats;
    axes_order wanted = common_order(call, what) == NPY_FORTRANORDER ? AXES_F : AXES_C;
    uint32_t positions = 0;
    for (int i = 0; i < call->count && i < what->inputs; i++) {
        const layout *is = &call->layouts[i];
        if (call->arrays[i] == NULL || layout_is_broadcast(is)) {
            continue;
        }
        axes_order axes = operand_axes(is);
        bool other = axes != AXES_ANY && axes != wanted;
        positions |= other || operand_is_far(is) ? 1u << i : 0;
    }
    return positions;
}

static PyArrayObject *
instead(const ended_call *call, int position)
{
    return (PyArrayObject *)PyArray_NewCopy(call->arrays[position],
                                            common_order(call, call->to->repeats));
}

static what_if same_order = {
    .change = "same-order",
    .concerns = {.all = CALL_OPERATION},
    .applies = applies,
    .instead = instead,
};
REGISTER_WHAT_IF(same_order)
