/* Chooses between the time-stamp counter and the kernel's monotonic clock. */
#include "clock.h"

#include <stdio.h>
#include <string.h>

#if defined(__x86_64__)
int clock_uses_tsc = 0;

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
}
#else
void
clock_select(void)
{
}
#endif
