/* Books long calls through which no other Python thread could run although one wanted to. */
#include "call_checks.h"

#include "clock.h"
#include "gil.h"
#include "probe.h"

#define SHORTEST 1000000 /* ns: what takes less keeps nobody waiting */

/* Calls during which the GIL changed hands not once, and at whose end another thread was waiting for
 * it. `value`: nanoseconds that they took in all, a sum; `limit`: those of the latest. */
static const char GIL_HELD[] = "gil-held";

/* Other long calls of a process with several Python threads: the GIL was let go, or nobody wanted it.
 * `value` and `limit` as above. */
static const char GIL_FREE[] = "gil-free";

typedef struct {
    gil_view at_start;
} lock_memory;

static bool
has_other_threads(void)
{
    PyThreadState *first = PyInterpreterState_ThreadHead(PyInterpreterState_Get());
    return PyThreadState_Next(first) != NULL;
}

static bool
before(const begun_call *call, void *memory)
{
    (void)call;
    return gil_read(&((lock_memory *)memory)->at_start);
}

static void
after(const callee *to, const call_ticket *ticket, uint64_t ticks, PyObject *result, void *memory)
{
    (void)to, (void)result;
    const gil_view *start = &((lock_memory *)memory)->at_start;
    gil_view end;
    if (!clock_is_longer(ticks, SHORTEST) || !gil_read(&end)) {
        return;
    }
    bool held = end.switches == start->switches && end.is_wanted;
    if (!held && !has_other_threads()) {
        return;
    }
    int64_t nanoseconds = (int64_t)((double)ticks / clock_ticks_per_nanosecond);
    const fact_event fact = {.kind = held ? GIL_HELD : GIL_FREE, .position = -1, .other = -1,
                             .value = nanoseconds, .limit = nanoseconds, .adds = true};
    ledger_book_fact(&ticket->record, &fact);
}

static call_check lock_check = {
    .memory = sizeof(lock_memory),
    .before = before,
    .after = after,
    .looks_at = {.all = CALL_LASTING},
    .is_off = true, /* until the lock is known */
};
REGISTER_CALL_CHECK(lock_check)

static int
install(void)
{
    if (!gil_is_known()) {
        PyErr_SetString(PyExc_RuntimeError, "this Python keeps its GIL in a way that is not known");
        return -1;
    }
    call_check_switch(&lock_check, true);
    return 0;
}

static void
uninstall(void)
{
    call_check_switch(&lock_check, false);
}

static void
visit_slots(slot_visitor visit, void *context)
{
    (void)visit, (void)context; /* it reads, and changes nothing */
}

static probe lock_probe = {"lock", install, uninstall, visit_slots, false, NULL};
REGISTER_PROBE(lock_probe)
