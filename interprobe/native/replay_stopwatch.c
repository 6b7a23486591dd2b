/* Times work in a thread that may lose its processor to others.
 *
 * The wall clock is the one to go by: it knows nothing of the clocks' own cost, and counts waiting. Only
 * where the kernel says that it took the processor away, the processor time stands for it.
 */
#define _GNU_SOURCE
#include "replay_stopwatch.h"

#include <stdbool.h>
#include <sys/resource.h>
#include <time.h>

static int64_t
nanoseconds_of(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void
read_switches(long *interrupted, long *waited)
{
    struct rusage used;
    *interrupted = *waited = 0;
    if (getrusage(RUSAGE_THREAD, &used) == 0) {
        *interrupted = used.ru_nivcsw;
        *waited = used.ru_nvcsw;
    }
}

void
stopwatch_start(stopwatch *watch)
{
    read_switches(&watch->interrupted, &watch->waited);
    watch->processor = nanoseconds_of(CLOCK_THREAD_CPUTIME_ID);
    watch->wall = nanoseconds_of(CLOCK_MONOTONIC);
}

double
stopwatch_nanoseconds(const stopwatch *watch)
{
    double wall = (double)(nanoseconds_of(CLOCK_MONOTONIC) - watch->wall);
    double processor = (double)(nanoseconds_of(CLOCK_THREAD_CPUTIME_ID) - watch->processor);
    long interrupted, waited;
    read_switches(&interrupted, &waited);
    bool lost = interrupted != watch->interrupted && waited == watch->waited;
    return lost && processor < wall ? processor : wall;
}
