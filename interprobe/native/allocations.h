/* What the allocation probe knows about live array data. */
#ifndef INTERPROBE_ALLOCATIONS_H
#define INTERPROBE_ALLOCATIONS_H

#include <stdint.h>

/* The serial number of the live block that starts at `data`, or 0 where it is not known: allocated
 * before the recording, or not by NumPy. Two blocks never share a number, whatever their address. */
uint64_t allocations_serial(const void *data);

/* The same for the block of `bytes` bytes that an array holds from NumPy's default handler: one that
 * is older than the recording gets its number now. 0 where its end would pass unseen. */
uint64_t allocations_serial_of_block(const void *data, uint64_t bytes);

/* Bytes of the live block that starts at `data`, or 0 where it is not known. */
uint64_t allocations_bytes(const void *data);

/* The serial number that the latest block has, in whatever thread. */
uint64_t allocations_latest(void);

#endif
