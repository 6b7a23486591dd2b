/* Times calls of a function one by one, as crossings are, with a crossing's work around each.
 *
 * What the caches and the processor's branch predictor hold between two calls is then the same.
 */
#include "empty_calls.h"

#include "clock.h"
#include "crossings.h"
#include "ctypes_objects.h"
#include "extension_functions.h"

#include <stdlib.h>

static __attribute__((noinline)) long
do_nothing(void)
{
    return 0;
}

size_t
empty_calls_function(void)
{
    return (size_t)(uintptr_t)do_nothing;
}

static int
compare(const void *one, const void *other)
{
    uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;
    return a < b ? -1 : a > b;
}

/* Sorts `ticks`, taken one after the other within `nanoseconds` and `whole` ticks; their median. */
static double
median_seconds(uint64_t *ticks, int count, uint64_t nanoseconds, uint64_t whole)
{
    qsort(ticks, (size_t)count, sizeof *ticks, compare);
    double median = (double)ticks[count / 2];
    return whole == 0 ? 0 : median * (double)nanoseconds / (double)whole / 1e9;
}

double
empty_calls_clock(void)
{
    uint64_t ticks[1001];
    enum { COUNT = sizeof ticks / sizeof ticks[0] };
    uint64_t nanoseconds = clock_nanoseconds(), whole = clock_ticks();
    for (int i = 0; i < COUNT; i++) {
        uint64_t started = clock_ticks();
        ticks[i] = clock_ticks() - started;
    }
    whole = clock_ticks() - whole;
    nanoseconds = clock_nanoseconds() - nanoseconds;
    return median_seconds(ticks, COUNT, nanoseconds, whole);
}

static void
name_nothing(call_event *event, void *context)
{
    (void)event;
    (void)context;
}

double
empty_calls_time(PyObject *function, PyObject *arguments, int repeats, double *around)
{
    *around = 0;
    uint64_t *ticks = repeats < 1 ? NULL : malloc((size_t)repeats * sizeof *ticks);
    if (ticks == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    PyObject *const *given = PySequence_Fast_ITEMS(arguments);
    Py_ssize_t count = PyTuple_GET_SIZE(arguments);
    ternaryfunc call = Py_TYPE(function)->tp_call;
    bool by_tuple = PyVectorcall_Function(function) == NULL && call != NULL;
    if (by_tuple && ctypes_objects_initialise() < 0) {
        free(ticks);
        return -1;
    }
    const callee to = {
        .binding = "none",
        .function = (uint64_t)(uintptr_t)function,
        .callable = function,
        .arguments = given,
        .count = count,
        .array_behind = by_tuple ? ctypes_array_behind : extension_array_behind,
        .layouts_behind = by_tuple ? ctypes_layouts_behind : extension_layouts_behind,
        .resolve = name_nothing,
    };
    int timed = 0;
    uint64_t inside = 0;
    uint64_t nanoseconds = clock_nanoseconds(), whole = clock_ticks();
    while (timed < repeats && ledger_active == 1) {
        crossing now;
        if (!crossing_begin(&now, &to)) {
            break;
        }
        uint64_t started = clock_ticks();
        PyObject *result = by_tuple ? call(function, arguments, NULL)
                                    : PyObject_Vectorcall(function, given, (size_t)count, NULL);
        ticks[timed] = clock_ticks() - started;
        inside += ticks[timed++];
        crossing_end(&now, result);
        if (result == NULL) {
            free(ticks);
            return -1;
        }
        Py_DECREF(result);
    }
    whole = clock_ticks() - whole;
    nanoseconds = clock_nanoseconds() - nanoseconds;
    double seconds = timed < repeats ? 0 : median_seconds(ticks, timed, nanoseconds, whole);
    if (seconds > 0 && whole > inside) {
        double of_tick = (double)nanoseconds / (double)whole / 1e9;
        *around = (double)(whole - inside) * of_tick / timed;
    }
    free(ticks);
    return seconds;
}
