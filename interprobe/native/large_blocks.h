/* What is known of each live block of array data that is large: where it was made, and how fresh it was. */
#ifndef INTERPROBE_LARGE_BLOCKS_H
#define INTERPROBE_LARGE_BLOCKS_H

#include "ledger_allocations.h"

/* A block of LARGE_BLOCK bytes or more was allocated and not yet touched by the program. Without the lock.
 * `attached`: the GIL is held. */
void large_blocks_begin(booked_block *large, const void *data, uint64_t bytes, bool attached);

/* Keeps what ledger_allocated has completed, under the block's serial number; with the lock. */
void large_blocks_keep(const booked_block *large, uint64_t serial);

/* A block has ended: takes it off the books and out of the table; false where it was not kept. With the
 * lock. */
bool large_blocks_end(uint64_t serial, booked_block *out);

/* Looks at what became of its pages, while its memory is still there. Without the lock. */
void large_blocks_look(const booked_block *large, const void *data);

/* Forgets all; with the lock. */
void large_blocks_forget(void);

#endif
