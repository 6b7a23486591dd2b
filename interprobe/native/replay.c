/* The parent's part of a replay: when, whether it is safe, the fork, the wait, and what is booked.
 *
 * The child is made by the bare system call: no handler of pthread_atfork runs (that of a BLAS whose
 * threads are busy would wait for ever), and no signal tells of its end, so that the program neither gets
 * a SIGCHLD nor can meet the child in wait(). While it lives the parent waits, since pages that both
 * use are copied when one of them writes; its clock stands still for all that is recorded.
 */
#define _GNU_SOURCE
#include "replay.h"

#include "clock.h"
#include "control_groups.h"
#include "guard_blocks.h"
#include "ledger_region.h"
#include "number_text.h"
#include "replay_budget.h"
#include "replay_sandbox.h"
#include "resting_threads.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    RECORDS = 1024, /* that are remembered; power of two */
    TRIES = 4,
    WARMED_UP = 5,
    LOOK_EVERY = 20000000, /* nanoseconds */
    MANY_TIMES = 8,
    PATIENCE = 50000000, /* nanoseconds */
    SPARE_MEMORY = 64 << 20,
};
#define MOST_OF_ONE 1e9    /* nanoseconds of timing, */
#define MOST_OF_MAIN 2e9   /* and of a record that is most of the run */
#define MAIN_SHARE 0.3
#define LITTLE_TIME 1e8    /* nanoseconds: with less only short calls are begun */
#define RECORD_SHARE 0.01  /* of the run that a record's calls take */

static const char what_if_fact[] = "what-if";

typedef struct {
    uint64_t ledger;
    entry_offset entry; /* 0: empty */
    int slot;           /* of the ledger */
    uint8_t tries;
    bool is_done;
    uint64_t next; /* ticks of the record's calls from which on it is looked at again */
} known_record;

uint64_t replay_fed_crossing;
static known_record records[RECORDS];

/* What is known of a record; NULL where the table is full. */
static known_record *
record_of(const record_booking *booking)
{
    unsigned at = (unsigned)((booking->entry >> 3) * 0x9E3779B1u >> 20) & (RECORDS - 1);
    for (unsigned i = 0; i < 16; i++) {
        known_record *known = &records[(at + i) & (RECORDS - 1)];
        if (known->entry == 0 || record_ledger(&(record_booking){.ledger = known->ledger,
                                                                 .slot = known->slot,
                                                                 .entry = known->entry}) == NULL) {
            *known = (known_record){
                .ledger = booking->ledger, .entry = booking->entry, .slot = booking->slot};
        }
        if (known->entry == booking->entry && known->ledger == booking->ledger) {
            return known;
        }
    }
    return NULL;
}

/* --- whether ---------------------------------------------------------------------------------- */

static double
elapsed_nanoseconds(const ledger *book)
{
    uint64_t ticks = region_header(book)->active_ticks + clock_ticks() - book->resumed_ticks;
    return (double)ticks / clock_ticks_per_nanosecond;
}

