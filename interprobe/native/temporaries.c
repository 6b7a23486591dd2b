/* Tells the intermediate results of expressions from results that the program keeps.
 *
 * In `np.sqrt(a * b)` the product is on the interpreter's stack and nowhere else when np.sqrt reads
 * it: its only reference is dropped right after. So a temporary is an array that a ufunc allocated
 * for its result, and that a later ufunc reads, called by the interpreter itself in the same frame,
 * while it has that one reference. Where NumPy writes the second result into the first (it elides
 * temporaries from 256 kB on), there is no further array, and nothing is booked.
 * Not seen: what is read by other functions than NumPy's own ufuncs, and results of ufuncs that
 * have several.
 */
#include "temporaries.h"

#include "allocations.h"
#include "clock.h"
#include "frames.h"
#include "ledger.h"
#include "origin.h"
#include "thread_local.h"

#include <numpy/ufuncobject.h>

#include <string.h>

enum { KEPT = 32 }; /* results per thread; of more that live at once the oldest are forgotten */

typedef struct {
    const PyArrayObject *array; /* compared, never followed: it may be gone; NULL: none */
    uint64_t serial; /* of the allocation: no two share one, whatever their address */
    const void *frame;
    const char *mechanism;
    place_id here;
    place_id user;
    uint64_t ticks;
} fresh_result;

typedef struct {
    fresh_result results[KEPT];
    unsigned next;
} results_of_thread;

static THREAD_LOCAL results_of_thread *kept; /* NULL: none yet */

void
temporaries_made(const operation *now, PyArrayObject *result, uint64_t started)
{
    uint64_t ticks = clock_ticks() - started;
    if (PyArray_BASE(result) != NULL || !PyArray_CHKFLAGS(result, NPY_ARRAY_OWNDATA)) {
        return;
    }
    uint64_t serial = allocations_serial(PyArray_DATA(result));
    position at;
    frames_locate(&at);
    if (serial == 0 || at.own || at.frame == NULL) {
        return;
    }
    if (kept == NULL && thread_local_make((void **)&kept, sizeof *kept) == NULL) {
        return;
    }
    kept->results[kept->next++ % KEPT] = (fresh_result){
        .array = result,
        .serial = serial,
        .frame = at.frame,
        .mechanism = operation_name(now),
        .here = at.here,
        .user = at.user,
        .ticks = ticks,
    };
}

/* Where NumPy elides a temporary, it is operand and output at once. */
static bool
is_output(const operation *now, const PyArrayObject *operand)
{
    return operation_target(now, PyArray_DATA((PyArrayObject *)operand)) != NULL;
}

void
temporaries_read(const operation *now, PyArrayObject *operand)
{
    if (kept == NULL) {
        return;
    }
    fresh_result *found = NULL;
    uint64_t serial = allocations_serial(PyArray_DATA(operand));
    for (int i = 0; i < KEPT; i++) {
        if (kept->results[i].array == operand && kept->results[i].serial == serial) {
            found = &kept->results[i];
        }
    }
    if (found == NULL || is_output(now, operand)) {
        return;
    }
    fresh_result then = *found;
    found->array = NULL;
    position at;
    frames_locate(&at);
    char here;
    if (at.frame != then.frame ||
        origin_of(at.eval_stack - (uintptr_t)&here, at.here) != 0) {
        return; /* compiled code holds its variables with one reference too */
    }
    temporary_event event;
    memset(&event, 0, sizeof event);
    layout is;
    layout_read(&is, operand);
    event.key.mechanism = (uint64_t)(uintptr_t)then.mechanism;
    event.key.place = then.here;
    event.key.user_place = then.user;
    event.key.elsize = (uint32_t)is.elsize;
    event.key.kind = is.kind;
    event.key.ndim = (uint8_t)is.ndim;
    event.mechanism = then.mechanism;
    event.is = &is;
    event.ticks = then.ticks;
    event.ended = clock_ticks();
    ledger_book_temporary(&event);
}
