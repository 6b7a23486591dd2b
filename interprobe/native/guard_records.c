/* Keeps in each ledger how many blocks were guarded, and a fixed number of records of violations.
 *
 * The records' room is taken when guard mode begins, so that a handler of signals can write one in a
 * process that is about to die. Texts stand in the record itself for the same reason.
 */
#include "guard_records.h"

#include "ledger_region.h"

#include <string.h>

static ledger *books[GUARD_BOOKS]; /* NULL: free */
static entry_offset first_entries[GUARD_BOOKS]; /* of the guard entry; the violations follow it */

static inline guard_entry *
entry_of(int i)
{
    return (guard_entry *)(books[i]->region + first_entries[i]);
}

static inline violation_entry *
violation_of(int i, int k)
{
    return (violation_entry *)((char *)entry_of(i) + sizeof(guard_entry)) + k;
}

_Static_assert(sizeof(guard_entry) % 8 == 0, "entries follow each other without a gap");
_Static_assert(sizeof(violation_entry) % 8 == 0, "entries follow each other without a gap");

static int
take_room(int i, ledger *book)
{
    entry_offset first = region_append(book, ENTRY_GUARD, sizeof(guard_entry));
    entry_offset last = first;
    for (int k = 0; k < GUARD_VIOLATIONS && last != 0; k++) {
        last = region_append(book, ENTRY_VIOLATION, sizeof(violation_entry));
    }
    if (last == 0) {
        return -1;
    }
    first_entries[i] = first;
    __atomic_store_n(&books[i], book, __ATOMIC_RELEASE);
    entry_of(i)->most = guard_blocks_most();
    return 0;
}

int
guard_records_begin(ledger *book)
{
    for (int i = 0; i < GUARD_BOOKS; i++) {
        if (books[i] == NULL) {
            return take_room(i, book);
        }
    }
    return -1;
}

bool
guard_records_nobody(void)
{
    for (int i = 0; i < GUARD_BOOKS; i++) {
        if (books[i] != NULL) {
            return false;
        }
    }
    return true;
}

void
guard_records_end(ledger *book)
{
    for (int i = 0; i < GUARD_BOOKS; i++) {
        if (books[i] == book) {
            books[i] = NULL;
        }
    }
}

bool
guard_records_keeps(const ledger *book)
{
    for (int i = 0; i < GUARD_BOOKS; i++) {
        if (books[i] == book) {
            return true;
        }
    }
    return false;
}

void
guard_records_go_on_in_child(void)
{
    for (int i = 0; i < GUARD_BOOKS; i++) {
        ledger *book = books[i];
        books[i] = NULL;
        if (book != NULL && book->active && book->path != NULL) {
            take_room(i, book);
        }
    }
}

void
guard_records_count(bool guarded)
{
    for (int i = 0; i < GUARD_BOOKS; i++) {
        if (books[i] != NULL && books[i]->active) {
            entry_of(i)->guarded += guarded;
            entry_of(i)->unguarded += !guarded;
        }
    }
}

uint32_t
guard_records_text(violation_entry *entry, const char *text)
{
    size_t length = strlen(text) + 1;
    if (entry->texts_used + length > sizeof entry->texts) {
        return 0;
    }
    for (uint32_t at = 1; at < entry->texts_used;) {
        if (strcmp(entry->texts + at, text) == 0) {
            return at;
        }
        at += (uint32_t)strlen(entry->texts + at) + 1;
    }
    uint32_t begins = entry->texts_used;
    memcpy(entry->texts + begins, text, length);
    entry->texts_used += (uint32_t)length;
    return begins;
}

void
guard_records_place(violation_entry *entry, guard_place *out, place_id id)
{
    const place *seen = places_get(id);
    if (seen != NULL) {
        out->function = guard_records_text(entry, seen->function);
        out->line = seen->line;
        out->column = seen->column;
        out->end_line = seen->end_line;
        out->end_column = seen->end_column;
        out->file = guard_records_text(entry, seen->file);
    }
}

/* The record of a call in a ledger, or 0. */
static entry_offset
record_in(const ledger *book, const record_ticket *ticket)
{
    for (int i = 0; ticket != NULL && i < ticket->count; i++) {
        if (ticket->bookings[i].ledger == book->serial) {
            return ticket->bookings[i].entry;
        }
    }
    return 0;
}

