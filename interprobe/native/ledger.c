/* Books events into flat regions: hash tables in private memory, records in the region. */
#define _GNU_SOURCE
#include "ledger.h"

#include "clock.h"
#include "frames.h"
#include "origin.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAXIMUM_OPEN 64 /* bits of the mask of ledgers that booked a block */

struct ledger {
    char *region;
    entry_offset *copy_slots; /* open addressing; 0: empty */
    uint32_t copy_size, copy_used;
    entry_offset *call_slots;
    uint32_t call_size, call_used;
    entry_offset *place_offsets; /* by place_id; 0: not in this region yet */
    uint32_t place_room;
    entry_offset *strings; /* open addressing, by the text's hash; 0: empty */
    uint32_t strings_used, strings_size;
    uint64_t first_serial; /* allocations before this one are not this ledger's */
    uint64_t resumed_ticks;
    int slot; /* in open_books */
    bool active;
};

int ledger_active = 0;
static ledger *active[MAXIMUM_OPEN]; /* the first ledger_active ones */
static ledger *open_books[MAXIMUM_OPEN]; /* by slot; NULL: free */
static uint64_t newest_serial;

static char lock;

void
ledger_lock(void)
{
    while (__atomic_test_and_set(&lock, __ATOMIC_ACQUIRE)) {
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

static inline ledger_header *
header_of(ledger *book)
{
    return (ledger_header *)book->region;
}

/* A fork in another thread must not freeze the lock, nor the tables that it guards, half-way. */
__attribute__((constructor)) static void
guard_forks(void)
{
    pthread_atfork(ledger_lock, ledger_unlock, ledger_unlock);
}

ledger *
ledger_new(void)
{
    int slot = 0;
    while (slot < MAXIMUM_OPEN && open_books[slot] != NULL) {
        slot++;
    }
    ledger *book = slot == MAXIMUM_OPEN ? NULL : calloc(1, sizeof *book);
    if (book == NULL) {
        return NULL;
    }
    book->slot = slot;
    book->region = mmap(NULL, LEDGER_REGION, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (book->region == MAP_FAILED) {
        free(book);
        return NULL;
    }
    ledger_header *header = header_of(book);
    memcpy(header->magic, LEDGER_MAGIC, sizeof header->magic);
    header->version = LEDGER_VERSION;
    header->header_size = sizeof *header;
    header->used = sizeof *header;
    header->pid = (uint64_t)getpid();
    header->started_ticks = clock_ticks();
    header->started_nanoseconds = clock_nanoseconds();
    header->bin_shift = 20;
    ledger_lock();
    book->first_serial = newest_serial + 1;
    open_books[slot] = book;
    ledger_unlock();
    return book;
}

void
ledger_delete(ledger *book)
{
    ledger_pause(book);
    ledger_lock();
    open_books[book->slot] = NULL;
    ledger_unlock();
    munmap(book->region, LEDGER_REGION);
    free(book->copy_slots);
    free(book->call_slots);
    free(book->place_offsets);
    free(book->strings);
    free(book);
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
    active[ledger_active] = book;
    __atomic_store_n(&ledger_active, ledger_active + 1, __ATOMIC_RELEASE);
    ledger_unlock();
}

void
ledger_pause(ledger *book)
{
    if (!book->active) {
        return;
    }
    header_of(book)->active_ticks += clock_ticks() - book->resumed_ticks;
    book->active = false;
    ledger_lock();
    for (int i = 0; i < ledger_active; i++) {
        if (active[i] == book) {
            active[i] = active[ledger_active - 1];
            __atomic_store_n(&ledger_active, ledger_active - 1, __ATOMIC_RELEASE);
            break;
        }
    }
    ledger_unlock();
}

void
ledger_abandon(void)
{
    ledger_lock();
    for (int i = 0; i < ledger_active; i++) {
        active[i]->active = false;
    }
    ledger_active = 0;
    ledger_unlock(); /* the regions stay: they are copies of the parent's, freed with their owners */
}

const void *
ledger_snapshot(ledger *book, size_t *size)
{
    ledger_header *header = header_of(book);
    header->now_ticks = clock_ticks();
    header->now_nanoseconds = clock_nanoseconds();
    if (book->active) {
        header->active_ticks += header->now_ticks - book->resumed_ticks;
        book->resumed_ticks = header->now_ticks;
    }
    *size = header->used;
    return book->region;
}

static entry_offset
append(ledger *book, enum entry_type type, size_t size)
{
    ledger_header *header = header_of(book);
    size = (size + 7) & ~(size_t)7;
    if (header->used + size > LEDGER_REGION) {
        return 0;
    }
    entry_offset offset = (entry_offset)header->used;
    entry_head *head = (entry_head *)(book->region + offset);
    head->type = type;
    head->size = (uint32_t)size;
    header->used += size;
    return offset;
}

static inline const char *
text_at(ledger *book, entry_offset offset)
{
    return ((string_entry *)(book->region + offset))->text;
}

/* The slot that holds `text`, or the empty one where it belongs. */
static entry_offset *
string_slot(ledger *book, entry_offset *slots, uint32_t size, const char *text)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (const char *letter = text; *letter != '\0'; letter++) {
        hash = (hash ^ (unsigned char)*letter) * 0x100000001b3u; /* FNV-1a */
    }
    uint32_t slot = (uint32_t)(hash ^ hash >> 32) & (size - 1);
    while (slots[slot] != 0 && strcmp(text_at(book, slots[slot]), text) != 0) {
        slot = (slot + 1) & (size - 1);
    }
    return &slots[slot];
}

static bool
grow_strings(ledger *book)
{
    uint32_t size = book->strings_size ? book->strings_size * 2 : 128;
    entry_offset *grown = calloc(size, sizeof *grown);
    if (grown == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < book->strings_size; i++) {
        if (book->strings[i] != 0) {
            *string_slot(book, grown, size, text_at(book, book->strings[i])) = book->strings[i];
        }
    }
    free(book->strings);
    book->strings = grown;
    book->strings_size = size;
    return true;
}

static entry_offset
store_string(ledger *book, const char *text)
{
    if (text == NULL) {
        return 0;
    }
    if ((book->strings_used + 1) * 2 > book->strings_size && !grow_strings(book)) {
        return 0;
    }
    entry_offset *slot = string_slot(book, book->strings, book->strings_size, text);
    if (*slot != 0) {
        return *slot;
    }
    size_t length = strlen(text);
    entry_offset offset = append(book, ENTRY_STRING, sizeof(string_entry) + length + 1);
    if (offset != 0) {
        string_entry *entry = (string_entry *)(book->region + offset);
        entry->length = (uint32_t)length;
        memcpy(entry->text, text, length + 1);
        *slot = offset;
        book->strings_used++;
    }
    return offset;
}

static entry_offset
store_place(ledger *book, place_id id)
{
    if (id == 0) {
        return 0;
    }
    if (id >= book->place_room) {
        uint32_t room = id < 64 ? 128 : id * 2;
        entry_offset *grown = realloc(book->place_offsets, room * sizeof *grown);
        if (grown == NULL) {
            return 0;
        }
        memset(grown + book->place_room, 0, (room - book->place_room) * sizeof *grown);
        book->place_offsets = grown;
        book->place_room = room;
    }
    if (book->place_offsets[id] == 0) {
        const place *seen = places_get(id);
        entry_offset file = store_string(book, seen->file);
        entry_offset function = store_string(book, seen->function);
        entry_offset offset = append(book, ENTRY_PLACE, sizeof(place_entry));
        if (offset == 0) {
            return 0;
        }
        place_entry *entry = (place_entry *)(book->region + offset);
        entry->file = file;
        entry->function = function;
        entry->line = seen->line;
        entry->column = seen->column;
        entry->end_line = seen->end_line;
        entry->end_column = seen->end_column;
        book->place_offsets[id] = offset;
    }
    return book->place_offsets[id];
}

static inline uint64_t
hash_words(const void *data, size_t size)
{
    uint64_t hash = 0x9E3779B97F4A7C15u;
    const char *bytes = data;
    for (; size >= 8; size -= 8, bytes += 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
        hash = (hash ^ word) * 0xFF51AFD7ED558CCDu;
        hash ^= hash >> 32;
    }
    return hash;
}

_Static_assert(sizeof(copy_key) % 8 == 0, "a key is hashed in words");
_Static_assert(sizeof(call_key) % 8 == 0, "a key is hashed in words");

/* Finds the slot of `key`: *slots[found] is its entry, or 0 where it has none yet. The key of an
 * entry starts right behind its head. Returns -1 when the table cannot grow. */
static int64_t
find_slot(ledger *book, entry_offset **slots, uint32_t *size, uint32_t used, const void *key,
          size_t key_size)
{
    if ((used + 1) * 2 > *size) {
        uint32_t larger = *size ? *size * 2 : 128;
        entry_offset *grown = calloc(larger, sizeof *grown);
        if (grown == NULL) {
            return -1;
        }
        for (uint32_t i = 0; i < *size; i++) {
            if ((*slots)[i] != 0) {
                const char *known = book->region + (*slots)[i] + sizeof(entry_head);
                uint32_t slot = (uint32_t)hash_words(known, key_size) & (larger - 1);
                while (grown[slot] != 0) {
                    slot = (slot + 1) & (larger - 1);
                }
                grown[slot] = (*slots)[i];
            }
        }
        free(*slots);
        *slots = grown;
        *size = larger;
    }
    uint32_t slot = (uint32_t)hash_words(key, key_size) & (*size - 1);
    while ((*slots)[slot] != 0 &&
           memcmp(book->region + (*slots)[slot] + sizeof(entry_head), key, key_size) != 0) {
        slot = (slot + 1) & (*size - 1);
    }
    return slot;
}

static inline size_t
source_size(const copy_key *key)
{
    return key->has_source ? layout_stored_size(key->source_ndim) : 0;
}

static inline int64_t *
shapes_of(copy_entry *entry)
{
    return (int64_t *)((char *)(entry + 1) + source_size(&entry->key) +
                       layout_stored_size(entry->key.result_ndim));
}

static entry_offset
new_copy(ledger *book, const copy_event *event)
{
    const copy_key *key = &event->key;
    entry_offset place = store_place(book, key->place);
    entry_offset user_place = store_place(book, key->user_place);
    entry_offset mechanism = store_string(book, event->mechanism);
    const origin *asked = origin_get((uint32_t)key->origin);
    entry_offset library = asked == NULL ? 0 : store_string(book, asked->library);
    size_t size = sizeof(copy_entry) + source_size(key) + layout_stored_size(key->result_ndim) +
                  LEDGER_SHAPES * key->result_ndim * sizeof(int64_t);
    entry_offset offset = append(book, ENTRY_COPY, size);
    if (offset == 0) {
        return 0;
    }
    copy_entry *entry = (copy_entry *)(book->region + offset);
    entry->key = *key;
    entry->place = place;
    entry->user_place = user_place;
    entry->mechanism = mechanism;
    entry->library = library;
    entry->address = asked == NULL ? 0 : asked->address;
    entry->nbytes_min = UINT64_MAX;
    return offset;
}

static void
count_shape(copy_entry *entry, const layout *result)
{
    int64_t *shape = shapes_of(entry);
    for (int i = 0; i < LEDGER_SHAPES; i++, shape += result->ndim) {
        if (entry->shape_counts[i] == 0) {
            for (int d = 0; d < result->ndim; d++) {
                shape[d] = result->shape[d];
            }
        }
        int same = 1;
        for (int d = 0; d < result->ndim; d++) {
            same &= shape[d] == result->shape[d];
        }
        if (same) {
            entry->shape_counts[i]++;
            return;
        }
    }
    entry->other_shapes++;
}

static void
add_copy(copy_entry *entry, const copy_event *event)
{
    if (event->bytes > entry->nbytes_max || entry->count == 0) {
        entry->nbytes_max = event->bytes;
        stored_layout *stored = (stored_layout *)(entry + 1);
        if (event->source != NULL) {
            layout_store(stored, event->source);
            stored = (stored_layout *)((char *)stored + source_size(&entry->key));
        }
        layout_store(stored, event->result);
    }
    if (event->bytes < entry->nbytes_min) {
        entry->nbytes_min = event->bytes;
    }
    count_shape(entry, event->result);
    entry->bytes += event->bytes;
    entry->ticks += event->ticks;
    if (entry->count > 0 && event->source_identity != 0 &&
        entry->last_source == event->source_identity && entry->last_contents == event->contents) {
        entry->repeated++;
    }
    entry->last_source = event->source_identity;
    entry->last_contents = event->contents;
    entry->count++; /* last: an entry that counts is whole */
}

void
ledger_book_copy(const copy_event *event)
{
    for (int i = 0; i < ledger_active; i++) {
        ledger *book = active[i];
        int64_t slot = find_slot(book, &book->copy_slots, &book->copy_size, book->copy_used,
                                 &event->key, sizeof event->key);
        entry_offset offset = slot < 0 ? 0 : book->copy_slots[slot];
        if (slot >= 0 && offset == 0) {
            offset = new_copy(book, event);
            book->copy_slots[slot] = offset;
            book->copy_used += offset != 0;
        }
        if (offset == 0) {
            header_of(book)->dropped++;
            continue;
        }
        add_copy((copy_entry *)(book->region + offset), event);
    }
}

static entry_offset
new_call(ledger *book, const call_event *event)
{
    entry_offset place = store_place(book, event->key.place);
    entry_offset user_place = store_place(book, event->key.user_place);
    entry_offset binding = store_string(book, event->binding);
    entry_offset library = store_string(book, event->library);
    entry_offset function = store_string(book, event->function);
    entry_offset declared[CALL_ARGUMENTS];
    size_t size = sizeof(call_entry);
    for (int i = 0; i < event->argument_count; i++) {
        const call_argument *argument = &event->arguments[i];
        declared[i] = store_string(book, argument->declared);
        size += sizeof(argument_entry);
        size += argument->has_layout ? layout_stored_size(argument->given.ndim) : 0;
    }
    entry_offset offset = append(book, ENTRY_CALL, size);
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
        argument->has_layout = event->arguments[i].has_layout;
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
            if (event->arguments[i].has_layout && event->arguments[i].given.ndim == kept->ndim) {
                layout_store(kept, &event->arguments[i].given);
            }
            cursor += layout_stored_size(kept->ndim);
        }
    }
}

