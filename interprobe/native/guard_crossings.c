/* The check of calls that guard mode makes: looks at the canaries of the arguments' arrays.
 *
 * It also keeps, per thread, which blocks the calls in flight were given, for the handler of faults:
 * an access that leads out of one of them is that argument's.
 */
#include "guard_crossings.h"

#include "call_checks.h"
#include "ctypes_objects.h"
#include "guard_faults.h"
#include "guard_records.h"
#include "thread_local.h"

#include <string.h>

enum { NESTED = 24 }; /* calls inside calls, per thread; deeper ones are not looked at */

typedef struct {
    int depth;
    guarded_crossing calls[NESTED];
} crossings_of_thread;

static THREAD_LOCAL crossings_of_thread *of_thread;

const guarded_crossing *
guard_crossings_innermost(void)
{
    const crossings_of_thread *known = of_thread;
    return known != NULL && known->depth > 0 ? &known->calls[known->depth - 1] : NULL;
}

/* The block that holds the data of an array, which may be a view into it. */
static guard_block *
block_of(uintptr_t address)
{
    guard_block *in_front;
    guard_block *block = guard_blocks_around(address, &in_front);
    bool inside = block != NULL && address >= block->data &&
                  (address < block->data + block->bytes || address == block->data);
    return inside && block->state != GUARD_UNUSED ? block : NULL;
}

static void
keep_layout(guard_block *block, const layout *given, bool again)
{
    if (given->ndim > GUARD_DIMENSIONS ||
        (again && given->nbytes <= block->layout.is.nbytes)) {
        return; /* of two views into one block in one call, the larger is kept */
    }
    block->has_layout = false;
    layout_store(&block->layout.is, given);
    block->has_layout = true;
}

/* The address that an argument without a known array is: a number, or a pointer of ctypes. */
static uintptr_t
bare_address(const callee *to, PyObject *argument)
{
    if (PyLong_CheckExact(argument)) {
        PyObject *type, *value, *traceback;
        PyErr_Fetch(&type, &value, &traceback); /* too large a number would set one */
        uintptr_t address = (uintptr_t)PyLong_AsVoidPtr(argument);
        PyErr_Restore(type, value, traceback);
        return address;
    }
    return to->foreign != NULL ? to->foreign->address(argument) : 0;
}

static void
note_argument(guarded_crossing *now, const begun_call *call, const call_argument *argument)
{
    uintptr_t address = 0;
    if (argument->has_layout) {
        address = (uintptr_t)argument->given.data;
    } else if (argument->offset < 0 && argument->position < call->to->count) {
        address = bare_address(call->to, call->to->arguments[argument->position]);
    }
    guard_block *block = address == 0 ? NULL : block_of(address);
    if (block == NULL || now->count == CALL_ARGUMENTS) {
        return;
    }
    now->arguments[now->count++] =
        (guarded_argument){block, block->serial, argument->position};
    if (block->state != GUARD_LIVE) {
        return;
    }
    bool again = false;
    for (int i = 0; i < now->count - 1; i++) {
        again = again || now->arguments[i].block == block;
    }
    guard_damage damage;
    if (!again && guard_blocks_damaged(block, &damage)) {
        guard_records_damage(block, &damage, GUARD_FOUND_BEFORE_CALL, NULL, -1);
    }
    if (argument->has_layout) {
        keep_layout(block, &argument->given, again);
    }
    block->last = *(const record_ticket *)&call->ticket->record;
    block->last_position = argument->position;
}

static bool
before(const begun_call *call, void *memory)
{
    int64_t *kept = memory;
    if (!guard_blocks_on) { /* in a fork's child, for one */
        return false;
    }
    guard_faults_refresh();
    crossings_of_thread *known =
        of_thread != NULL ? of_thread : thread_local_make((void **)&of_thread, sizeof *known);
    if (known == NULL || known->depth == NESTED) {
        return false;
    }
    guarded_crossing *now = &known->calls[known->depth];
    now->record = call->ticket->record;
    now->count = 0;
    for (int i = 0; i < call->count; i++) {
        note_argument(now, call, &call->arguments[i]);
    }
    *kept = known->depth++;
    return true;
}

static void
after(const callee *to, const call_ticket *ticket, uint64_t ticks, PyObject *result, void *memory)
{
    int64_t kept = *(int64_t *)memory;
    crossings_of_thread *known = of_thread;
    if (known == NULL || kept >= known->depth) {
        return;
    }
    const guarded_crossing *now = &known->calls[kept];
    for (int i = 0; i < now->count; i++) {
        guard_block *block = now->arguments[i].block;
        guard_damage damage;
        if (block->state == GUARD_LIVE && block->serial == now->arguments[i].serial &&
            guard_blocks_damaged(block, &damage)) {
            guard_records_damage(block, &damage, GUARD_FOUND_AFTER_CALL, &now->record,
                                 now->arguments[i].position);
        }
    }
    known->depth = (int)kept; /* and those inside it that never came to their end */
}

static call_check guard_check = {
    .memory = sizeof(int64_t),
    .before = before,
    .after = after,
    .is_off = true,
};
REGISTER_CALL_CHECK(guard_check)

void
guard_crossings_watch(bool on)
{
    call_check_switch(&guard_check, on);
}
