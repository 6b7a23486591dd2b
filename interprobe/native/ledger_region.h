/* The inside of a ledger: the flat region, its strings and places, and its hash tables. */
#ifndef INTERPROBE_LEDGER_REGION_H
#define INTERPROBE_LEDGER_REGION_H

#include "ledger_allocations.h"

#include <string.h>

typedef struct {
    entry_offset *slots; /* open addressing; 0: empty */
    uint32_t size, used;
} entry_table;

struct ledger {
    char *region;
    char *path;        /* of the file, or NULL */
    char *description; /* what ledger_describe was given last, or NULL */
    entry_table copies, calls, borrows, temporaries, operations, facts, allocations;
    entry_offset pages;          /* the ledger's pages_entry; 0: none yet */
    uint64_t held_before;        /* bytes that malloc had handed out when the ledger was opened */
    uint64_t peaks;              /* how often live_bytes was higher than ever before */
    entry_table strings;         /* by the text's hash */
    entry_offset *place_offsets; /* by place_id; 0: not in this region yet */
    uint32_t place_room;
    uint64_t serial;       /* no two ledgers of a process share one */
    uint64_t first_block;  /* allocations before this one are not this ledger's */
    uint64_t resumed_ticks;
    int slot; /* in ledger_open_books */
    bool active;
};

#define LEDGER_MAXIMUM_OPEN 64 /* bits of the mask of ledgers that booked a block */

extern ledger *ledger_active_books[LEDGER_MAXIMUM_OPEN]; /* the first ledger_active ones */
extern ledger *ledger_open_books[LEDGER_MAXIMUM_OPEN];   /* by slot; NULL: free */

static inline ledger_header *
region_header(ledger *book)
{
    return (ledger_header *)book->region;
}

/* Maps a fresh region, in a new file or in memory, and fills its header. -1 with errno. */
int region_map(ledger *book, const char *path);

/* Forgets all entries; the region itself stays mapped. `whole`: the tables are in good order, and their
 * memory is given back. */
void region_forget(ledger *book, bool whole);

/* Appends a zeroed entry; 0 when the region is full. */
entry_offset region_append(ledger *book, enum entry_type type, size_t size);

/* The entry of a string or a place, written at first sight; 0 for NULL, and when there is no room. */
entry_offset region_string(ledger *book, const char *text);
entry_offset region_place(ledger *book, place_id id);

/* Makes room for more entries in a table; false when memory is out. */
bool region_grow(ledger *book, entry_table *table, size_t key_size);

/* Keys are of a size known where they are looked up, in words: both loops become straight code. */
static inline __attribute__((always_inline)) uint64_t
region_hash(const void *key, size_t size)
{
    uint64_t hash = 0x9E3779B97F4A7C15u;
    for (size_t at = 0; at < size; at += 8) {
        uint64_t word;
        memcpy(&word, (const char *)key + at, 8);
        hash = ((hash ^ word) << 5 | (hash ^ word) >> 59) * 0xFF51AFD7ED558CCDu;
    }
    return hash ^ hash >> 32;
}

static inline __attribute__((always_inline)) bool
region_same(const void *one, const void *other, size_t size)
{
    uint64_t differences = 0;
    for (size_t at = 0; at < size; at += 8) {
        uint64_t a, b;
        memcpy(&a, (const char *)one + at, 8);
        memcpy(&b, (const char *)other + at, 8);
        differences |= a ^ b;
    }
    return differences == 0;
}

/* The slot of `key` in a table: 0 in it where there is no entry yet. The key of an entry starts right
 * behind its head. NULL when the table cannot grow. The caller that fills an empty slot counts it in
 * `used`. */
static inline __attribute__((always_inline)) entry_offset *
region_slot(ledger *book, entry_table *table, const void *key, size_t key_size)
{
    if ((table->used + 1) * 2 > table->size && !region_grow(book, table, key_size)) {
        return NULL;
    }
    uint32_t slot = (uint32_t)region_hash(key, key_size) & (table->size - 1);
    while (table->slots[slot] != 0 &&
           !region_same(book->region + table->slots[slot] + sizeof(entry_head), key, key_size)) {
        slot = (slot + 1) & (table->size - 1);
    }
    return &table->slots[slot];
}

/* Books a large block before its bytes are looked at for a new peak; with the lock, and the GIL. */
void region_book_large(ledger *book, const booked_block *large, record_ticket *record);

/* Measures what fresh memory costs here, where the ledger has blocks to apply that to. */
void region_measure_pages(ledger *book);

/* live_bytes are higher than ever before. */
static inline void
region_count_peak(ledger *book)
{
    book->peaks++;
    if (book->pages != 0) {
        ((pages_entry *)(book->region + book->pages))->peaks = book->peaks;
    }
}

/* Adds a record to a ticket, where there is one. */
static inline void
record_note(record_ticket *ticket, const ledger *book, entry_offset entry)
{
    if (ticket != NULL && ticket->count < 4) {
        ticket->bookings[ticket->count++] = (record_booking){book->serial, book->slot, entry};
    }
}

/* The ledger of a booking, or NULL where it was closed since. */
static inline ledger *
record_ledger(const record_booking *booking)
{
    ledger *book = ledger_open_books[booking->slot];
    return book != NULL && book->serial == booking->ledger ? book : NULL;
}

#endif
