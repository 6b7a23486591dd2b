/* The child's part of a replay: makes the other arguments, times both calls in turns, and ends.
 *
 * A kernel can run much faster in the child than in its parent, so that only times of the child are
 * compared with each other. Each is measured where calls follow one another, and, unless that agrees
 * with the time that the program saw, with the arrays' lines taken out of the caches before each call:
 * the record's own times tell in the end which of both it was.
 *
 * A turn is several calls of one kind, and the first of them are not counted: they meet the caches, and the
 * C library's memory, as the other kind has left them. How many calls that concerns is looked up: a large
 * cache may take twenty to hold again what a kernel reads. Each change takes its turns with the call as it
 * was, and no third: another set of large arrays would leave less room in the caches than the program's
 * calls had. Nor is the first pass counted, in which the pages that the calls write are copied. Others may
 * want the processor meanwhile: what they take is not counted (replay_stopwatch.c), what they do to the
 * caches is left to the shortest sample of a turn, and to medians of turns.
 */
#define _GNU_SOURCE
#include "replay.h"

#include "bare_calls.h"
#include "clock.h"
#include "gil.h"
#include "ledger.h"
#include "replay_sandbox.h"
#include "replay_stopwatch.h"
#include "told_strides.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

enum {
    PASSES = 15,
    FEWEST_PASSES = 3,
    FEWEST_LONG = 2,   /* passes, of calls of more than LONG nanoseconds */
    ENOUGH_PASSES = 7, /* where fewer are possible, all changes take turns together */
    LONG = 50000000,
    SETTLING = 24,               /* samples in a row, after which the caches are as they stay */
    STEADY = 5,                  /* samples that tell a level by their median */
    SAMPLES = 3,                 /* of a turn: it counts as the shortest */
    SAMPLE_NANOSECONDS = 100000, /* short calls are timed together, so many of them */
    MOST_CALLS = 2000,           /* in a sample */
    BARE_CALLS = 64,             /* tell what one of those takes that C makes */
    LINE = 64,
};
#define MOST_EVICTED (64 << 20) /* bytes: what is larger is in no cache anyway */
#define AGREES 1.15 /* times this near to each other are the same */
#define ROUNDING 1e-4 /* of sums: a loop over neighbours adds them in another order, */
#define SAME 1e-7     /* and of numbers that are to prove something */
#define LEVEL 1.03  /* a call has settled when it takes no more than this, times as long as the last */
#define SETTLING_SHARE 0.25 /* of the allowance that may go into that */

typedef struct {
    PyObject *arguments[CALL_ARGUMENTS];
    PyArrayObject *behind[CALL_ARGUMENTS]; /* each argument; NULL: no array, or not known */
    const what_if *converts; /* makes the arrays behind `positions` anew before each call; or NULL */
    uint32_t positions;
    retold strides; /* whether C is told others than before */
    bool is_bare;   /* the function is called as C does */
    bare_call bare;
} row;

