/* Keeps account of the time that replays take, in memory that the processes of a run share.
 *
 * A program may start hundreds of short processes. If each had two seconds, most of the run would go into
 * replays: these two seconds are there once. A tenth of its own time is each process's own.
 */
#define _GNU_SOURCE
#include "replay_budget.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#define SHARE 0.1    /* of its run that a process's replays may take, */
#define AT_LEAST 2e9 /* or so many nanoseconds, those of other processes included */

enum { PAGE = 4096 };

typedef struct {
    int64_t spent; /* nanoseconds, by all processes */
} shared_account;

static shared_account alone;             /* where no memory can be shared */
static shared_account *account = &alone; /* never NULL */
static double own;                       /* nanoseconds spent by the process `owner` */
static pid_t owner;

void
replay_budget_share(const char *path)
{
    if (account != &alone) {
        munmap(account, PAGE);
    }
    account = &alone;
    alone.spent = 0;
    own = 0;
    owner = getpid();
    /* The names tell the child of a replay that this is no memory of the program's. */
    int file = path == NULL ? memfd_create("interprobe-replays", MFD_CLOEXEC)
                            : open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file < 0) {
        return;
    }
    void *memory = ftruncate(file, PAGE) < 0
                       ? MAP_FAILED
                       : mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (memory != MAP_FAILED) {
        account = memory;
    }
}

static double
spent_by_this_process(void)
{
    if (owner != getpid()) { /* forked since */
        owner = getpid();
        own = 0;
    }
    return own;
}

double
replay_budget_left(double elapsed)
{
    double common = AT_LEAST - (double)__atomic_load_n(&account->spent, __ATOMIC_RELAXED);
    double share = SHARE * elapsed - spent_by_this_process();
    return common > share ? common : share;
}

void
replay_budget_spend(double nanoseconds)
{
    own = spent_by_this_process() + nanoseconds;
    __atomic_fetch_add(&account->spent, (int64_t)nanoseconds, __ATOMIC_RELAXED);
}
