/* The child's part of a replay: makes the other arguments, times both calls in turns, and ends.
 *
 * A kernel can run much faster in the child than in its parent, so that only times of the child are
 * compared with each other. Each is measured where calls follow one another, and, unless that agrees
 * with the time that the program saw, with the arrays' lines taken out of the caches before each call:
 * the record's own times tell in the end which of both it was. The first pass is not counted: in it, the pages that the call writes are copied.
 */
#define _GNU_SOURCE
#include "replay.h"

#include "clock.h"
#include "ledger.h"
#include "replay_sandbox.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <signal.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

enum {
    PASSES = 15,
    FEWEST_PASSES = 3,
    PASS_NANOSECONDS = 200000, /* a pass of short calls takes so long at least */
    MOST_CALLS = 5000,         /* in a pass */
    COLD_CALLS = 4,
    QUIET_TRIES = 3,
    LINE = 64,
};
#define MOST_EVICTED (64 << 20) /* bytes: what is larger is in no cache anyway */
#define AGREES 1.15 /* times this near to each other are the same */

typedef struct {
    PyObject *arguments[CALL_ARGUMENTS];
    const what_if *converts; /* makes the arrays behind `positions` anew before each call; or NULL */
    uint32_t positions;
} row;

typedef struct {
    const replay_job *job;
    replay_report *report;
    int rows; /* the first is the call with its own arguments */
    row of[REPLAY_CHANGES + 1];
    int change[REPLAY_CHANGES + 1]; /* of the job, by row */
    double ticks[REPLAY_CHANGES + 1][PASSES];
    int calls; /* in a pass */
    double ends;
} experiment;

_Noreturn static void
leave(replay_report *report, const char *reason)
{
    if (reason != NULL) {
        snprintf(report->reason, sizeof report->reason, "%s", reason);
    }
    report->is_whole = 1;
    syscall(SYS_exit_group, 0);
    for (;;) {
    }
}

/* --- arguments ------------------------------------------------------------------------------ */

/* What stands for an argument when another array is behind it; NULL: nothing can. */
static PyObject *
standing_for(const ended_call *call, int position, PyArrayObject *array)
{
    PyObject *argument = call->to->arguments[position];
    const foreign_binding *foreign = call->to->foreign;
    if (foreign == NULL || PyArray_Check(argument)) {
        return (PyObject *)array;
    }
    return foreign->pointing_at == NULL ? NULL : foreign->pointing_at(argument, array);
}

static const char *
make_row(const replay_job *job, int change, row *out)
{
    const what_if *is = job->changes[change];
    out->converts = is->again == NULL ? NULL : is;
    out->positions = job->positions[change];
    for (int i = 0; i < job->call->count; i++) {
        PyObject *argument = job->call->to->arguments[i];
        if (job->positions[change] & 1u << i) {
            PyArrayObject *array = (is->again != NULL ? is->again : is->instead)(job->call, i);
            argument = array == NULL ? NULL : standing_for(job->call, i, array);
        }
        if (argument == NULL) {
            PyErr_Clear();
            return "the array that it asks for could not be made";
        }
        out->arguments[i] = argument;
    }
    return NULL;
}

/* --- time ----------------------------------------------------------------------------------- */

/* One call of a row: a new reference, or NULL. */
static PyObject *
call_once(const experiment *now, const row *of)
{
    const ended_call *call = now->job->call;
    if (of->converts == NULL) {
        return call->to->repeat(call->to, of->arguments);
    }
    PyObject *arguments[CALL_ARGUMENTS], *made[2 * CALL_ARGUMENTS], *result = NULL;
    int count = 0;
    bool whole = true;
    memcpy(arguments, of->arguments, sizeof arguments);
    for (int i = 0; i < call->count && whole; i++) {
        if (of->positions & 1u << i) {
            PyArrayObject *array = of->converts->again(call, i);
            arguments[i] = array == NULL ? NULL : standing_for(call, i, array);
            whole = arguments[i] != NULL;
            made[count++] = (PyObject *)array;
            made[count++] = arguments[i] == (PyObject *)array ? NULL : arguments[i];
        }
    }
    if (whole) {
        result = call->to->repeat(call->to, arguments);
    }
    for (int i = 0; i < count; i++) {
        Py_XDECREF(made[i]);
    }
    return result;
}

