/* Guarded blocks: array data that end at a page nobody may touch, and stay so once they are freed. */
#ifndef INTERPROBE_GUARD_BLOCKS_H
#define INTERPROBE_GUARD_BLOCKS_H

#include "ledger.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GUARD_DIMENSIONS 8 /* arrays of more keep no shape */

enum guard_state { GUARD_UNUSED, GUARD_LIVE, GUARD_FREED };

/* An array of the block's data, as it was last handed to native code. */
typedef struct {
    stored_layout is;
    int64_t extents[2 * GUARD_DIMENSIONS];
} guard_layout;

/* One block, live or freed. It keeps what it says of a freed block until its place is used again. Read by
 * the handler of faults while other threads may write: only numbers, nothing that is followed. */
typedef struct {
    uintptr_t data;     /* of the array */
    uintptr_t writable; /* where its pages begin: up to `data` lie canaries */
    uintptr_t end;      /* where they end and the page begins that nobody may touch; behind the data,
                         * up to here, lie canaries as well */
    uint64_t bytes;
    uint64_t serial;    /* no two blocks share one */
    uint32_t state;     /* enum guard_state */
    uint32_t next;      /* in the queue of freed places */
    place_id allocated; /* the user's line, or else the innermost one; 0: made without the GIL */
    place_id freed;
    record_ticket last; /* the last call that was given the block */
    int32_t last_position;
    uint32_t first_unit, units; /* of a large block */
    uint16_t size_class;
    bool has_layout;
    bool is_disarmed;   /* guard mode has ended: the page behind may be touched */
    guard_layout layout;
} guard_block;

/* Bytes that were overwritten beside a block. */
typedef struct {
    uint64_t before_reach, before_count; /* from the first byte of the data back to the lowest one; how many */
    uint64_t behind_reach, behind_count; /* from the end of the data to the first one; how many */
} guard_damage;

/* New blocks are guarded. Read without a lock by whoever allocates. */
extern bool guard_blocks_on;

/* Reserves the address space at first use and tries whether pages can be guarded. `at_start`: the page
 * that nobody may touch adjoins the start of new data, and no longer their end. Returns NULL, or why
 * not. GIL held. */
const char *guard_blocks_start(bool at_start);

/* No block is guarded from now on. Those that live stay as they are, but a touch of the page behind
 * them is none of anybody's business any more: it does not end the program. GIL held. */
void guard_blocks_stop(void);

/* How many blocks can be guarded at one time; 0 before the first start. */
uint64_t guard_blocks_most(void);

/* A guarded block of zeros; NULL where it cannot be guarded, or is not its turn. Any thread. */
void *guard_blocks_new(size_t bytes);

/* Whether `data` may be a guarded block, live or freed: a cheap comparison. */
bool guard_blocks_holds(const void *data);

/* Bytes of the live guarded block that starts at `data`; -1 where there is none. */
int64_t guard_blocks_bytes(const void *data);

/* Ends a guarded block; false where there is none at `data`. Any thread. */
bool guard_blocks_free(void *data);

/* Whether guarded blocks live: the hooks that know how to free them must stay. */
bool guard_blocks_live(void);

/* The live or freed block whose pages or guard pages `address` lies in, and the block in front of it
 * where it lies in the page between both; NULL: there is none. Takes no lock: may be called by a handler
 * of signals. */
guard_block *guard_blocks_around(uintptr_t address, guard_block **in_front);

/* Held while blocks come and go, and while a ledger is taken off guard_records.h's books. */
void guard_blocks_lock(void);
void guard_blocks_unlock(void);

/* Every live block of the moment, one after the other. `at` begins at 0. */
guard_block *guard_blocks_next_live(uint32_t *at);

/* Looks at the canaries beside a live block, and puts right what was overwritten. */
bool guard_blocks_damaged(guard_block *block, guard_damage *damage);

#endif
