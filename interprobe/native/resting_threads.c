/* Waits until all other threads of the process sleep. */
#define PY_SSIZE_T_CLEAN
#define _GNU_SOURCE
#include <Python.h>

#include "resting_threads.h"

#include "clock.h"
#include "gil.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    LONGEST_WAIT = 250000000,       /* nanoseconds, for threads of libraries, */
    LONGEST_WAIT_FOR_PYTHON = 20000000, /* and for Python's own: what they do may take any time */
    PAUSE = 2000000,                /* nanoseconds between two looks */
};

typedef enum { REST, LIBRARY_RUNS, PYTHON_RUNS, NOT_KNOWN } rest_state;

static bool
is_only_python_thread(void)
{
    PyThreadState *first = PyInterpreterState_ThreadHead(PyInterpreterState_Get());
    return PyThreadState_Next(first) == NULL;
}

static bool
is_python_thread(int id)
{
    PyThreadState *each = PyInterpreterState_ThreadHead(PyInterpreterState_Get());
    while (each != NULL && each->native_thread_id != (unsigned long)id) {
        each = PyThreadState_Next(each);
    }
    return each != NULL;
}

/* Whether a thread sleeps, or has just ended. */
static bool
sleeps(int thread)
{
    char path[64], text[256], state = 0;
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", thread);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return true;
    }
    size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = '\0';
    const char *name_end = strrchr(text, ')');
    return name_end == NULL || sscanf(name_end + 1, " %c", &state) != 1 || state == 'S';
}

static rest_state
look_at_threads(void)
{
    DIR *tasks = opendir("/proc/self/task");
    if (tasks == NULL) {
        return NOT_KNOWN;
    }
    int own = (int)syscall(SYS_gettid);
    rest_state state = REST;
    const struct dirent *each;
    while (state == REST && (each = readdir(tasks)) != NULL) {
        int thread = atoi(each->d_name);
        if (thread > 0 && thread != own && !sleeps(thread)) {
            state = is_python_thread(thread) ? PYTHON_RUNS : LIBRARY_RUNS;
        }
    }
    closedir(tasks);
    return state;
}

const char *
threads_come_to_rest(void)
{
    gil_view lock;
    if (!is_only_python_thread() && !gil_read(&lock)) {
        return "the program had several Python threads, and this Python's lock is not known";
    }
    uint64_t began = clock_nanoseconds();
    rest_state state = look_at_threads();
    while (state == LIBRARY_RUNS || state == PYTHON_RUNS) {
        uint64_t waited = clock_nanoseconds() - began;
        struct timespec pause = {0, PAUSE};
        if (waited > (state == PYTHON_RUNS ? LONGEST_WAIT_FOR_PYTHON : LONGEST_WAIT) ||
            nanosleep(&pause, NULL) < 0) { /* a signal is waiting to be answered */
            break;
        }
        state = look_at_threads();
    }
    return state == REST          ? NULL
           : state == PYTHON_RUNS ? "other Python threads were at work in native code"
           : state == NOT_KNOWN   ? "what its other threads do is not known"
                                  : "other threads were at work in native code";
}
