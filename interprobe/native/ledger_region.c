/* Maps a ledger's region and keeps its strings, places and hash tables. */
#define _GNU_SOURCE
#include "ledger_region.h"

#include "clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A new file of the region's size. All its blocks are claimed now: a write into a mapped hole on a
 * full disk would kill the process. Returns a descriptor, or -1 with errno. */
static int
claim_file(const char *path)
{
    int file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0) {
        return -1;
    }
    int error = fallocate(file, 0, 0, LEDGER_REGION) == 0 ? 0 : errno;
    if (error == EOPNOTSUPP) {
        error = posix_fallocate(file, 0, LEDGER_REGION);
    }
    if (error != 0) {
        close(file);
        unlink(path);
        errno = error;
        return -1;
    }
    return file;
}

int
region_map(ledger *book, const char *path)
{
    int file = path == NULL ? -1 : claim_file(path);
    if (path != NULL && file < 0) {
        return -1;
    }
    int sharing = path == NULL ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE : MAP_SHARED;
    void *region = mmap(NULL, LEDGER_REGION, PROT_READ | PROT_WRITE, sharing, file, 0);
    if (file >= 0) {
        close(file); /* the program finds the descriptors of a plain run */
    }
    if (region == MAP_FAILED) {
        return -1;
    }
    book->region = region;
    ledger_header *header = region_header(book);
    header->version = LEDGER_VERSION;
    header->header_size = sizeof *header;
    header->used = sizeof *header;
    header->pid = (uint64_t)getpid();
    header->started_ticks = clock_ticks();
    header->started_nanoseconds = clock_nanoseconds();
    header->last_ticks = header->started_ticks;
    header->ticks_per_second = (uint64_t)(clock_ticks_per_nanosecond * 1e9);
    header->bin_shift = 20;
    memcpy(header->magic, LEDGER_MAGIC, sizeof header->magic); /* last: now it can be read */
    return 0;
}

void
region_forget(ledger *book, bool whole)
{
    entry_table *tables[] = {&book->copies, &book->calls, &book->borrows, &book->temporaries,
                             &book->operations, &book->facts, &book->allocations, &book->strings};
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        if (whole) {
            free(tables[i]->slots);
        }
        *tables[i] = (entry_table){NULL, 0, 0};
    }
    if (whole) {
        free(book->place_offsets);
    }
    book->pages = 0;
    book->peaks = 0;
    book->place_offsets = NULL;
    book->place_room = 0;
}

entry_offset
region_append(ledger *book, enum entry_type type, size_t size)
{
    ledger_header *header = region_header(book);
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
    uint32_t size = book->strings.size ? book->strings.size * 2 : 128;
    entry_offset *grown = calloc(size, sizeof *grown);
    if (grown == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < book->strings.size; i++) {
        entry_offset known = book->strings.slots[i];
        if (known != 0) {
            *string_slot(book, grown, size, text_at(book, known)) = known;
        }
    }
    free(book->strings.slots);
    book->strings.slots = grown;
    book->strings.size = size;
    return true;
}

entry_offset
region_string(ledger *book, const char *text)
{
    if (text == NULL) {
        return 0;
    }
    if ((book->strings.used + 1) * 2 > book->strings.size && !grow_strings(book)) {
        return 0;
    }
    entry_offset *slot = string_slot(book, book->strings.slots, book->strings.size, text);
    if (*slot != 0) {
        return *slot;
    }
    size_t length = strlen(text);
    entry_offset offset = region_append(book, ENTRY_STRING, sizeof(string_entry) + length + 1);
    if (offset != 0) {
        string_entry *entry = (string_entry *)(book->region + offset);
        entry->length = (uint32_t)length;
        memcpy(entry->text, text, length + 1);
        *slot = offset;
        book->strings.used++;
    }
    return offset;
}

entry_offset
region_place(ledger *book, place_id id)
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
        entry_offset file = region_string(book, seen->file);
        entry_offset function = region_string(book, seen->function);
        entry_offset offset = region_append(book, ENTRY_PLACE, sizeof(place_entry));
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

_Static_assert(sizeof(copy_key) % 8 == 0, "a key is hashed in words");
_Static_assert(sizeof(call_key) % 8 == 0, "a key is hashed in words");
_Static_assert(sizeof(borrow_key) % 8 == 0, "a key is hashed in words");
_Static_assert(sizeof(fact_key) % 8 == 0, "a key is hashed in words");
_Static_assert(sizeof(allocation_key) % 8 == 0, "a key is hashed in words");

bool
region_grow(ledger *book, entry_table *table, size_t key_size)
{
    uint32_t larger = table->size ? table->size * 2 : 128;
    entry_offset *grown = calloc(larger, sizeof *grown);
    if (grown == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < table->size; i++) {
        if (table->slots[i] != 0) {
            const char *known = book->region + table->slots[i] + sizeof(entry_head);
            uint32_t slot = (uint32_t)region_hash(known, key_size) & (larger - 1);
            while (grown[slot] != 0) {
                slot = (slot + 1) & (larger - 1);
            }
            grown[slot] = table->slots[i];
        }
    }
    free(table->slots);
    table->slots = grown;
    table->size = larger;
    return true;
}
