/* Books calls when they begin, so that one that never ends is known, and counts them at their end. */
#define _GNU_SOURCE
#include "ledger_region.h"

#include "clock.h"
#include "thread_local.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#define LONG_CALL 1000000 /* ns: from here on a record's calls have their resident memory measured */

#define FAULTING 256 /* page faults: a MiB of fresh memory */

/* The place of this thread in the lists of crossings in flight, from 1; 0: not given yet. */
static THREAD_LOCAL unsigned thread_number = 0;
static unsigned threads_seen = 0;

static inline bool
is_stored(const call_argument *argument)
{
    return argument->has_layout || argument->freed != 0;
}

static entry_offset
new_call(ledger *book, const call_event *event)
{
    entry_offset place = region_place(book, event->key.place);
    entry_offset user_place = region_place(book, event->key.user_place);
    entry_offset binding = region_string(book, event->binding);
    entry_offset library = region_string(book, event->library);
    entry_offset function = region_string(book, event->function);
    entry_offset declared[CALL_ARGUMENTS], member[CALL_ARGUMENTS];
    size_t size = sizeof(call_entry);
    for (int i = 0; i < event->argument_count; i++) {
        const call_argument *argument = &event->arguments[i];
        declared[i] = region_string(book, argument->declared);
        member[i] = region_string(book, argument->member[0] ? argument->member : NULL);
        size += sizeof(argument_entry);
        size += is_stored(argument) ? layout_stored_size(argument->given.ndim) : 0;
    }
    entry_offset offset = region_append(book, ENTRY_CALL, size);
    if (offset == 0) {
        return 0;
    }
    call_entry *entry = (call_entry *)(book->region + offset);
    entry->key = event->key;
    entry->place = place;
    entry->user_place = user_place;
    entry->binding = binding;
    entry->library = library;
    entry->function = function;
    entry->argument_count = (uint32_t)event->argument_count;
    entry->ticks_min = UINT64_MAX;
    char *cursor = (char *)(entry + 1);
    for (int i = 0; i < event->argument_count; i++) {
        argument_entry *argument = (argument_entry *)cursor;
        argument->declared = declared[i];
        argument->member = member[i];
        argument->position = (uint32_t)event->arguments[i].position;
        argument->has_layout = event->arguments[i].freed != 0 ? 2 : event->arguments[i].has_layout;
        cursor += sizeof *argument;
        if (argument->has_layout) {
            layout_store((stored_layout *)cursor, &event->arguments[i].given);
            cursor += layout_stored_size(event->arguments[i].given.ndim);
        }
    }
    return offset;
}

static void
keep_arguments(call_entry *entry, const call_event *event)
{
    char *cursor = (char *)(entry + 1);
    for (int i = 0; i < event->argument_count && i < (int)entry->argument_count; i++) {
        argument_entry *argument = (argument_entry *)cursor;
        cursor += sizeof *argument;
        if (argument->has_layout) {
            stored_layout *kept = (stored_layout *)cursor;
            /* The key is a hash: never write more than the entry has room for. */
            if (is_stored(&event->arguments[i]) && event->arguments[i].given.ndim == kept->ndim) {
                layout_store(kept, &event->arguments[i].given);
            }
            cursor += layout_stored_size(kept->ndim);
        }
    }
}

/* Bytes of resident memory of this process, or 0 where the kernel does not say. */
static uint64_t
resident_bytes(void)
{
    char text[64];
    int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return 0;
    }
    ssize_t length = read(file, text, sizeof text - 1);
    close(file);
    unsigned long total = 0, resident = 0;
    if (length > 0) {
        text[length] = '\0';
        if (sscanf(text, "%lu %lu", &total, &resident) != 2) {
            resident = 0;
        }
    }
    return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* How often this thread has touched a page that was not there, and that no disk was read for. */
static uint64_t
page_faults(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_THREAD, &usage) == 0 ? (uint64_t)usage.ru_minflt : 0;
}

static void
note_beginning(call_entry *entry, const call_event *event)
{
    if (event->bytes_borrowed > entry->largest) {
        if (entry->count > 0) {
            keep_arguments(entry, event);
        }
        entry->largest = event->bytes_borrowed;
    }
    entry->bytes_borrowed += event->bytes_borrowed;
}

void
ledger_begin_call(call_event *event, call_ticket *ticket, void (*resolve)(call_event *, void *),
                  void *context)
{
    bool resolved = false;
    ticket->record.count = 0;
    ticket->is_first = false;
    ticket->measures_resident = false;
    ticket->ticks_before = 0;
    if (thread_number == 0) {
        thread_number = __atomic_add_fetch(&threads_seen, 1, __ATOMIC_RELAXED);
    }
    for (int i = 0; i < ledger_active && ticket->record.count < 4; i++) {
        ledger *book = ledger_active_books[i];
        entry_offset *slot = region_slot(book, &book->calls, &event->key, sizeof event->key);
        if (slot != NULL && *slot == 0) {
            if (!resolved) {
                resolve(event, context);
                resolved = true;
            }
            *slot = new_call(book, event);
            book->calls.used += *slot != 0;
        }
        if (slot == NULL || *slot == 0) {
            region_header(book)->dropped++;
            continue;
        }
        call_entry *entry = (call_entry *)(book->region + *slot);
        note_beginning(entry, event);
        ticket->ticks_before = ticket->record.count == 0 ? entry->ticks : ticket->ticks_before;
        /* A first call, and one after a long one, may be worth a look at its memory. */
        ticket->is_first |= entry->count == 0;
        ticket->measures_resident |= entry->count == 0 || entry->was_long;
        entry_offset *in_flight = &region_header(book)->in_flight[thread_number % LEDGER_THREADS];
        ticket->outer[ticket->record.count] = *in_flight;
        record_note(&ticket->record, book, *slot);
        *in_flight = *slot;
    }
    if (ticket->measures_resident) {
        ticket->resident_before = resident_bytes();
        ticket->faults_before = page_faults();
    }
}

calls_so_far
ledger_end_call(const call_ticket *ticket, call_remainder remainder, uint64_t ended,
                uint64_t ticks, uint64_t ticks_self, uint64_t bytes_copied)
{
    calls_so_far all = {0, 0};
    uint64_t growth = 0, faults = 0;
    bool was_long = clock_is_longer(ticks, LONG_CALL);
    if (ticket->measures_resident && was_long) {
        faults = page_faults() - ticket->faults_before;
        uint64_t after = resident_bytes();
        growth = after > ticket->resident_before ? after - ticket->resident_before : 0;
    }
    for (int i = 0; i < ticket->record.count; i++) {
        const record_booking *booking = &ticket->record.bookings[i];
        ledger *book = record_ledger(booking);
        if (book == NULL) {
            continue;
        }
        if (remainder != STILL_IN_INNER) {
            region_header(book)->in_flight[thread_number % LEDGER_THREADS] =
                remainder == STILL_IN_OUTER ? ticket->outer[i] : 0;
        }
        region_header(book)->last_ticks = ended;
        call_entry *entry = (call_entry *)(book->region + booking->entry);
        entry->ticks += ticks;
        entry->ticks_self += ticks_self;
        if (ticks < entry->ticks_min) {
            entry->ticks_min = ticks;
        }
        if (ticks > entry->ticks_max) {
            entry->ticks_max = ticks;
        }
        entry->bytes_copied += bytes_copied;
        entry->resident_growth += growth;
        entry->page_faults += faults;
        entry->faulting += faults >= FAULTING;
        entry->was_long = was_long;
        entry->count++;
        all = i == 0 ? (calls_so_far){entry->ticks, entry->count} : all;
    }
    return all;
}
