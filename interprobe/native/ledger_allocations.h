/* The books of array data: totals, and large blocks by the place that made them. */
#ifndef INTERPROBE_LEDGER_ALLOCATIONS_H
#define INTERPROBE_LEDGER_ALLOCATIONS_H

#include "ledger.h"

#define LARGE_BLOCK (1u << 20) /* bytes: from here on each block is followed from its place to its end */

typedef struct {
    place_id place; /* where it was allocated; 0: in a thread without the GIL */
    place_id user_place;
    uint32_t size_class; /* the power of two that its size is not below */
    uint32_t padding;
} allocation_key;

/* Large blocks of array data made at one place. */
typedef struct {
    entry_head head;
    allocation_key key;
    entry_offset place;
    entry_offset user_place;
    uint64_t count;
    uint64_t bytes;
    uint64_t largest;
    uint64_t ended;
    uint64_t live_bytes;
    uint64_t live_count;
    uint64_t live_most;     /* blocks at one time */
    uint64_t touched_bytes; /* of those that ended: pages that were not there before */
    uint64_t looked_at;     /* of those that ended: those whose pages the kernel told of */
    uint64_t kept_largest;  /* block that outlived the expression that made it, among those ended */
    uint64_t peak;          /* number of the peak that the next two are about: pages_entry.peaks */
    uint64_t peak_bytes;    /* alive then. Where `peak` is an earlier one: live_bytes */
    uint64_t passing_bytes; /* of those, what ended inside the expression that made it; else 0 */
} allocation_entry;

/* One per ledger that has allocation entries. */
typedef struct {
    entry_head head;
    uint64_t peaks; /* how often live_bytes was higher than ever before */
    uint64_t machine_bytes;
    uint64_t page_bytes;
    uint64_t held_before; /* bytes that malloc had handed out when the ledger was opened */
    uint64_t small_ticks; /* that a MiB of fresh memory costs; 0: not measured */
    uint64_t huge_ticks;  /* the same for blocks that NumPy asks huge pages for */
} pages_entry;

/* A large block in the books: taken along from its beginning to its end. */
typedef struct {
    uint64_t bytes;
    uint64_t resident; /* of its pages when it began: fresh_pages.h */
    place_id here;
    place_id user;
    const void *user_frame;
    record_ticket record;
    uint64_t seen_from[4]; /* by booking: the first peak at which it was alive */
} booked_block;

/* Array data came or went; called between ledger_lock and ledger_unlock. `serial` numbers the
 * allocations from 1. The set of ledgers that booked a block comes back as a bit mask, to be given
 * again at its end, so that a block that outlives a pause is still taken off the right books.
 * `attached`: the GIL is held. `large`: what is kept of a block from LARGE_BLOCK bytes on, to be filled
 * in; NULL for others. */
uint64_t ledger_allocated(uint64_t serial, uint64_t bytes, bool attached, booked_block *large);
void ledger_freed(uint64_t serial, uint64_t bytes, uint64_t booked);

/* The end of a large block, called as ledger_freed is. `passing`: inside the expression that made it. */
void ledger_large_freed(const booked_block *large, bool passing);

/* Adds what was found out of a block that ended: the bytes that were touched first while it lived. Called
 * with the lock, before the block's memory is given back. */
void ledger_large_touched(const booked_block *large, uint64_t bytes);

#endif
