/* What the benchmark programs call through ctypes: a kernel with no work, one with, and a mark. */
#include <stddef.h>

#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#endif

/* The first of n values: a call with nothing but the call. */
double first_value(const double *values, int n)
{
    return n > 0 ? values[0] : 0.0;
}

/* The sum of n values. */
double sum_values(const double *values, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        sum += values[i];
    }
    return sum;
}

/* The next two do nothing outside of callgrind, or where its header was missing when this was
 * compiled. */

/* Has callgrind begin to count, or stop: without counting, it runs a program ten times as fast. */
void benchmark_count(int on)
{
#ifdef CALLGRIND_START_INSTRUMENTATION
    if (on) {
        CALLGRIND_START_INSTRUMENTATION;
    }
    else {
        CALLGRIND_STOP_INSTRUMENTATION;
    }
#endif
}

/* Has callgrind write its counts and begin again from 0. */
void benchmark_mark(void)
{
#ifdef CALLGRIND_DUMP_STATS
    CALLGRIND_DUMP_STATS;
#endif
}
