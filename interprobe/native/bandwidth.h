/* How many bytes a second this machine's memory gives to one thread. */
#ifndef INTERPROBE_BANDWIDTH_H
#define INTERPROBE_BANDWIDTH_H

#include <stdint.h>

typedef struct {
    double read; /* bytes per second, walking forward through memory; 0: not measured */
    double copy; /* bytes read and written per second, of y += s * x: each y counts twice */
} bandwidth;

/* Walks forward through `bytes` of fresh memory, which it gives back, in passes for about `nanoseconds`
 * in all, and takes the best pass of each kind. Touches no memory of the program's and runs none of its
 * code: needs no GIL. Returns 0, or -1 with errno where there is no such memory. */
int bandwidth_measure(uint64_t bytes, uint64_t nanoseconds, bandwidth *out);

#endif
