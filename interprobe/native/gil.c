/* Reads CPython's GIL: the one file that knows its layout, per minor version.
 *
 * CPython counts how often the lock went from one thread to another, and a thread that has waited for
 * it for an interval (5 ms, unless the program sets another one) leaves a request that the holder
 * drop it. The layout belongs to the minor version whose headers this file is compiled with; it is
 * compared with what must be true while the lock is held, before anything is believed.
 */
#define PY_SSIZE_T_CLEAN
#define Py_BUILD_CORE 1
#include <Python.h>
#include "internal/pycore_interp.h"
#include "internal/pycore_runtime.h"
#undef Py_BUILD_CORE

#include "gil.h"
#include "readable_memory.h"

#include <pthread.h>
#include <time.h>

static const struct _gil_runtime_state *known; /* of the main interpreter; NULL: not looked up, or not
                                                * as expected */

static const struct _gil_runtime_state *
gil_of(PyInterpreterState *interpreter)
{
#if PY_VERSION_HEX >= 0x030C0000
    const struct _ceval_state *state = &interpreter->ceval;
    if (!memory_is_readable(state, sizeof *state)) {
        return NULL;
    }
    return state->gil;
#else
    return &_PyRuntime.ceval.gil;
#endif
}

/* What holds while this thread has the lock. */
static bool
is_held_by(const struct _gil_runtime_state *gil, const PyThreadState *thread)
{
#if PY_VERSION_HEX >= 0x030D0000
    return gil->locked == 1 && gil->last_holder == thread;
#else
    return _Py_atomic_load_relaxed(&gil->locked) == 1 &&
           _Py_atomic_load_relaxed(&gil->last_holder) == (uintptr_t)thread;
#endif
}

bool
gil_is_known(void)
{
    enum { LONGEST = 1000000000 }; /* microseconds */
    PyThreadState *thread = PyThreadState_Get();
    known = NULL;
    if (thread->interp != PyInterpreterState_Main()) {
        return false;
    }
    const struct _gil_runtime_state *gil = gil_of(thread->interp);
    if (gil != NULL && memory_is_readable(gil, sizeof *gil) && is_held_by(gil, thread) &&
        gil->interval >= 1 && gil->interval <= LONGEST) {
        known = gil;
    }
    return known != NULL;
}

bool
gil_read(gil_view *out)
{
    PyThreadState *thread = PyThreadState_Get();
    if (known == NULL || thread->interp != PyInterpreterState_Main() || !is_held_by(known, thread)) {
        return false;
    }
    out->switches = known->switch_number;
#if PY_VERSION_HEX >= 0x030D0000
    out->is_wanted = (thread->eval_breaker & 1u) != 0; /* _PY_GIL_DROP_REQUEST_BIT */
#else
    out->is_wanted = _Py_atomic_load_relaxed(&thread->interp->ceval.gil_drop_request) != 0;
#endif
    return true;
}

static void
begin_anew(pthread_mutex_t *mutex, pthread_cond_t *condition, const pthread_condattr_t *clock)
{
    pthread_mutex_init(mutex, NULL);
    pthread_cond_init(condition, clock);
}

void
gil_forget_others(void)
{
    gil_view now;
    pthread_condattr_t clock;
    if (!gil_read(&now) || pthread_condattr_init(&clock) != 0) {
        return;
    }
    struct _gil_runtime_state *gil = (struct _gil_runtime_state *)known;
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC); /* as CPython does */
    begin_anew(&gil->mutex, &gil->cond, &clock);
    begin_anew(&gil->switch_mutex, &gil->switch_cond, &clock);
    pthread_condattr_destroy(&clock);
    PyThreadState *thread = PyThreadState_Get();
#if PY_VERSION_HEX >= 0x030D0000
    _Py_atomic_and_uintptr(&thread->eval_breaker, ~(uintptr_t)1);
#else
    _Py_atomic_store_relaxed(&thread->interp->ceval.gil_drop_request, 0);
#endif
}