/* Repeats a call; -1 where it fails. Results are let go outside of what is timed, as far as they fit. */
static double
time_calls(const experiment *now, int which, int calls)
{
    PyObject *last = NULL;
    uint64_t began = clock_ticks();
    for (int i = 0; i < calls; i++) {
        PyObject *result = call_once(now, &now->of[which]);
        if (result == NULL) {
            return -1;
        }
        Py_XSETREF(last, result);
        now->report->calls++;
    }
    double ticks = (double)(clock_ticks() - began);
    Py_XDECREF(last);
    return ticks / calls;
}

/* Takes an array's memory out of the caches. */
static void
evict(const layout *is)
{
#if defined(__x86_64__)
    const char *low, *high;
    layout_extent(is, &low, &high);
    for (const char *at = low; at < high; at += LINE) {
        _mm_clflush(at);
    }
    _mm_mfence();
#else
    (void)is;
#endif
}

static bool
evict_row(const experiment *now, int which)
{
    const ended_call *call = now->job->call;
    for (int i = 0; i < call->count; i++) {
        PyArrayObject *array = call->to->array_behind(now->of[which].arguments[i]);
        if (array != NULL) {
            layout is;
            layout_read(&is, array);
            evict(&is);
            Py_DECREF(array);
        }
    }
    return true;
}

/* Whether the arrays can be evicted, and that makes a difference. */
static bool
can_evict(const experiment *now)
{
#if defined(__x86_64__)
    const ended_call *call = now->job->call;
    uint64_t bytes = 0;
    for (int i = 0; i < call->count; i++) {
        if (call->arrays[i] != NULL) {
            const char *low, *high;
            layout_extent(&call->layouts[i], &low, &high);
            bytes += (uint64_t)(high - low);
        }
    }
    return bytes > 0 && bytes <= MOST_EVICTED;
#else
    (void)now;
    return false;
#endif
}

static double
time_pass(const experiment *now, int which, bool cold)
{
    if (!cold) {
        return time_calls(now, which, now->calls);
    }
    int calls = now->calls < COLD_CALLS ? now->calls : COLD_CALLS;
    double sum = 0;
    for (int i = 0; i < calls; i++) {
        evict_row(now, which);
        double ticks = time_calls(now, which, 1);
        if (ticks < 0) {
            return -1;
        }
        sum += ticks;
    }
    return sum / calls;
}

/* How often the thread lost its processor to another. */
static long
interruptions(void)
{
    struct rusage used;
    return getrusage(RUSAGE_THREAD, &used) == 0 ? used.ru_nivcsw : 0;
}

/* A pass in which nobody else had the processor, where a few tries find one; else the shortest. */
static double
time_quiet_pass(const experiment *now, int which, bool cold)
{
    double shortest = -1;
    for (int i = 0; i < QUIET_TRIES; i++) {
        long before = interruptions();
        double ticks = time_pass(now, which, cold);
        if (ticks < 0 || interruptions() == before) {
            return ticks;
        }
        shortest = shortest < 0 || ticks < shortest ? ticks : shortest;
    }
    return shortest;
}

/* Times all rows in turns, forwards and backwards; returns how many passes were whole, -1: a call
 * failed. */
static int
time_all(experiment *now, bool cold, double until)
{
    double first = -1;
    for (int pass = -1; pass < PASSES; pass++) { /* the first is not counted */
        double began = (double)clock_ticks();
        for (int k = 0; k < now->rows; k++) {
            int which = pass & 1 ? now->rows - 1 - k : k;
            double ticks = time_quiet_pass(now, which, cold);
            if (ticks < 0) {
                return -1;
            }
            if (pass >= 0) {
                now->ticks[which][pass] = ticks;
            }
        }
        double ended = (double)clock_ticks();
        first = pass <= 0 ? ended - began : first;
        if (ended + first > until) {
            return pass + 1;
        }
    }
    return PASSES;
}

static int
by_size(const void *a, const void *b)
{
    double one = *(const double *)a, other = *(const double *)b;
    return (one > other) - (one < other);
}

static double
median(const double *of, int count)
{
    double sorted[PASSES];
    memcpy(sorted, of, (size_t)count * sizeof *of);
    qsort(sorted, (size_t)count, sizeof *sorted, by_size);
    return count % 2 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
}

