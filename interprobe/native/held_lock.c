/* Books long calls through which no other Python thread could run although one wanted to. */
#include "call_checks.h"

#include "clock.h"
#include "gil.h"
#include "probe.h"

#include <errno.h>
#include <time.h>

#define SHORTEST 1000000 /* ns: what takes less keeps nobody waiting */

/* Calls during which the GIL changed hands not once, and at whose end another thread was waiting for
 * it. `value`: nanoseconds that they took in all, a sum; `limit`: those of the latest. */
static const char GIL_HELD[] = "gil-held";

/* The same calls. `value`: nanoseconds, in all, of work of other Python threads that could have been done
 * during them, as it was done between them: what the threads computed from the end of the call before to
 * the start of this one, and no more than it took. What they spend within it is spent on waiting. All of
 * the call's time where the call before was another thread's. */
static const char GIL_TURNS[] = "gil-turns";

/* Other long calls of a process with several Python threads: the GIL was let go, or nobody wanted it.
 * `value` and `limit` as above. */
static const char GIL_FREE[] = "gil-free";

typedef struct {
    gil_view at_start;
    uint64_t others; /* what they had computed then; known where the call before was this thread's */
} lock_memory;

static bool
has_other_threads(void)
{
    PyThreadState *first = PyInterpreterState_ThreadHead(PyInterpreterState_Get());
    return PyThreadState_Next(first) != NULL;
}

/* The latest call that others waited for: whose it was, and what the others had computed until then. */
static struct {
    unsigned long thread; /* 0: there was none */
    uint64_t others;      /* nanoseconds */
} last;

/* Nanoseconds that all other Python threads have computed, as far as they still live. */
static uint64_t
computed_by_others(unsigned long own)
{
    enum { THREADS = 256, OF_A_THREAD = 6 /* CPUCLOCK_SCHED | CPUCLOCK_PERTHREAD_MASK */ };
    int saved = errno; /* the program's own: ctypes hands it on */
    uint64_t nanoseconds = 0;
    PyThreadState *each = PyInterpreterState_ThreadHead(PyInterpreterState_Get());
    for (int i = 0; each != NULL && i < THREADS; i++, each = PyThreadState_Next(each)) {
        struct timespec used;
        /* As glibc's pthread_getcpuclockid makes it of a thread's number. */
        clockid_t clock = (clockid_t)(~(unsigned)each->native_thread_id << 3 | OF_A_THREAD);
        if (each->native_thread_id != own && each->native_thread_id != 0 &&
            clock_gettime(clock, &used) == 0) {
            nanoseconds += (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
        }
    }
    errno = saved;
    return nanoseconds;
}

/* What of the others' work a call has put off. */
static uint64_t
work_put_off(uint64_t nanoseconds, uint64_t others_at_start)
{
    unsigned long own = PyThreadState_Get()->native_thread_id;
    uint64_t put_off = 0;
    if (last.thread != 0 && last.thread != own) {
        put_off = nanoseconds;
    } else if (last.thread == own && others_at_start > last.others) {
        uint64_t done = others_at_start - last.others;
        put_off = done < nanoseconds ? done : nanoseconds;
    }
    last.thread = own;
    last.others = computed_by_others(own);
    return put_off;
}

static bool
before(const begun_call *call, void *memory)
{
    (void)call;
    lock_memory *seen = memory;
    unsigned long own = PyThreadState_Get()->native_thread_id;
    seen->others = last.thread == own ? computed_by_others(own) : 0;
    return gil_read(&seen->at_start);
}

static void
after(const callee *to, const call_ticket *ticket, uint64_t ticks, PyObject *result, void *memory)
{
    (void)to, (void)result;
    const lock_memory *seen = memory;
    const gil_view *start = &seen->at_start;
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
    if (held) {
        const fact_event turns = {.kind = GIL_TURNS, .position = -1, .other = -1, .adds = true,
                                  .value = (int64_t)work_put_off((uint64_t)nanoseconds, seen->others)};
        ledger_book_fact(&ticket->record, &turns);
    }
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
    last.thread = 0;
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