static void
add_call(call_entry *entry, const call_event *event)
{
    if (event->bytes_borrowed > entry->largest && entry->count > 0) {
        keep_arguments(entry, event);
    }
    if (event->bytes_borrowed > entry->largest) {
        entry->largest = event->bytes_borrowed;
    }
    entry->ticks += event->ticks;
    entry->ticks_self += event->ticks_self;
    if (event->ticks < entry->ticks_min) {
        entry->ticks_min = event->ticks;
    }
    if (event->ticks > entry->ticks_max) {
        entry->ticks_max = event->ticks;
    }
    entry->bytes_borrowed += event->bytes_borrowed;
    entry->bytes_copied += event->bytes_copied;
    entry->count++;
}

void
ledger_book_call(call_event *event, void (*resolve)(call_event *, void *), void *context)
{
    bool resolved = false;
    for (int i = 0; i < ledger_active; i++) {
        ledger *book = active[i];
        int64_t slot = find_slot(book, &book->call_slots, &book->call_size, book->call_used,
                                 &event->key, sizeof event->key);
        entry_offset offset = slot < 0 ? 0 : book->call_slots[slot];
        if (slot >= 0 && offset == 0) {
            if (!resolved) {
                resolve(event, context);
                resolved = true;
            }
            offset = new_call(book, event);
            book->call_slots[slot] = offset;
            book->call_used += offset != 0;
        }
        if (offset == 0) {
            header_of(book)->dropped++;
            continue;
        }
        add_call((call_entry *)(book->region + offset), event);
    }
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
ledger_allocated(uint64_t serial, uint64_t bytes, bool attached)
{
    uint64_t booked = 0;
    newest_serial = serial;
    uint64_t now = clock_ticks();
    for (int i = 0; i < ledger_active; i++) {
        ledger_header *header = header_of(active[i]);
        header->allocations++;
        header->allocated_bytes += bytes;
        header->live_bytes += bytes;
        if (header->live_bytes > header->peak_bytes) {
            header->peak_bytes = header->live_bytes;
            if (attached) {
                position at;
                frames_locate(&at);
                header->peak_place = store_place(active[i], at.user ? at.user : at.here);
            }
        }
        mark_timeline(header, now);
        booked |= (uint64_t)1 << active[i]->slot;
    }
    return booked;
}

void
ledger_freed(uint64_t serial, uint64_t bytes, uint64_t booked)
{
    uint64_t now = clock_ticks();
    for (; booked != 0; booked &= booked - 1) {
        ledger *book = open_books[__builtin_ctzll(booked)];
        /* A slot may have gone to a later ledger since. */
        if (book != NULL && serial >= book->first_serial) {
            header_of(book)->live_bytes -= bytes;
            mark_timeline(header_of(book), now);
        }
    }
}
