/* Reads a monotonic tick counter; ticks become seconds only when a trace is sealed. */
#ifndef INTERPROBE_CLOCK_H
#define INTERPROBE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* The clocks stand still while interprobe works for itself: so much of it lies behind. */
extern uint64_t clock_hidden_ticks, clock_hidden_nanoseconds;

static inline uint64_t
clock_nanoseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t passed = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    return passed - __atomic_load_n(&clock_hidden_nanoseconds, __ATOMIC_RELAXED);
}

#if defined(__x86_64__)
/* The time-stamp counter costs less than half of clock_gettime (10 against 24 ns where measured).
 * It is used only where the kernel itself trusts it as its clock source: see clock_select. */
#include <x86intrin.h>
extern int clock_uses_tsc;
static inline uint64_t
clock_ticks(void)
{
    return clock_uses_tsc ? __rdtsc() - __atomic_load_n(&clock_hidden_ticks, __ATOMIC_RELAXED)
                          : clock_nanoseconds();
}
#else
static inline uint64_t
clock_ticks(void)
{
    return clock_nanoseconds();
}
#endif

/* Takes a time that has just passed out of all that is measured. GIL held. */
void clock_hide(uint64_t ticks, uint64_t nanoseconds);

/* Chooses the counter, once, before any event is timed, and measures its rate roughly. */
void clock_select(void);

extern double clock_ticks_per_nanosecond; /* rough: for thresholds, never for figures */

static inline int
clock_is_longer(uint64_t ticks, uint64_t nanoseconds)
{
    return (double)ticks > (double)nanoseconds * clock_ticks_per_nanosecond;
}

#endif