static uint64_t
free_memory(void)
{
    unsigned long long kilobytes = 0;
    char line[128];
    FILE *file = fopen("/proc/meminfo", "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "MemAvailable: %llu kB", &kilobytes) == 1) {
            break;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    uint64_t of_machine = (uint64_t)kilobytes << 10, of_groups = control_groups_free_memory();
    return of_machine < of_groups ? of_machine : of_groups;
}

/* At most: arrays for each change, what a call makes, and the pages that it writes. */
static uint64_t
memory_wanted(const replay_job *job)
{
    uint64_t bytes = 0;
    for (int i = 0; i < job->call->count; i++) {
        bytes += job->call->arrays[i] == NULL ? 0 : (uint64_t)job->call->layouts[i].nbytes;
    }
    return SPARE_MEMORY + bytes * (unsigned)(job->count + 2);
}

/* Why the call cannot be repeated now, or NULL; `may_change`: it may be able to later. */
static const char *
hindrance(const replay_job *job, bool *may_change)
{
    *may_change = false;
    if (!replay_sandbox_exists()) {
        return "this machine cannot keep a repeated call from changing anything";
    }
    if (guard_blocks_on) {
        return "guard mode is on";
    }
    if ((double)job->call->ticks * (job->count + 1) > job->allowance) {
        *may_change = job->allowance < MOST_OF_ONE * clock_ticks_per_nanosecond;
        return replay_too_long;
    }
    *may_change = true;
    uint64_t began = clock_nanoseconds();
    const char *why = threads_come_to_rest();
    replay_budget_spend((double)(clock_nanoseconds() - began));
    if (why != NULL) {
        return why;
    }
    if (free_memory() < memory_wanted(job)) {
        return "too little memory was free for another set of arrays";
    }
    return NULL;
}

/* --- the child -------------------------------------------------------------------------------- */

static pid_t
fork_silently(int *process_file)
{
    *process_file = -1;
    /* The last byte of the flags is the signal at the child's end: none. */
    return (pid_t)syscall(SYS_clone, (unsigned long)CLONE_PIDFD, NULL, process_file, NULL, NULL);
}

typedef enum { ENDED, OVERDUE, INTERRUPTED } child_end;

/* Signals that interrupt the wait: somebody wants the program to end, or to stop. Others, such as those of
 * timers, are answered between two looks. */
static void
mask_while_waiting(sigset_t *mask)
{
    static const int heard[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
    sigset_t before;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    sigfillset(mask);
    for (size_t i = 0; i < sizeof heard / sizeof heard[0]; i++) {
        if (sigismember(&before, heard[i]) == 0) {
            sigdelset(mask, heard[i]);
        }
    }
}

/* Waits until the child has ended, has made no call for so long, or its time is up. It is gone then. */
static child_end
wait_for(pid_t child, int process_file, const replay_report *report, double all, double silent,
         int *status)
{
    uint64_t began = clock_nanoseconds(), latest = began;
    unsigned long calls = 0;
    bool ended = false, interrupted = false;
    sigset_t mask;
    mask_while_waiting(&mask);
    while (!ended && !interrupted) {
        uint64_t now = clock_nanoseconds();
        if (report->calls != calls) {
            calls = report->calls;
            latest = now;
        }
        if ((double)(now - began) > all || (double)(now - latest) > silent) {
            break;
        }
        struct pollfd poll_for = {.fd = process_file, .events = POLLIN};
        if (process_file >= 0) {
            const struct timespec pause = {0, LOOK_EVERY};
            interrupted = ppoll(&poll_for, 1, &pause, &mask) < 0 && errno == EINTR;
        } else {
            struct timespec pause = {0, 200000};
            interrupted = nanosleep(&pause, NULL) < 0 && errno == EINTR;
        }
        ended = waitpid(child, status, __WALL | WNOHANG) == child;
    }
    if (!ended) {
        kill(child, SIGKILL);
        while (waitpid(child, status, __WALL) < 0 && errno == EINTR) {
        }
    }
    return ended ? ENDED : interrupted ? INTERRUPTED : OVERDUE;
}

static void
tell_end(child_end end, int status, replay_report *report)
{
    static const char shared_memory[] =
        "the repeated call crashed: it may have written into memory that it shares with a file or with "
        "other processes";
    if (end == INTERRUPTED) {
        snprintf(report->reason, sizeof report->reason, "a signal interrupted the measurement");
    } else if (end == OVERDUE) {
        snprintf(report->reason, sizeof report->reason,
                 "the repeated call did not come back (threads of its library do not exist there)");
    } else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) {
        snprintf(report->reason, sizeof report->reason,
                 "the call reaches outside of the process (files, sockets, other processes)");
    } else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV && report->shares_memory) {
        snprintf(report->reason, sizeof report->reason, "%s", shared_memory);
    } else if (WIFSIGNALED(status)) {
        snprintf(report->reason, sizeof report->reason, "the repeated call was ended by signal %d (%s)",
                 WTERMSIG(status), strsignal(WTERMSIG(status)));
    } else {
        snprintf(report->reason, sizeof report->reason, "the repeated call ended its process");
    }
}

