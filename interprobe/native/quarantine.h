/* Freed array data whose address was given away, withheld from reuse for a while. */
#ifndef INTERPROBE_QUARANTINE_H
#define INTERPROBE_QUARANTINE_H

#include "addresses.h"

/* A block of array data that NumPy has freed and that nobody else has got since. */
typedef struct {
    given_address given; /* of the array that lay in it */
    void *data;
    uint64_t bytes;
    uint64_t serial;   /* of its allocation; 0: none lies here */
    uint64_t latest;   /* the serial number that the latest block of all had when this one was freed */
    place_id freed_at; /* the line that was running then */
} quarantined_block;

/* Whether `address` lies in such a block (ADDRESS_EXACT: is what was given away of it); then `out` is
 * the layout of the array that lay there, and `out->freed` its serial number. GIL held. */
bool quarantine_find(uintptr_t address, enum address_match match, kept_layout *out);

/* Whether no block is withheld: then no address lies in one. */
bool quarantine_is_empty(void);

/* The block with a serial number, or NULL where it has been given back. Valid until Python code runs
 * or an array is freed. GIL held. */
const quarantined_block *quarantine_get(uint64_t serial);

/* Bytes of all blocks: freed for NumPy, but not for the C heap. */
uint64_t quarantine_bytes(void);

/* Gives all blocks back. GIL held. */
void quarantine_end(void);

#endif