static void
read_figures(const experiment *now, int which, int passes, replay_figures *out)
{
    bool converts = now->of[which].converts != NULL; /* so that the call with it is as it was */
    const double *as_is = now->ticks[converts ? which : 0];
    const double *changed = now->ticks[converts ? 0 : which];
    double ratios[PASSES];
    for (int i = 0; i < passes; i++) {
        ratios[i] = as_is[i] / changed[i];
    }
    *out = (replay_figures){.passes = passes};
    out->as_is = median(as_is, passes);
    out->changed = median(changed, passes);
    out->speedup = median(ratios, passes);
    qsort(ratios, (size_t)passes, sizeof *ratios, by_size);
    int outliers = passes / 6; /* on each side: somebody else had the processor */
    out->low = ratios[outliers];
    out->high = ratios[passes - 1 - outliers];
}

static double
distance(double one, double other)
{
    return one > other ? one / other : other / one;
}

static const char failed[] = "the call fails when it is repeated";

/* A change that the callee refuses is none; the others can be measured all the same. */
static void
drop_row(experiment *now, int which)
{
    PyErr_Clear();
    snprintf(now->report->reasons[now->change[which]], REPLAY_REASON,
             "the call fails with the array that it asks for");
    now->rows--;
    for (int i = which; i < now->rows; i++) {
        now->of[i] = now->of[i + 1];
        now->change[i] = now->change[i + 1];
    }
}

/* How many calls a pass takes; 0: there is no time for a few passes. -1: the call fails. */
static int
plan(experiment *now)
{
    double pass = PASS_NANOSECONDS * clock_ticks_per_nanosecond, all = 0;
    for (int which = now->rows - 1; which >= 0; which--) {
        double ticks = time_calls(now, which, 1);
        if (ticks < 0 && which > 0) {
            drop_row(now, which);
            continue;
        }
        if (ticks < 0) {
            return -1;
        }
        all += ticks;
        now->calls = ticks <= 0 ? MOST_CALLS : (int)fmin(MOST_CALLS, ceil(pass / ticks));
    }
    return all * (FEWEST_PASSES + 1) * 0.8 > now->job->allowance ? 0 : now->calls;
}

static void
carry_out(experiment *now)
{
    int calls = plan(now);
    if (calls <= 0) {
        leave(now->report, calls < 0 ? failed : "one call takes too long to be repeated");
    }
    if (now->rows == 1) {
        return; /* each reason is told */
    }
    double began = (double)clock_ticks(), half = now->job->allowance / 2;
    bool evictable = can_evict(now);
    for (cache_state cache = CACHE_WARM; cache < CACHE_STATES; cache++) {
        double until = cache == CACHE_WARM && evictable ? began + half : began + 2 * half;
        int passes = time_all(now, cache == CACHE_EVICTED, until);
        if (passes < FEWEST_PASSES && cache == CACHE_WARM) {
            leave(now->report, passes < 0 ? failed : "one call takes too long to be repeated");
        }
        for (int which = 1; which < now->rows && passes >= FEWEST_PASSES; which++) {
            read_figures(now, which, passes, &now->report->figures[now->change[which]][cache]);
        }
        double as_it_is = median(now->ticks[0], passes), in_place = now->job->in_place;
        if (!evictable || (in_place > 0 && distance(as_it_is, in_place) < AGREES)) {
            return; /* the caches were as in the program */
        }
    }
}

_Noreturn void
replay_in_child(const replay_job *job, replay_report *report)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    ledger_active = 0; /* nothing of this is booked */
    PyGC_Disable();
    const char *why = replay_sandbox_enter(report, sizeof *report, &report->shares_memory);
    if (why != NULL) {
        leave(report, why);
    }
    PyErr_Clear(); /* the program's own is the parent's to keep */
    static experiment now;
    now.job = job;
    now.report = report;
    memcpy(now.of[0].arguments, job->call->to->arguments,
           (size_t)job->call->count * sizeof(PyObject *));
    now.rows = 1;
    for (int i = 0; i < job->count; i++) {
        why = make_row(job, i, &now.of[now.rows]);
        if (why != NULL) {
            snprintf(report->reasons[i], REPLAY_REASON, "%s", why);
        } else {
            now.change[now.rows++] = i;
        }
    }
    if (now.rows > 1) {
        carry_out(&now);
    }
    leave(report, NULL);
}
