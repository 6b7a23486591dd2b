/* Chooses between the time-stamp counter and the kernel's monotonic clock. */
#include "clock.h"

#include <stdio.h>
#include <string.h>

double clock_ticks_per_nanosecond = 1.0;
uint64_t clock_hidden_ticks, clock_hidden_nanoseconds;

void
clock_hide(uint64_t ticks, uint64_t nanoseconds)
{
    __atomic_fetch_add(&clock_hidden_ticks, ticks, __ATOMIC_RELAXED);
    __atomic_fetch_add(&clock_hidden_nanoseconds, nanoseconds, __ATOMIC_RELAXED);
}

#if defined(__x86_64__)
int clock_uses_tsc = 0;

static void
measure_rate(void)
{
    uint64_t ticks = clock_ticks(), nanoseconds = clock_nanoseconds(), passed;
    do {
        passed = clock_nanoseconds() - nanoseconds;
    } while (passed < 100000);
    clock_ticks_per_nanosecond = (double)(clock_ticks() - ticks) / (double)passed;
}

void
clock_select(void)
{
    /* The kernel names "tsc" only where it runs at one rate on all cores and across sleep states. */
    char source[16] = "";
    FILE *file = fopen("/sys/devices/system/clocksource/clocksource0/current_clocksource", "re");
    if (file != NULL) {
        if (fgets(source, sizeof source, file) == NULL) {
            source[0] = '\0';
        }
        fclose(file);
    }
    clock_uses_tsc = strncmp(source, "tsc", 3) == 0;
    if (clock_uses_tsc) {
        measure_rate();
    }
}
#else
void
clock_select(void)
{
}
#endif
