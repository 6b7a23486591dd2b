/* What the allocation probe knows about live array data. */
#ifndef INTERPROBE_ALLOCATIONS_H
#define INTERPROBE_ALLOCATIONS_H

#include <stdint.h>

/* The serial number of the live block that starts at `data`, or 0 where it is not known: allocated
 * before the recording, or not by NumPy. Two blocks never share a number, whatever their address. */
uint64_t allocations_serial(const void *data);

#endif
