/* Reads the limits of the control groups that this process is in, from the innermost to the root. */
#define _GNU_SOURCE
#include "control_groups.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Opens a file of one group; NULL where it has none. */
static FILE *
open_file_of(const char *group, const char *name)
{
    char path[640];
    snprintf(path, sizeof path, "/sys/fs/cgroup%s/%s", strcmp(group, "/") ? group : "", name);
    return fopen(path, "re");
}

/* Reads one number, or two; whether they were there. */
static int
read_numbers(const char *group, const char *name, int count, long long *first, long long *second)
{
    FILE *file = open_file_of(group, name);
    int found = file == NULL ? 0 : fscanf(file, count == 2 ? "%lld %lld" : "%lld", first, second);
    if (file != NULL) {
        fclose(file);
    }
    return found == count;
}

/* The number behind a word in a group's memory.stat; 0 where it is not there. */
static long long
read_statistic(const char *group, const char *wanted)
{
    char word[64];
    long long number, found = 0;
    FILE *file = open_file_of(group, "memory.stat");
    while (file != NULL && fscanf(file, "%63s %lld", word, &number) == 2) {
        if (strcmp(word, wanted) == 0) {
            found = number;
            break;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return found;
}

/* Calls `look` with the process's group and with each of those around it. */
static void
visit_groups(void (*look)(const char *group, void *found), void *found)
{
    int saved = errno;
    char line[512];
    FILE *file = fopen("/proc/self/cgroup", "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "0::", 3) != 0) {
            continue;
        }
        char *group = line + 3;
        group[strcspn(group, "\n")] = '\0';
        for (char *last = group; last != NULL;) {
            look(group, found);
            last = strrchr(group, '/');
            if (last != NULL) {
                *last = '\0';
            }
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    errno = saved;
}

static void
look_at_cores(const char *group, void *found)
{
    long *least = found;
    long long quota, period;
    if (read_numbers(group, "cpu.max", 2, &quota, &period) && quota > 0 && period > 0) {
        long share = (long)(100 * quota / period);
        *least = *least == 0 || share < *least ? share : *least;
    }
}

long
control_groups_cores(void)
{
    long least = 0;
    visit_groups(look_at_cores, &least);
    return least;
}

static void
look_at_memory(const char *group, void *found)
{
    uint64_t *least = found;
    long long limit, used, none;
    if (read_numbers(group, "memory.max", 1, &limit, &none) &&
        read_numbers(group, "memory.current", 1, &used, &none)) {
        long long left = limit - used + read_statistic(group, "inactive_file");
        uint64_t bytes = left > 0 ? (uint64_t)left : 0;
        *least = bytes < *least ? bytes : *least;
    }
}

uint64_t
control_groups_free_memory(void)
{
    uint64_t least = UINT64_MAX;
    visit_groups(look_at_memory, &least);
    return least;
}
