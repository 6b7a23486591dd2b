/* Finds out how many cores this process may use: its affinity, and the quota of its control group. */
#define _GNU_SOURCE
#include "usable_cores.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
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

/* Reads two numbers, the first of which may be a word; whether both are numbers above 0. */
static int
read_quota(const char *path, long long *quota, long long *period)
{
    FILE *file = fopen(path, "re");
    int found = file == NULL ? 0 : fscanf(file, "%lld %lld", quota, period);
    if (file != NULL) {
        fclose(file);
    }
    return found == 2 && *quota > 0 && *period > 0;
}

/* The least quota of the process's group and those around it, in hundredths of a core; 0: none. */
static long
quota_of_groups(void)
{
    char line[512], path[600];
    long least = 0;
    long long quota, period;
    FILE *file = fopen("/proc/self/cgroup", "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "0::", 3) != 0) {
            continue;
        }
        char *group = line + 3;
        group[strcspn(group, "\n")] = '\0';
        for (;;) {
            snprintf(path, sizeof path, "/sys/fs/cgroup%s/cpu.max", strcmp(group, "/") ? group : "");
            if (read_quota(path, &quota, &period)) {
                long share = (long)(100 * quota / period);
                least = least == 0 || share < least ? share : least;
            }
            char *last = strrchr(group, '/');
            if (last == NULL) {
                break;
            }
            *last = '\0';
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return least;
}

int
usable_cores(void)
{
    int saved = errno;
    long cores = 100 * allowed_cores(), quota = quota_of_groups();
    errno = saved;
    return (int)(quota > 0 && quota < cores ? quota : cores);
}