/* The one call that native code is inside of, in whatever thread; 0 where there are several. */
static entry_offset
only_call_in_flight(ledger *book)
{
    entry_offset only = 0;
    for (int i = 0; i < LEDGER_THREADS; i++) {
        entry_offset each = region_header(book)->in_flight[i];
        if (each != 0 && only != 0 && each != only) {
            return 0;
        }
        only = each != 0 ? each : only;
    }
    return only;
}

static bool
is_same(const violation_entry *entry, const guard_violation *seen, entry_offset call)
{
    return entry->kind == seen->kind && entry->discovery == seen->discovery &&
           entry->call == call && entry->position == seen->position &&
           entry->access == seen->access;
}

/* The record to write to: an empty one, or NULL where one was counted up, or there is no room. */
static violation_entry *
claim(int i, const guard_violation *seen, entry_offset call)
{
    for (int k = 0; k < GUARD_VIOLATIONS; k++) {
        violation_entry *entry = violation_of(i, k);
        uint32_t empty = 0;
        if (__atomic_compare_exchange_n(&entry->state, &empty, 1, false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_ACQUIRE)) {
            return entry;
        }
        /* A fault may be met again and again by a program that returns from its own handler. */
        if (entry->state == 2 && is_same(entry, seen, call) &&
            (seen->discovery != GUARD_FAULT || entry->block_serial == seen->block->serial)) {
            entry->count++;
            if (seen->extent > entry->extent) {
                entry->extent = seen->extent;
                entry->distance = seen->distance;
                entry->block_bytes = seen->block->bytes;
            }
            return NULL;
        }
    }
    entry_of(i)->dropped++;
    return NULL;
}

int
guard_records_write(const guard_violation *seen, violation_entry *written[GUARD_BOOKS])
{
    int count = 0;
    for (int i = 0; i < GUARD_BOOKS; i++) {
        ledger *book = books[i];
        if (book == NULL || !book->active) {
            continue;
        }
        entry_offset call = record_in(book, seen->call);
        if (call == 0 && seen->call_unknown) {
            call = only_call_in_flight(book);
        }
        violation_entry *entry = claim(i, seen, call);
        if (entry == NULL) {
            continue;
        }
        const guard_block *block = seen->block;
        entry->kind = (uint8_t)seen->kind;
        entry->access = (uint8_t)seen->access;
        entry->discovery = (uint8_t)seen->discovery;
        entry->count = 1;
        entry->distance = seen->distance;
        entry->extent = seen->extent;
        entry->block_bytes = block->bytes;
        entry->block_serial = block->serial;
        entry->call = call;
        entry->last_call = record_in(book, &block->last);
        entry->last_position = block->last_position;
        entry->position = seen->position;
        if (seen->position < 0 && call != 0 && call == entry->last_call &&
            block->state == GUARD_LIVE) {
            entry->position = block->last_position; /* a thread that the call has started */
        }
        entry->has_layout = block->has_layout;
        entry->layout = block->layout;
        entry->texts_used = 1;
        guard_records_place(entry, &entry->allocated, block->allocated);
        guard_records_place(entry, &entry->freed, block->freed);
        __atomic_store_n(&entry->state, 2, __ATOMIC_RELEASE);
        written[count++] = entry;
    }
    return count;
}

void
guard_records_damage(const guard_block *block, const guard_damage *damage,
                     enum guard_discovery discovery, const record_ticket *call, int position)
{
    violation_entry *written[GUARD_BOOKS];
    guard_violation seen = {.access = GUARD_WRITE, .discovery = discovery, .block = block,
                            .call = call, .position = position};
    if (damage->before_count != 0) {
        seen.kind = GUARD_BEFORE_START;
        seen.distance = damage->before_reach;
        seen.extent = damage->before_count;
        guard_records_write(&seen, written);
    }
    if (damage->behind_count != 0) {
        seen.kind = GUARD_PAST_END;
        seen.distance = damage->behind_reach;
        seen.extent = damage->behind_count;
        guard_records_write(&seen, written);
    }
}
