/* Finds out how many cores this process may use: its affinity, and the quota of its control group. */
#define _GNU_SOURCE
#include "usable_cores.h"

#include "control_groups.h"

#include <errno.h>
#include <sched.h>
#include <unistd.h>

static long
allowed_cores(void)
{
    enum { MOST = 8192 };
    cpu_set_t *set = CPU_ALLOC(MOST);
    size_t size = CPU_ALLOC_SIZE(MOST);
    long cores = 0;
    if (set != NULL && sched_getaffinity(0, size, set) == 0) {
        cores = CPU_COUNT_S(size, set);
    }
    if (set != NULL) {
        CPU_FREE(set);
    }
    return cores > 0 ? cores : sysconf(_SC_NPROCESSORS_ONLN);
}

int
usable_cores(void)
{
    int saved = errno;
    long cores = 100 * allowed_cores(), quota = control_groups_cores();
    errno = saved;
    return (int)(quota > 0 && quota < cores ? quota : cores);
}