typedef struct {
    const replay_job *job;
    replay_report *report;
    int rows; /* the first is the call with its own arguments */
    row of[REPLAY_CHANGES + 1];
    int change[REPLAY_CHANGES + 1];          /* of the job, by row */
    int calls[REPLAY_CHANGES + 1];           /* in a sample */
    int samples;                             /* in a turn, */
    int lead[REPLAY_CHANGES + 1];            /* after calls that are not counted */
    bool is_paired;                          /* each change takes its turns apart from the others */
    int first, last;                         /* rows that now take turns with the call as it was */
    int fewest;                              /* passes */
    bool is_planned_pass;                    /* the calls of the plan were the pass that is not counted */
    double took[REPLAY_CHANGES + 1][PASSES]; /* nanoseconds of one call */
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
    *out = (row){.converts = NULL}; /* a change that failed may have begun to fill it */
    if (is->bare != NULL) {
        memcpy(out->behind, job->call->arrays, (size_t)job->call->count * sizeof *out->behind);
        out->is_bare = is->bare(job->call, &out->bare);
        return out->is_bare ? NULL : "what C is given cannot be passed without the binding";
    }
    out->converts = is->again == NULL ? NULL : is;
    out->positions = job->positions[change];
    for (int i = 0; i < job->call->count; i++) {
        PyObject *argument = job->call->to->arguments[i];
        PyArrayObject *array = job->call->arrays[i];
        if (job->positions[change] & 1u << i) {
            array = (is->again != NULL ? is->again : is->instead)(job->call, i);
            argument = array == NULL ? NULL : standing_for(job->call, i, array);
        }
        if (argument == NULL) {
            PyErr_Clear();
            return "the array that it asks for could not be made";
        }
        out->arguments[i] = argument;
        out->behind[i] = array;
    }
    out->strides = is->changes_strides ? retell_strides(job->call, out->behind, out->arguments)
                                       : STRIDES_KEPT;
    if (out->strides == STRIDES_NOT_TOLD) {
        PyErr_Clear();
        return "the function is not told of the strides that it asks for";
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

/* Nanoseconds of one call; -1 where it fails. The last result is let go outside of what is timed, or `kept`
 * where that is not NULL. */
static double
time_calls(const experiment *now, int which, int calls, PyObject **kept)
{
    PyObject *last = NULL;
    const row *of = &now->of[which];
    stopwatch watch;
    stopwatch_start(&watch);
    if (of->is_bare) {
        bare_call_make(&of->bare, calls);
        now->report->calls++;
    }
    for (int i = 0; i < calls && !of->is_bare; i++) {
        PyObject *result = call_once(now, of);
        if (result == NULL) {
            Py_XDECREF(last);
            return -1;
        }
        Py_XSETREF(last, result);
        now->report->calls++;
    }
    double nanoseconds = stopwatch_nanoseconds(&watch);
    if (kept != NULL) {
        *kept = last;
    } else {
        Py_XDECREF(last);
    }
    return nanoseconds / calls;
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

static void
evict_array(PyArrayObject *array)
{
    layout is;
    layout_read(&is, array);
    evict(&is);
}

static void
evict_row(const experiment *now, int which)
{
    const ended_call *call = now->job->call;
    const row *of = &now->of[which];
    for (int i = 0; i < call->count; i++) {
        bool converted = of->converts != NULL && of->positions & UINT32_C(1) << i;
        PyArrayObject *array = converted ? of->converts->reads(call, i) : of->behind[i];
        if (array != NULL) {
            evict_array(array);
        }
    }
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

/* Nanoseconds of one call in a turn of its kind; -1: it fails. */
static double
time_turn(const experiment *now, int which, bool cold)
{
    double shortest = INFINITY;
    int lead = cold && now->lead[which] > 1 ? 1 : now->lead[which];
    for (int i = lead > 0 ? -1 : 0; i < now->samples; i++) {
        if (cold) {
            evict_row(now, which);
        }
        int calls = i < 0 ? lead : cold ? 1 : now->calls[which];
        double each = time_calls(now, which, calls, NULL);
        if (each < 0) {
            return -1;
        }
        shortest = i < 0 ? shortest : fmin(shortest, each);
    }
    return shortest;
}

static double
nanoseconds_now(void)
{
    return (double)clock_nanoseconds();
}

/* Times the call as it was and the rows that now take turns with it, forwards and backwards: up to a time,
 * `until`, and where there are too few passes then, up to its `end`. Returns how many passes were whole,
 * -1: a call failed. */
static int
time_all(experiment *now, bool cold, double until, double end)
{
    bool counts = !cold && now->is_planned_pass;
    int others = now->last - now->first + 1;
    for (int pass = counts ? 0 : -1; pass < PASSES; pass++) { /* that before the first is not counted */
        double began = nanoseconds_now();
        for (int k = 0; k <= others; k++) {
            int turn = pass & 1 ? others - k : k;
            int which = turn == 0 ? 0 : now->first + turn - 1;
            double took = time_turn(now, which, cold);
            if (took < 0) {
                return -1;
            }
            if (pass >= 0) {
                now->took[which][pass] = took;
            }
        }
        double ended = nanoseconds_now();
        if (ended + (ended - began) > (pass + 1 < now->fewest ? end : until)) {
            return pass + 1;
        }
    }
    return PASSES;
}

/* How far values lie apart: the upper quartile by the lower one. */
static double
spread(const double *of, int count)
{
    double sorted[PASSES];
    memcpy(sorted, of, (size_t)count * sizeof *of);
    qsort(sorted, (size_t)count, sizeof *sorted, by_size);
    return sorted[count - 1 - count / 4] / sorted[count / 4];
}

static void
read_figures(const experiment *now, int which, int passes, replay_figures *out)
{
    bool converts = now->of[which].converts != NULL; /* so that the call with it is as it was */
    const double *as_is = now->took[converts ? which : 0];
    const double *changed = now->took[converts ? 0 : which];
    double ratios[PASSES];
    for (int i = 0; i < passes; i++) {
        ratios[i] = as_is[i] / changed[i];
    }
    *out = (replay_figures){.passes = passes};
    out->as_is = median(as_is, passes) * clock_ticks_per_nanosecond;
    out->changed = median(changed, passes) * clock_ticks_per_nanosecond;
    out->as_is_spread = spread(as_is, passes);
    out->changed_spread = spread(changed, passes);
    out->speedup = median(ratios, passes);
    qsort(ratios, (size_t)passes, sizeof *ratios, by_size);
    /* Between these lies the median of all such ratios, 95 times of 100, from 6 passes on. */
    int outside = passes < 6 ? 0 : passes / 3 - 2;
    out->low = ratios[outside];
    out->high = ratios[passes - 1 - outside];
}

static double
distance(double one, double other)
{
    return one > other ? one / other : other / one;
}

static const char failed[] = "the call fails when it is repeated";

/* A change that the callee refuses is none; the others can be measured all the same. */
static void
drop_row(experiment *now, int which, const char *reason)
{
    PyErr_Clear();
    snprintf(now->report->reasons[now->change[which]], REPLAY_REASON, "%s", reason);
    now->rows--;
    for (int i = which; i < now->rows; i++) {
        now->of[i] = now->of[i + 1];
        now->change[i] = now->change[i + 1];
    }
}

const char replay_too_long[] = "one call takes too long to be repeated";

/* How many calls of a row are slower than those after them, since another row was called before: those of a
 * series of samples up to the first that takes no longer than the best of them. -1: a call failed. */
static int
calls_until_settled(const experiment *now, int which)
{
    double took[SETTLING];
    for (int i = 0; i < SETTLING; i++) {
        took[i] = time_calls(now, which, now->calls[which], NULL);
        if (took[i] < 0) {
            return -1;
        }
    }
    double level = INFINITY;
    for (int i = 0; i <= SETTLING - STEADY; i++) {
        level = fmin(level, median(took + i, STEADY));
    }
    int unsettled = 0;
    while (median(took + unsettled, STEADY) > LEVEL * level) {
        unsettled++;
    }
    return unsettled == 0 ? 1 : (unsettled + STEADY / 2) * now->calls[which];
}

/* Whether a call of a row whose strides were told anew came to what the call as it was comes to: if not, one
 * of the integers is something else. Functions that return nothing of the kind are believed, unless the
 * integer has another meaning that is as likely: then only a number proves that it is a stride. */
static bool
results_agree(retold strides, PyObject *as_it_was, PyObject *now)
{
    bool proves = PyFloat_CheckExact(as_it_was) && PyFloat_CheckExact(now);
    if (!proves && PyLong_CheckExact(as_it_was) && PyLong_CheckExact(now)) {
        return strides == STRIDES_RETOLD && PyObject_RichCompareBool(as_it_was, now, Py_EQ) == 1;
    }
    if (!proves) {
        return strides == STRIDES_RETOLD;
    }
    double one = PyFloat_AS_DOUBLE(as_it_was), other = PyFloat_AS_DOUBLE(now);
    if (isnan(one) || isnan(other)) {
        return isnan(one) && isnan(other) && strides == STRIDES_RETOLD;
    }
    if (one == other) {
        return strides == STRIDES_RETOLD || one != 0;
    }
    double allowed = strides == STRIDES_RETOLD ? ROUNDING : SAME;
    return fabs(one - other) <= allowed * fmax(fabs(one), fabs(other));
}

/* Takes away a row that is not timed. */
static void
forget_row(experiment *now, int which, double *took, const char *reason)
{
    memmove(took + which, took + which + 1, (size_t)(now->rows - 1 - which) * sizeof *took);
    drop_row(now, which, reason);
}

/* Makes each call once; returns why nothing can be timed, or NULL. */
static const char *
try_all(experiment *now, double allowance, double *took)
{
    double began = nanoseconds_now();
    bool is_foreign = now->job->call->to->foreign != NULL; /* others may return large arrays */
    PyObject *results[REPLAY_CHANGES + 1] = {NULL}; /* by change, and at 0 that of the call as it was */
    for (int which = now->rows - 1; which >= 0; which--) {
        if (nanoseconds_now() - began > allowance) {
            return replay_too_long;
        }
        int change = which == 0 ? 0 : now->change[which] + 1;
        took[which] = time_calls(now, which, 1, is_foreign ? &results[change] : NULL);
        if (now->of[which].is_bare) {
            took[which] = time_calls(now, which, BARE_CALLS, NULL); /* the first met cold memory */
        }
        if (took[which] < 0 && which == 0) {
            return failed;
        }
        if (took[which] < 0) {
            forget_row(now, which, took, "the call fails with the array that it asks for");
        }
    }
    for (int which = now->rows - 1; which > 0; which--) {
        retold strides = now->of[which].strides;
        if (strides != STRIDES_KEPT &&
            !results_agree(strides, results[0], results[now->change[which] + 1])) {
            forget_row(now, which, took,
                       "what the call returns with other strides does not show that it is told them");
        }
    }
    for (int i = 0; i <= REPLAY_CHANGES; i++) {
        Py_XDECREF(results[i]);
    }
    return NULL;
}

/* What a pass takes in which each change takes its turns with the call as it was, in nanoseconds. */
static double
paired_pass(const experiment *now, const double *took)
{
    double turns = 0;
    for (int which = 1; which < now->rows; which++) {
        for (int k = 0; k <= which; k += which) {
            turns += (now->lead[k] + SAMPLES * now->calls[k]) * took[k];
        }
    }
    return turns;
}

/* Decides how many calls there are in samples and turns; returns why nothing can be timed, or NULL. */
static const char *
plan(experiment *now, double allowance)
{
    double took[REPLAY_CHANGES + 1], began = nanoseconds_now(), calls = 0, samples = 0, leads = 0;
    const char *why = try_all(now, allowance, took);
    if (why != NULL) {
        return why;
    }
    for (int which = 0; which < now->rows; which++) {
        /* No more of bare calls, though they are short: each may allocate something. */
        now->calls[which] =
            (int)fmax(1, fmin(MOST_CALLS, ceil(SAMPLE_NANOSECONDS / fmax(took[which], 1))));
        now->lead[which] = 1;
        calls += took[which];
        samples += now->calls[which] * took[which];
    }
    now->fewest = calls > LONG * now->rows ? FEWEST_LONG : FEWEST_PASSES;
    /* Others may want the processor. And these calls were slower than those to come: their pages were
     * copied. */
    double slowed = fmax(1, (nanoseconds_now() - began) / fmax(calls, 1));
    double most = allowance / 2 / (now->fewest + 2) / slowed;
    bool can_settle = now->rows > 1 && SETTLING * samples * slowed < SETTLING_SHARE * allowance;
    for (int which = 0; which < now->rows && can_settle; which++) {
        int lead = calls_until_settled(now, which);
        if (lead < 0) {
            return failed;
        }
        now->lead[which] = lead;
    }
    for (int which = 0; which < now->rows; which++) {
        leads += now->lead[which] * took[which];
    }
    for (int which = 0; which < now->rows; which++) {
        if (samples + calls >= most) {
            now->lead[which] = 0;
        } else if (SAMPLES * samples + leads >= most) {
            now->lead[which] = 1;
        }
    }
    now->samples = SAMPLES * samples + calls < most ? SAMPLES : 1;
    now->is_planned_pass = now->lead[0] == 0;
    now->is_paired = slowed * (ENOUGH_PASSES + 1) * paired_pass(now, took) < allowance / 2;
    int passes = now->fewest + (now->is_planned_pass ? 0 : 1);
    return calls * passes * 0.8 > allowance ? replay_too_long : NULL;
}

/* Times the rows whose turn it is, warm and, where that is not what the program saw, evicted, until `end`;
 * returns why that cannot be, or NULL. */
static const char *
time_rows(experiment *now, double end)
{
    double in_place = now->job->in_place / clock_ticks_per_nanosecond;
    double began = nanoseconds_now(), pass = 0;
    bool evictable = can_evict(now);
    for (cache_state cache = CACHE_WARM; cache < CACHE_STATES; cache++) {
        double until = cache == CACHE_WARM && evictable ? began + (end - began) / 2 : end;
        double from = nanoseconds_now();
        if (cache == CACHE_EVICTED && from + (now->fewest + 1) * pass > end) {
            return NULL; /* it would not be whole in time */
        }
        int passes = time_all(now, cache == CACHE_EVICTED, until, end);
        if (passes < now->fewest) {
            return cache != CACHE_WARM ? NULL : passes < 0 ? failed : replay_too_long;
        }
        for (int which = now->first; which <= now->last; which++) {
            read_figures(now, which, passes, &now->report->figures[now->change[which]][cache]);
        }
        pass = (nanoseconds_now() - from) / passes;
        double as_it_is = median(now->took[0], passes);
        if (!evictable || (in_place > 0 && distance(as_it_is, in_place) < AGREES)) {
            return NULL; /* the caches were as in the program */
        }
    }
    return NULL;
}

static void
carry_out(experiment *now)
{
    double allowance = now->job->allowance / clock_ticks_per_nanosecond;
    const char *why = plan(now, allowance);
    if (why != NULL) {
        leave(now->report, why);
    }
    double began = nanoseconds_now();
    int size = now->is_paired ? 1 : now->rows - 1, changes = now->rows - 1;
    for (now->first = 1; now->first < now->rows; now->first += size) {
        now->last = now->first + size - 1;
        why = time_rows(now, began + allowance * now->last / changes);
        for (int which = now->first; which <= now->last && why != NULL; which++) {
            snprintf(now->report->reasons[now->change[which]], REPLAY_REASON, "%s", why);
        }
    }
}

_Noreturn void
replay_in_child(const replay_job *job, replay_report *report)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    ledger_forget_all(); /* nothing of this is booked, nor that blocks booked before are freed */
    PyGC_Disable();
    gil_forget_others();
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
    memcpy(now.of[0].behind, job->call->arrays,
           (size_t)job->call->count * sizeof(PyArrayObject *));
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
