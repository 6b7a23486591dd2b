/* What the allocation probe knows about live array data. */
#ifndef INTERPROBE_ALLOCATIONS_H
#define INTERPROBE_ALLOCATIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The serial number of the live block that starts at `data`, or 0 where it is not known: allocated
 * before the recording, or not by NumPy. Two blocks never share a number, whatever their address. */
uint64_t allocations_serial(const void *data);

/* The same for the block of `bytes` bytes that an array holds from NumPy's default handler: one that
 * is older than the recording gets its number now. 0 where its end would pass unseen. */
uint64_t allocations_serial_of_block(const void *data, uint64_t bytes);

/* Bytes of the live block that starts at `data`, or 0 where it is not known. */
uint64_t allocations_bytes(const void *data);

/* How many known blocks have ended so far, in whatever thread. */
uint64_t allocations_ended(void);

/* The serial number that the latest block has, in whatever thread. */
uint64_t allocations_latest(void);

/* Marks that a live block can carry: somebody waits for its end. */
enum block_mark {
    BLOCK_CONVERTED = 1,     /* a conversion filled it */
    BLOCK_ADDRESS_GIVEN = 2, /* its bare address was handed to the program */
};

/* Marks the live block that starts at `data`; false where it is not known, or has another number. A
 * mark stays until the block ends. */
bool allocations_mark(const void *data, uint64_t serial, enum block_mark mark);

/* Is told of the end of marked blocks. */
typedef struct block_watcher {
    unsigned marks; /* of the blocks that it waits for */
    /* The block still has its contents, and nobody else holds it any more; the ledgers count it as
     * freed already. True: the watcher has taken it over, and gives it back by
     * allocations_give_back. Where the block is being moved (realloc), its contents are copied and
     * the old block ends like any other; one that shrinks and whose address was given away stays
     * where it is, as it would unwatched, and its end is not told. Called without the ledger's lock, perhaps without the GIL,
     * from any thread: must not touch Python then (frames_thread_attached tells). */
    bool (*ending)(void *data, uint64_t bytes, uint64_t serial);
    /* Memory is out: gives back what it has taken over, and says whether that was anything. Called as
     * `ending` is. NULL: nothing is ever taken over. */
    bool (*relent)(void);
    struct block_watcher *next;
} block_watcher;

void block_watcher_register(block_watcher *watcher);

#define REGISTER_BLOCK_WATCHER(variable)                               \
    __attribute__((constructor)) static void register_##variable(void) \
    {                                                                  \
        block_watcher_register(&(variable));                           \
    }

/* Gives a block that a watcher took over back to the allocator that it came from. Any thread. */
void allocations_give_back(void *data, uint64_t bytes);

#endif
