/* Which ledgers are open and which are being written to; their clocks; the books of array data. */
#include "ledger.h"

#include "c_heap.h"
#include "clock.h"
#include "frames.h"
#include "guard_mode.h"
#include "ledger_region.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int ledger_active = 0;
ledger *ledger_active_books[LEDGER_MAXIMUM_OPEN];
ledger *ledger_open_books[LEDGER_MAXIMUM_OPEN];
static uint64_t ledger_serials;
static uint64_t newest_block; /* guarded by the lock */
static char lock;

void
ledger_lock(void)
{
    for (unsigned tries = 1; __atomic_test_and_set(&lock, __ATOMIC_ACQUIRE); tries++) {
        if (tries % 64 == 0) {
            sched_yield(); /* its holder may wait for this very processor */
        }
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
    }
}

void
ledger_unlock(void)
{
    __atomic_clear(&lock, __ATOMIC_RELEASE);
}

ledger *
ledger_new(const char *path)
{
    int slot = 0;
    while (slot < LEDGER_MAXIMUM_OPEN && ledger_open_books[slot] != NULL) {
        slot++;
    }
    if (slot == LEDGER_MAXIMUM_OPEN) {
        errno = EMFILE;
        return NULL;
    }
    ledger *book = calloc(1, sizeof *book);
    if (book == NULL) {
        return NULL;
    }
    if ((path != NULL && (book->path = strdup(path)) == NULL) || region_map(book, path) < 0) {
        free(book->path);
        free(book);
        return NULL;
    }
    book->slot = slot;
    int64_t held = c_heap_bytes_in_use();
    book->held_before = held > 0 ? (uint64_t)held : 0;
    book->serial = ++ledger_serials;
    ledger_lock();
    book->first_block = newest_block + 1;
    ledger_open_books[slot] = book;
    ledger_unlock();
    return book;
}

void
ledger_delete(ledger *book)
{
    guard_mode_end(book);
    ledger_pause(book);
    ledger_lock();
    ledger_open_books[book->slot] = NULL;
    ledger_unlock();
    munmap(book->region, LEDGER_REGION);
    region_forget(book, true);
    free(book->description);
    free(book->path);
    free(book);
}

void
ledger_forget_all(void)
{
    ledger_active = 0;
    memset(ledger_open_books, 0, sizeof ledger_open_books);
}

void
ledger_resume(ledger *book)
{
    if (book->active) {
        return;
    }
    book->resumed_ticks = clock_ticks();
    book->active = true;
    ledger_lock();
    ledger_active_books[ledger_active] = book;
    __atomic_store_n(&ledger_active, ledger_active + 1, __ATOMIC_RELEASE);
    ledger_unlock();
}

void
ledger_pause(ledger *book)
{
    if (!book->active) {
        return;
    }
    region_header(book)->active_ticks += clock_ticks() - book->resumed_ticks;
    book->active = false;
    ledger_lock();
    for (int i = 0; i < ledger_active; i++) {
        if (ledger_active_books[i] == book) {
            ledger_active_books[i] = ledger_active_books[ledger_active - 1];
            __atomic_store_n(&ledger_active, ledger_active - 1, __ATOMIC_RELEASE);
            break;
        }
    }
    ledger_unlock();
}

void
ledger_describe(ledger *book, const char *json)
{
    size_t length = strlen(json);
    if (json != book->description) {
        free(book->description);
        book->description = strdup(json); /* for children; without it theirs go unexplained */
    }
    entry_offset offset = region_append(book, ENTRY_DESCRIPTION, sizeof(string_entry) + length + 1);
    if (offset != 0) {
        string_entry *entry = (string_entry *)(book->region + offset);
        entry->length = (uint32_t)length;
        memcpy(entry->text, json, length + 1);
    }
}

/* Notes that the recording has come to here. */
static void
take_time(ledger *book)
{
    ledger_header *header = region_header(book);
    header->now_ticks = clock_ticks();
    header->now_nanoseconds = clock_nanoseconds();
    if (book->active) {
        header->active_ticks += header->now_ticks - book->resumed_ticks;
        book->resumed_ticks = header->now_ticks;
    }
}

void
ledger_seal(ledger *book)
{
    ledger_pause(book); /* what is measured now is no time of the program's */
    take_time(book);
    region_measure_pages(book);
    region_header(book)->sealed = 1;
}

const void *
ledger_snapshot(ledger *book, size_t *size)
{
    ledger_header *header = region_header(book);
    bool was_active = book->active;
    ledger_pause(book); /* what is measured now is no time of the program's */
    region_measure_pages(book);
    if (was_active) {
        ledger_resume(book);
    }
    take_time(book);
    *size = header->used;
    return book->region;
}