/* Runs the child. `out` is filled. Whether another try may come to another end. */
static bool
run(const replay_job *job, replay_report *out)
{
    memset(out, 0, sizeof *out);
    replay_report *report = mmap(NULL, sizeof *report, PROT_READ | PROT_WRITE,
                                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (report == MAP_FAILED) {
        snprintf(out->reason, sizeof out->reason, "too little memory was free");
        return true;
    }
    memset(report, 0, sizeof *report);
    uint64_t began = clock_nanoseconds();
    int process_file, status = 0;
    bool in_vain = true;
    pid_t child = fork_silently(&process_file);
    if (child == 0) {
        replay_in_child(job, report);
    }
    double forking = (double)(clock_nanoseconds() - began);
    if (child < 0) {
        snprintf(out->reason, sizeof out->reason, "no child could be forked: %s", strerror(errno));
    } else {
        double preparing = (double)memory_wanted(job) / 0.5 + forking; /* at 500 MB/s */
        double all = 1.5 * job->allowance / clock_ticks_per_nanosecond + preparing;
        double one = (double)job->call->ticks / clock_ticks_per_nanosecond;
        child_end end = wait_for(child, process_file, report, all,
                                 preparing + PATIENCE + MANY_TIMES * one, &status);
        *out = *report;
        if (!report->is_whole) {
            tell_end(end, status, out);
        }
        bool had_little = job->allowance < MOST_OF_ONE * clock_ticks_per_nanosecond;
        in_vain = end == INTERRUPTED || (had_little && strcmp(out->reason, replay_too_long) == 0);
        if (process_file >= 0) {
            close(process_file);
        }
    }
    munmap(report, sizeof *report);
    /* Pages that the parent writes later cost it about as much as the fork did. */
    replay_budget_spend((double)(clock_nanoseconds() - began) + forking);
    return in_vain;
}

/* --- what is booked --------------------------------------------------------------------------- */

static void
name_positions(uint32_t positions, char *out, size_t room)
{
    size_t used = 0;
    out[0] = '\0';
    for (int i = 0; i < CALL_ARGUMENTS; i++) {
        if (positions & 1u << i && used + 4 < room) {
            used += (size_t)snprintf(out + used, room - used, "%s%d", used ? "," : "", i);
        }
    }
}

/* "CHANGE|POSITIONS|CACHE|PASSES|AS_IS|CHANGED|SPEEDUP|LOW|HIGH|AS_IS_SPREAD|CHANGED_SPREAD|REASON", times
 * in nanoseconds; for each state of the caches that was measured. */
static void
book_change(const replay_job *job, const replay_report *report, int change, cache_state cache)
{
    static const char *const caches[] = {"warm", "evicted"};
    const replay_figures *is = &report->figures[change][cache];
    const char *reason = report->reason[0] ? report->reason : report->reasons[change];
    bool measured = is->passes > 0 && reason[0] == '\0';
    char positions[80], text[480];
    if (!measured && cache != CACHE_WARM) {
        return;
    }
    name_positions(job->positions[change], positions, sizeof positions);
    if (measured) {
        const double numbers[] = {is->as_is / clock_ticks_per_nanosecond,
                                  is->changed / clock_ticks_per_nanosecond, is->speedup, is->low,
                                  is->high, is->as_is_spread, is->changed_spread};
        size_t used = (size_t)snprintf(text, sizeof text, "%s|%s|%s|%d|", job->changes[change]->change,
                                       positions, caches[cache], is->passes);
        for (size_t i = 0; i < sizeof numbers / sizeof numbers[0] && used < sizeof text; i++) {
            char number[40];
            snprintf(number, sizeof number, "%.5f", numbers[i]);
            number_text_point(number);
            used += (size_t)snprintf(text + used, sizeof text - used, "%s|", number);
        }
    } else {
        snprintf(text, sizeof text, "%s|%s||0||||||||%s", job->changes[change]->change, positions, reason);
    }
    const fact_event fact = {.kind = what_if_fact,
                             .position = __builtin_ctz(job->positions[change]),
                             /* What stood in the way once may be out of it at the next try. */
                             .other = (measured ? 0 : REPLAY_CHANGES * CACHE_STATES) +
                                      change * CACHE_STATES + (int)cache,
                             .value = is->passes,
                             .text = text};
    const what_if *is_about = job->changes[change];
    ledger_book_fact(is_about->about == NULL ? &job->call->ticket->record
                                             : is_about->about(job->call, fact.position),
                     &fact);
}

/* --- when --------------------------------------------------------------------------------------- */

/* Finds the counterfactuals; returns the ticks that conversions before the record's calls have taken. */
static uint64_t
find_changes(replay_job *job, unsigned traits)
{
    uint64_t ticks = 0;
    for (const what_if *each = what_ifs; each != NULL && job->count < REPLAY_CHANGES; each = each->next) {
        bool concerns = (traits & each->concerns.all) == each->concerns.all &&
                        (each->concerns.any == 0 || (traits & each->concerns.any) != 0) &&
                        (traits & each->never) == 0;
        uint32_t positions = concerns ? each->applies(job->call) : 0;
        if (positions != 0) {
            job->changes[job->count] = each;
            job->positions[job->count++] = positions;
            if (each->about != NULL) {
                ticks += ledger_copy_ticks(each->about(job->call, __builtin_ctz(positions)));
            }
        }
    }
    return ticks;
}

static void
replay(replay_job *job, known_record *known, double most)
{
    bool may_change = false;
    job->allowance = most * clock_ticks_per_nanosecond;
    const char *why = hindrance(job, &may_change);
    static replay_report report; /* GIL held throughout */
    if (why != NULL) {
        memset(&report, 0, sizeof report);
        snprintf(report.reason, sizeof report.reason, "%s", why);
    } else {
        may_change = run(job, &report);
    }
    known->is_done = !may_change || ++known->tries == TRIES;
    for (int i = 0; i < job->count; i++) {
        book_change(job, &report, i, CACHE_WARM);
        book_change(job, &report, i, CACHE_EVICTED);
    }
}

/* An array over living memory that an argument is the mere address of; a new reference, or NULL. */
static PyArrayObject *
array_at_address(const callee *to, PyObject *argument)
{
    pointed_layout found;
    if (to->foreign == NULL || to->layouts_behind == NULL ||
        to->layouts_behind(argument, &found, 1) != 1 || found.offset >= 0 || found.kept.freed != 0) {
        return NULL;
    }
    const layout *is = &found.kept.is;
    char type[16];
    PyArray_Descr *descr = NULL;
    snprintf(type, sizeof type, "%c%c%d", is->byteorder, is->kind, (int)is->elsize);
    PyObject *name = strchr("fiucb", is->kind) == NULL ? NULL : PyUnicode_FromString(type);
    PyObject *array = NULL;
    if (name != NULL && PyArray_DescrConverter(name, &descr) == NPY_SUCCEED) {
        array = PyArray_NewFromDescr(&PyArray_Type, descr, is->ndim, (npy_intp *)is->shape,
                                     (npy_intp *)is->strides, is->data,
                                     is->writeable ? NPY_ARRAY_WRITEABLE : 0, NULL);
    }
    Py_XDECREF(name);
    PyErr_Clear();
    return (PyArrayObject *)array;
}

/* C may be given the address of a later element, to go on or back from there: another array's first element
 * is nothing like it. */
static void
leave_inner_address(ended_call *call, int position)
{
    const foreign_binding *foreign = call->to->foreign;
    uintptr_t address = foreign == NULL ? 0 : foreign->address(call->to->arguments[position]);
    if (address != 0 && address != (uintptr_t)call->layouts[position].data) {
        Py_CLEAR(call->arrays[position]);
    }
}

static void
consider(ended_call *call, unsigned traits, calls_so_far all, known_record *known)
{
    const callee *to = call->to;
    const ledger *book = record_ledger(&call->ticket->record.bookings[0]);
    double elapsed = elapsed_nanoseconds(book);
    double left = replay_budget_left(elapsed);
    bool unbounded = replay_mode == REPLAY_ALL;
    double shortest = MANY_TIMES * (double)call->ticks / clock_ticks_per_nanosecond;
    if (!unbounded && (left <= 0 || (left < shortest && left < LITTLE_TIME))) {
        return;
    }
    for (int i = 0; i < call->count; i++) {
        call->arrays[i] = to->array_behind(to->arguments[i]);
        if (call->arrays[i] == NULL) {
            call->arrays[i] = array_at_address(to, to->arguments[i]);
        }
        if (call->arrays[i] != NULL) {
            layout_read(&call->layouts[i], call->arrays[i]);
            leave_inner_address(call, i);
        }
    }
    bool settled = all.count >= WARMED_UP; /* the first calls meet cold memory */
    replay_job job = {.call = call, .in_place = settled ? (double)all.ticks / (double)all.count : 0};
    uint64_t ticks = all.ticks + find_changes(&job, traits);
    double share = (double)ticks / clock_ticks_per_nanosecond / elapsed;
    known->next = 2 * ticks; /* another look when it has cost twice as much */
    if (job.count > 0 && ticks >= replay_threshold && (unbounded || share >= RECORD_SHARE)) {
        double most = share >= MAIN_SHARE ? MOST_OF_MAIN : MOST_OF_ONE;
        replay(&job, known, unbounded || left > most ? most : left);
    }
    for (int i = 0; i < call->count; i++) {
        Py_XDECREF(call->arrays[i]); /* the argument itself still holds it, or its memory */
    }
}

void
replay_consider(const callee *to, const call_ticket *ticket, uint64_t serial, unsigned traits,
                uint64_t ticks, calls_so_far all)
{
    if (to->repeat == NULL || to->count > CALL_ARGUMENTS || ticket->record.count == 0 ||
        (traits & CALL_RAISED) != 0 || record_ledger(&ticket->record.bookings[0]) == NULL) {
        return;
    }
    known_record *known = record_of(&ticket->record.bookings[0]);
    bool is_fed = serial != 0 && replay_fed_crossing == serial;
    if (known == NULL || known->is_done || (all.ticks < known->next && (!is_fed || known->tries > 0))) {
        return;
    }
    static bool is_busy; /* what an argument's array is may be asked of Python code */
    if (is_busy) {
        return;
    }
    is_busy = true;
    int saved = errno;
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    uint64_t began = clock_ticks(), nanoseconds = clock_nanoseconds();
    static ended_call call; /* too large for the stacks of deep callbacks; GIL held throughout */
    call.to = to;
    call.ticket = ticket;
    call.serial = serial;
    call.ticks = ticks;
    call.count = (int)to->count;
    consider(&call, traits, all, known);
    clock_hide(clock_ticks() - began, clock_nanoseconds() - nanoseconds);
    PyErr_Restore(type, value, traceback);
    errno = saved;
    is_busy = false;
}
