/* Books how many threads of the process wanted a core during a long call, and how long they queued.
 *
 * Linux counts for each thread how long it has run and how long it has waited, ready to run, in a queue
 * for a core. Threads that sleep count for neither. Threads that end inside the call are missed; those of
 * OpenMP and of BLAS libraries live on. A look costs some microseconds for each thread, so looks take no
 * more than a 128th of the time that has passed.
 */
#define _GNU_SOURCE
#include "call_checks.h"

#include "clock.h"
#include "usable_cores.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define SHORTEST 20000000 /* ns: a thread's counts can be some milliseconds late */
#define SHARE 128
#define AT_FIRST 5000000 /* ns that looks may take from the beginning */

/* Long calls during which the process's threads were ready to run, and a quarter of that time or more
 * waited for a core. `value`: hundredths of a thread that wanted to run, on average over the call, of
 * the call in which they were most; `limit`: hundredths of a core that the process may use. `other`: -1.
 * `text`: how long they ran and waited in the first such call, in milliseconds: "ran=200;waited=610". */
static const char THREADS_QUEUED[] = "threads-queued";

/* Other long calls that were looked at; the same. */
static const char THREADS_RAN[] = "threads-ran";

enum { THREADS = 256 }; /* that are followed; with more the demand is higher than what is said */

typedef struct {
    int id;
    uint64_t ran, waited; /* nanoseconds, since the thread began */
} thread_times;

typedef struct {
    int count;
    thread_times threads[THREADS];
} thread_list;

static uint64_t spent;      /* nanoseconds of processor time that looks took; GIL held */
static uint64_t first_look; /* nanoseconds on the clock */

/* Looks wait in the same queues as the threads that they look at, which costs the program nothing. */
static uint64_t
processor_time(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* What one thread has run and waited; false where the kernel does not tell. */
static bool
read_times(int tasks, const char *id, thread_times *out)
{
    char path[32], text[96];
    unsigned long long ran, waited;
    snprintf(path, sizeof path, "%.16s/schedstat", id);
    int file = openat(tasks, path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return false;
    }
    ssize_t length = read(file, text, sizeof text - 1);
    close(file);
    text[length > 0 ? length : 0] = '\0';
    if (sscanf(text, "%llu %llu", &ran, &waited) != 2) {
        return false;
    }
    *out = (thread_times){atoi(id), ran, waited};
    return true;
}

static void
read_threads(thread_list *out)
{
    int saved = errno; /* the program's own: ctypes hands it on */
    uint64_t began = processor_time();
    out->count = 0;
    DIR *tasks = opendir("/proc/self/task");
    const struct dirent *each;
    while (tasks != NULL && out->count < THREADS && (each = readdir(tasks)) != NULL) {
        bool is_thread = each->d_name[0] >= '0' && each->d_name[0] <= '9';
        out->count += is_thread && read_times(dirfd(tasks), each->d_name, &out->threads[out->count]);
    }
    if (tasks != NULL) {
        closedir(tasks);
    }
    spent += processor_time() - began;
    errno = saved;
}

typedef struct {
    thread_list *at_start; /* owned */
} threads_memory;

/* Whether another look is worth what it costs. */
static bool
can_afford_look(void)
{
    uint64_t now = clock_nanoseconds();
    first_look = first_look == 0 ? now : first_look;
    return spent < (now - first_look) / SHARE || spent < AT_FIRST;
}

static bool
before(const begun_call *call, void *memory)
{
    (void)call;
    threads_memory *own = memory;
    own->at_start = can_afford_look() ? malloc(sizeof *own->at_start) : NULL;
    if (own->at_start == NULL) {
        return false;
    }
    read_threads(own->at_start);
    return true;
}

/* What the threads that are there now have run and waited since the call began. */
static thread_times
sum_since(const thread_list *then, const thread_list *now)
{
    thread_times sum = {0, 0, 0};
    for (int i = 0; i < now->count; i++) {
        thread_times each = now->threads[i];
        for (int k = 0; k < then->count; k++) {
            const thread_times *old = &then->threads[k];
            if (old->id == each.id && old->ran <= each.ran && old->waited <= each.waited) {
                each.ran -= old->ran;
                each.waited -= old->waited;
                break;
            }
        }
        sum.ran += each.ran;
        sum.waited += each.waited;
    }
    return sum;
}

static void
look_after(const call_ticket *ticket, uint64_t ticks, const thread_list *then)
{
    thread_list *now = malloc(sizeof *now);
    if (now == NULL) {
        return;
    }
    read_threads(now);
    thread_times sum = sum_since(then, now);
    free(now);
    double wall = (double)ticks / clock_ticks_per_nanosecond;
    uint64_t wanted = sum.ran + sum.waited;
    if (wanted == 0 || then->count == 0) {
        return; /* asleep, or the kernel does not tell */
    }
    char text[80];
    snprintf(text, sizeof text, "ran=%llu;waited=%llu", (unsigned long long)(sum.ran / 1000000),
             (unsigned long long)(sum.waited / 1000000));
    const fact_event fact = {.kind = sum.waited >= wanted / 4 ? THREADS_QUEUED : THREADS_RAN,
                             .position = -1,
                             .other = -1,
                             .value = (int64_t)(100 * (double)wanted / wall),
                             .limit = usable_cores(),
                             .text = text};
    ledger_book_fact(&ticket->record, &fact);
}

static void
after(const callee *to, const call_ticket *ticket, uint64_t ticks, PyObject *result, void *memory)
{
    (void)to, (void)result;
    threads_memory *own = memory;
    if (clock_is_longer(ticks, SHORTEST)) {
        look_after(ticket, ticks, own->at_start);
    }
    free(own->at_start);
}

static call_check threads_check = {
    .memory = sizeof(threads_memory),
    .before = before,
    .after = after,
    .looks_at = {.all = CALL_LASTING},
};
REGISTER_CALL_CHECK(threads_check)