/* Gives an open ledger a region of the child's own, or ends it. */
static void
go_on_in_child(ledger *book)
{
    char path[4096];
    uint64_t parent = region_header(book)->pid;
    uint64_t inherited = region_header(book)->live_bytes;
    char *shared = book->region;
    int mapped = -1;
    /* Process numbers come again in a long run: then the name is taken. */
    for (int again = 0; mapped < 0 && again < 1000 && (again == 0 || errno == EEXIST); again++) {
        int length = snprintf(path, sizeof path, again == 0 ? "%s.%ld" : "%s.%ld-%d", book->path,
                              (long)getpid(), again);
        if (length >= (int)sizeof path) {
            break;
        }
        mapped = region_map(book, path);
    }
    if (mapped < 0) {
        book->region = shared; /* nowhere to write: the child is not recorded */
        book->active = false;
        return;
    }
    munmap(shared, LEDGER_REGION);
    /* Native code may fork without the GIL, while another thread is rebuilding a table. */
    region_forget(book, frames_thread_attached());
    region_header(book)->parent = parent;
    book->held_before += inherited;
    book->serial = ++ledger_serials; /* calls that began before the fork are the parent's */
    book->first_block = newest_block + 1;
    book->resumed_ticks = clock_ticks();
    if (book->description != NULL) {
        ledger_describe(book, book->description);
    }
}

static void
after_fork_in_child(void)
{
    for (int i = 0; i < LEDGER_MAXIMUM_OPEN; i++) {
        ledger *book = ledger_open_books[i];
        if (book != NULL && book->path != NULL) {
            go_on_in_child(book);
        } else if (book != NULL) {
            book->active = false;
        }
    }
    int kept = 0;
    for (int i = 0; i < ledger_active; i++) {
        if (ledger_active_books[i]->active) {
            ledger_active_books[kept++] = ledger_active_books[i];
        }
    }
    ledger_active = kept;
    guard_mode_in_child();
    ledger_unlock();
}

/* A fork in another thread must not freeze the lock, nor the tables that it guards, half-way. Also runs
 * where native code forks without Python's knowledge: touches nothing of Python's. */
__attribute__((constructor)) static void
guard_forks(void)
{
    pthread_atfork(ledger_lock, ledger_unlock, after_fork_in_child);
}

/* Doubles the bins' span until `now` falls into one, joining neighbours. */
static uint32_t
bin_at(ledger_header *header, uint64_t now)
{
    uint64_t since = now > header->started_ticks ? now - header->started_ticks : 0;
    while ((since >> header->bin_shift) >= LEDGER_BINS) {
        for (int i = 0; i < LEDGER_BINS / 2; i++) {
            timeline_bin *a = &header->timeline[2 * i], *b = a + 1;
            timeline_bin joined = {
                .highest = a->highest > b->highest ? a->highest : b->highest,
                .last = b->events ? b->last : a->last,
                .events = a->events + b->events,
            };
            header->timeline[i] = joined;
        }
        memset(&header->timeline[LEDGER_BINS / 2], 0, sizeof(timeline_bin) * LEDGER_BINS / 2);
        header->bin_shift++;
    }
    return (uint32_t)(since >> header->bin_shift);
}

static inline void
mark_timeline(ledger_header *header, uint64_t now)
{
    timeline_bin *bin = &header->timeline[bin_at(header, now)];
    if (header->live_bytes > bin->highest) {
        bin->highest = header->live_bytes;
    }
    bin->last = header->live_bytes;
    bin->events++;
}

uint64_t
ledger_allocated(uint64_t serial, uint64_t bytes, bool attached, booked_block *large)
{
    uint64_t booked = 0;
    newest_block = serial;
    uint64_t now = clock_ticks();
    for (int i = 0; i < ledger_active; i++) {
        ledger_header *header = region_header(ledger_active_books[i]);
        header->allocations++;
        header->allocated_bytes += bytes;
        header->live_bytes += bytes;
        int booking = -1;
        if (large != NULL && large->record.count < 4) {
            int before = large->record.count;
            region_book_large(ledger_active_books[i], large, &large->record);
            booking = large->record.count > before ? before : -1;
        }
        bool highest = header->live_bytes > header->peak_bytes;
        if (highest) {
            header->peak_bytes = header->live_bytes;
            region_count_peak(ledger_active_books[i]);
            if (attached) {
                position at;
                frames_locate(&at);
                header->peak_place = region_place(ledger_active_books[i], at.user ? at.user : at.here);
            }
        }
        if (booking >= 0) {
            large->seen_from[booking] = ledger_active_books[i]->peaks + !highest;
        }
        mark_timeline(header, now);
        booked |= (uint64_t)1 << ledger_active_books[i]->slot;
    }
    return booked;
}

void
ledger_freed(uint64_t serial, uint64_t bytes, uint64_t booked)
{
    uint64_t now = clock_ticks();
    for (; booked != 0; booked &= booked - 1) {
        ledger *book = ledger_open_books[__builtin_ctzll(booked)];
        /* A slot may have gone to a later ledger since. */
        if (book != NULL && serial >= book->first_block) {
            region_header(book)->live_bytes -= bytes;
            mark_timeline(region_header(book), now);
        }
    }
}
