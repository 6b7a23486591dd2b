/* Times calls of a function with the instrument that crossings are timed with, one by one. */
#include "empty_calls.h"

#include "clock.h"
#include "ledger.h"

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

double
empty_calls_time(PyObject *function, PyObject *arguments, int repeats)
{
    if (ledger_active || repeats < 1) {
        return 0;
    }
    uint64_t *ticks = malloc((size_t)repeats * sizeof *ticks);
    if (ticks == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    PyObject *const *given = PySequence_Fast_ITEMS(arguments);
    size_t count = (size_t)PyTuple_GET_SIZE(arguments);
    ternaryfunc call = Py_TYPE(function)->tp_call;
    bool by_tuple = PyVectorcall_Function(function) == NULL && call != NULL;
    uint64_t nanoseconds = clock_nanoseconds(), whole = clock_ticks();
    for (int i = 0; i < repeats; i++) {
        uint64_t started = clock_ticks();
        PyObject *result = by_tuple ? call(function, arguments, NULL)
                                    : PyObject_Vectorcall(function, given, count, NULL);
        ticks[i] = clock_ticks() - started;
        if (result == NULL) {
            free(ticks);
            return -1;
        }
        Py_DECREF(result);
    }
    whole = clock_ticks() - whole;
    nanoseconds = clock_nanoseconds() - nanoseconds;
    double seconds = median_seconds(ticks, repeats, nanoseconds, whole);
    free(ticks);
    return seconds;
}
